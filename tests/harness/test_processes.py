"""Orphans are found and ended; run in a process of its own, since it ends all its children."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import subprocess
from hyperhive.harness.processes import become_subreaper, children, kill_children
become_subreaper()
subprocess.run(["bash", "-c", "(setsid tail -f /dev/null &); (tail -f /dev/null &)"], check=True)
NAUGHTY = "trap '' TERM; echo; tail -f /dev/null; true"
with subprocess.Popen(["bash", "-c", NAUGHTY], stdout=subprocess.PIPE) as p:
    p.stdout.readline()
    print(len(children()), kill_children(), children())
"""


def test_everything_below_is_ended() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.strip() == "3 True set()", done.stdout + done.stderr
