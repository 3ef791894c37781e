"""`./hive host COMMAND`: one command on a host of its own, with the service running."""

import subprocess
import sys

import pytest

from tests.host.conftest import CLONE

RESTARTED = """
agent() { systemctl show --property=InvocationID --value hyperhive-agent@manager.service; }
until hyperhive agents | grep -q '^manager.* idle'; do sleep 0.1; done
before=$(agent)
for again in 1 2 3; do systemctl restart hyperhive || exit 1; sleep 1; done
systemctl stop hyperhive; sleep 7; systemctl start hyperhive || exit 1
hyperhive send manager help
until hyperhive inbox | grep -o 'I am a scripted model'; do sleep 0.1; done
[ -n "$before" ] && [ "$before" = "$(agent)" ] && echo the same container
"""
"""A second between restarts, as nobody types faster; seven are more than a demo lets pass."""


def on_a_host(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/usr/bin/python3", "-m", "nested", "shell", str(CLONE), sys.executable, *command],
        cwd=CLONE,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_a_command_finds_the_service_and_its_command_line() -> None:
    done = on_a_host("sh", "-c", "hyperhive status && hyperhive doctor")
    assert done.returncode == 0, done.stderr
    assert "runtime    nspawn" in done.stdout
    assert "ok    isolation: nspawn" in done.stdout


@pytest.mark.claude
def test_the_service_can_be_restarted_and_stopped() -> None:
    """As that of an installation: agents go on, and so does the model."""
    done = on_a_host("timeout", "100", "sh", "-c", RESTARTED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-2:] == ["I am a scripted model", "the same container"]
