"""`./hive host COMMAND`: one command on a host of its own, with the service running."""

import subprocess
import sys

from tests.host.conftest import CLONE


def test_a_command_finds_the_service_and_its_command_line() -> None:
    shell = ["/usr/bin/python3", "-m", "nested", "shell", str(CLONE), sys.executable]
    done = subprocess.run(
        [*shell, "sh", "-c", "hyperhive status && hyperhive doctor"],
        cwd=CLONE,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "runtime    nspawn" in done.stdout
    assert "ok    isolation: nspawn" in done.stdout
