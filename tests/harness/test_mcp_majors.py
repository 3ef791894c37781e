"""The tests of the tools once more with mcp 1.x, which nixpkgs has; the venv itself has 2.x."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.tiers import MCP1_PYTHON

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.mcp1


def run(python: str | Path, *arguments: str, **variables: str) -> str:
    """Its output; it must succeed."""
    done = subprocess.run(
        [python, *arguments],
        env={**os.environ, **variables},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def passed(output: str) -> int:
    """How many tests, when there is no other outcome."""
    last = output.splitlines()[-1]
    outcome = re.fullmatch(r"(\d+) passed(, \d+ deselected)? in .*", last)
    assert outcome, output
    return int(outcome[1])


def test_each_environment_has_its_own_major() -> None:
    code = "import mcp, importlib.metadata as m; print(m.version('mcp'), mcp.__file__)"
    number, file = run(MCP1_PYTHON, "-c", code).split()
    assert {number.split(".")[0], version("mcp").split(".")[0]} == {"1", "2"}
    assert Path(file).is_relative_to(MCP1_PYTHON.parents[1])


PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_the_tools_are_the_same() -> None:
    assert passed(run(MCP1_PYTHON, *PYTEST, "tests/harness/test_tools.py")) > 20


@pytest.mark.parametrize(
    ("client", "server"),
    [(MCP1_PYTHON, MCP1_PYTHON), (MCP1_PYTHON, sys.executable), (sys.executable, MCP1_PYTHON)],
    ids=["both 1", "client 1, server 2", "client 2, server 1"],
)
def test_the_tools_are_served_over_stdio(client: str | Path, server: str | Path) -> None:
    tests = (*PYTEST, "tests/harness/test_stdio.py", "-k", "client or refusal or outlasts")
    assert passed(run(client, *tests, HARNESS_PYTHON=str(server))) == 3


@pytest.mark.claude
def test_claude_code_uses_the_tools() -> None:
    tests = ("tests/harness/test_turns.py", "-k", "tool or recv or cancel", "--require=claude")
    assert passed(run(MCP1_PYTHON, *PYTEST, *tests)) >= 4
