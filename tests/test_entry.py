"""The developer's entry, `./hive`: help comes at once, without anything being set up."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from hyperhive.cli.demo import demo

ENTRY = Path(__file__).parents[1] / "hive"


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A clone of which nothing is there but the entry: it could set up nothing."""
    return Path(shutil.copy(ENTRY, tmp_path))


def told(entry: Path, *arguments: str) -> str:
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [entry, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    assert os.listdir(entry.parent) == ["hive"]
    return done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *("--help", "-h", "help"),
        *("test --help", "test tests/hive -x -h", "check --help", "bench --help"),
        *("host --help", "host -h", "install --help"),
    ],
)
def test_help_comes_before_any_set_up(alone: Path, arguments: str) -> None:
    assert told(alone, *arguments.split()).startswith("Usage: ./hive VERB")


@pytest.mark.parametrize("arguments", ["--help", "--once -h", "--runtime=local --help"])
def test_the_demos_own_help_knows_its_arguments(alone: Path, arguments: str) -> None:
    text = told(alone, "demo", *arguments.split())
    named = set(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE))
    options = [p for p in demo.params if isinstance(p, click.Option) and not p.hidden]
    assert named == {option.opts[0] for option in options}
