"""`python -m hyperhive.cli`."""

from hyperhive.cli.main import main

main()
