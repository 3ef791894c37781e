"""Files that would run later are known whichever way they are named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hyperhive.harness.startup_files import runs_later
from hyperhive.harness.tool_policy import ToolPolicy, decide_tool
from hyperhive.protocol.patterns import parse_bash_patterns


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / ".claude").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    return tmp_path / "home"


def decide(home: Path, tool: str, path: str, commands: tuple[str, ...] = ("ls",)) -> bool:
    policy = ToolPolicy(
        allowed_tools=("*",),
        allowed_bash=parse_bash_patterns(commands),
        mcp_servers=frozenset(),
        home=home,
        workspace=home.parent / "work",
    )
    return decide_tool(tool, {"file_path": path}, policy).allowed


@pytest.mark.parametrize(
    "path",
    [
        "{home}/.bashrc",
        "~/.bash_profile",
        "../home/.profile",
        "{home}/x/../.bashrc",
        "{home}//.claude.json",
        "~/.claude/settings.json",
        "~/.claude/shell-snapshots/new.sh",
        "link",
        "directory/.bash_login",
    ],
)
def test_what_would_run_is_not_written(home: Path, path: str) -> None:
    work = home.parent / "work"
    os.symlink(home / ".bashrc", work / "link")
    os.symlink(home, work / "directory")
    named = path.format(home=home)
    assert runs_later(named, home, work)
    assert not decide(home, "Write", named)
    assert not decide(home, "Edit", named)
    assert decide(home, "Read", named)
    assert decide(home, "Write", named, ("*",))


@pytest.mark.parametrize("path", ["notes.md", "~/notes", "{home}/src/.bashrc", ".claude/x", "/x"])
def test_everything_else_is(home: Path, path: str) -> None:
    assert decide(home, "Write", path.format(home=home))
