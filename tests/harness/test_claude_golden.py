"""The golden table against the real Claude Code: what its Bash tool runs, not what we decided.

Once for each of the six allow-lists, all lines in one session.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.harness.tool_policy import Policy, ToolPolicy, decide_tool
from hyperhive.protocol.patterns import parse_bash_patterns
from tests.harness.command_table import (
    ALLOWED_BY,
    LISTS,
    OPEN_UNDER_GIT,
    OPEN_UNDER_GIT_LOG,
    REFUSED_BY_CLAUDE_CODE,
)
from tests.harness.marks import Marks, make_program, make_repository
from tests.support.claude import bench
from tests.support.scripted_model import Reply, text, tool

pytestmark = pytest.mark.claude

OPEN = dict.fromkeys(OPEN_UNDER_GIT, "*g") | dict.fromkeys(OPEN_UNDER_GIT_LOG, "*gl")
"""What `git *` and `git log *` are known to let through; the real git is asked."""

AT_ONCE = 20
"""Calls in one message of the model."""

CLAUDE_CODES_OWN = ("env ", "id -u", "git -c core.hooksPath=/dev/null -c core.fsmonitor= ")
"""It takes down once what shell it has, and has git list files with all that git starts put out."""


def policy_of(letter: str) -> Policy:
    policy = ToolPolicy(
        allowed_tools=("Bash",),
        allowed_bash=parse_bash_patterns(LISTS[letter]),
        mcp_servers=frozenset(),
    )
    return lambda name, arguments: decide_tool(name, arguments, policy)


def asking(*lines: str) -> Reply:
    return Reply(tuple(block for line in lines for block in tool("Bash", command=line).blocks))


@pytest.mark.parametrize("letter", LISTS)
async def test_runs_what_the_table_says_and_nothing_else(tmp_path: Path, letter: str) -> None:
    marks, opening = Marks(tmp_path / "marks"), Opening(tmp_path)
    calls, opened = set[str](), set[str]()

    def replies() -> Iterator[Reply]:
        lines = [line for line, _ in ALLOWED_BY]
        yield from (asking(*lines[n : n + AT_ONCE]) for n in range(0, len(lines), AT_ONCE))
        calls.update(marks.calls)
        for line in OPEN:
            opening.prepare()
            yield asking(line.format_map(opening.places))
            if opening.used:
                opened.add(line)
        yield text("done")

    script = replies()
    async with bench(tmp_path, lambda _: next(script), policy_of(letter)) as b:
        given = {**b.session.options.environment, "V": opening.places["P"]}
        b.session.options = replace(b.session.options, environment=marks.environment(given))
        assert (await b.run()).clean

    assert opened == {line for line, letters in OPEN.items() if letter in letters}
    allowed = {line for line, letters in ALLOWED_BY if letter in letters} - REFUSED_BY_CLAUDE_CODE
    assert marks.lines == allowed | {line.format_map(opening.places) for line in opened}
    started = {call.split()[0] for call in calls if not call.startswith(CLAUDE_CODES_OWN)}
    assert started <= {re.split("[ :]", pattern)[0] for pattern in LISTS[letter]} or letter == "*"


class Opening:
    """A repository in the workspace, and a program that nobody but git would start."""

    def __init__(self, root: Path) -> None:
        self._workspace, self._fresh = root / "workspace", root / "fresh"
        self._used, self._written = root / "used", root / "written"
        program, hooks, attributes = root / "program", root / "hooks", root / "attributes"
        self.places = {
            "P": str(program),
            "D": str(hooks),
            "A": str(attributes),
            "F": str(self._written),
        }
        make_repository(self._fresh)
        make_program(program, f"#!/bin/sh\n: >{self._used}\nexit 1\n")
        hooks.mkdir()
        for name in ("pre-commit", "git-foo"):
            (hooks / name).symlink_to(program)
        attributes.write_text("* filter=x diff=x merge=x\n")

    @property
    def used(self) -> bool:
        return self._used.exists() or self._written.exists()

    def prepare(self) -> None:
        """Everything as it was at first; the workspace itself stays, somebody may be in it."""
        self._used.unlink(missing_ok=True)
        self._written.unlink(missing_ok=True)
        for entry in self._workspace.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.copytree(self._fresh, self._workspace, dirs_exist_ok=True)
