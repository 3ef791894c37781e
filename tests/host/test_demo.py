"""The demo as root: a host of its own, every agent in a container, and nothing left of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.conftest import CLONE

pytestmark = pytest.mark.claude

BEGUN = "wakes for 1 message"
PLACE = "hyperhive-nested-"
"""In the names of directories of nested hosts, which only they themselves mount on."""


def mounted() -> list[str]:
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if PLACE in line]


def test_it_plays_the_whole_scenario_in_containers() -> None:
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "nested", "demo", CLONE, sys.executable, "--once"],
        cwd=CLONE,
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "runtime: nspawn" in lines
    assert any(line.endswith("manager   started") for line in lines), "a unit of its own"
    assert any(line.endswith("clerk     started") for line in lines)
    assert any("clerk" in line and BEGUN in line for line in lines), "Claude Code in a container"
    assert any("1 refused" in line for line in lines), "the allow-list holds there"
    assert not mounted()
