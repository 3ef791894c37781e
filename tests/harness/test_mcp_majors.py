"""The tests of the tools once more with mcp 1.x, which nixpkgs has, beside the 2.x of this venv.

It lies in a folder of the virtual environment that only these runs put on their path:
`pip install --target .venv/mcp1 'mcp>=1.23,<2'`.
"""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

OTHER = Path(sys.prefix, "mcp1")
TESTS = Path(__file__).parent

pytestmark = pytest.mark.skipif(
    not (OTHER / "mcp").is_dir(), reason=f"not run: no mcp 1.x in {OTHER}"
)


def with_other_mcp(*argv: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *argv],
        env={**os.environ, "PYTHONPATH": str(OTHER)},
        cwd=TESTS.parent.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_both_majors_are_there() -> None:
    shown = with_other_mcp("-c", "import importlib.metadata as m; print(m.version('mcp'))")
    assert {shown.stdout.split(".")[0], version("mcp").split(".")[0]} == {"1", "2"}


@pytest.mark.parametrize("name", ["test_tools.py", "test_stdio.py"])
def test_the_tools_work_with_mcp_1(name: str) -> None:
    done = with_other_mcp("-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS / name))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
