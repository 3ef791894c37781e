"""`python -m hyperhive.harness`."""

from hyperhive.harness.main import main

main(prog_name="hyperhive-harness")
