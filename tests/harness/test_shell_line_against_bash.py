"""Whatever is accepted, a real Bash executes exactly the words returned, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random

from hyperhive.harness.shell_line import split_commands
from hyperhive.harness.shell_words import NotUnderstood
from tests.harness.random_lines import NAMES, Line, fuzz, random_line
from tests.harness.recording_shell import executed

Commands = list[tuple[str, ...]]


def test_random_quoting_is_read_as_bash_reads_it(tmp_path: Path) -> None:
    random = Random(20260101)
    lines = [random_line(random) for _ in range(2_500)]
    for line in lines:
        assert split_commands(line.text) == line.commands, line.text
    for status in (0, 1):
        seen = executed([line.text for line in lines], NAMES, tmp_path, status)
        for line, commands in zip(lines, seen, strict=True):
            assert _in_line_order(commands, line) == line.run_when(status), line.text


def _in_line_order(commands: Commands, line: Line) -> Commands:
    """The parts of a pipeline start in any order; everything else does not."""
    ordered = sorted(commands) if line.is_pipeline else commands
    return [tuple(words) for words in ordered]


def test_no_accepted_line_executes_anything_else(tmp_path: Path) -> None:
    random = Random(20260102)
    accepted = _accepted(fuzz(random) for _ in range(60_000))
    assert len(accepted) > 2_500, "the fuzzer no longer reaches what is accepted"
    lines = list(accepted)
    names = {words[0] for commands in accepted.values() for words in commands}
    succeeding, failing = (executed(lines, names, tmp_path, status) for status in (0, 1))
    runs = zip(lines, succeeding, failing, strict=True)
    differences = [
        (line, accepted[line], *seen)
        for line, *seen in runs
        if not _agree(*(_comparable(line, commands) for commands in (accepted[line], *seen)))
    ]
    assert differences == []


def _accepted(lines: Iterable[str]) -> dict[str, Commands]:
    accepted = {}
    for line in lines:
        try:
            accepted[line] = split_commands(line)
        except NotUnderstood:
            continue
    return accepted


def _comparable(line: str, commands: Commands) -> Commands:
    """Only the names where Bash may put file names for an argument such as `~+` or `/dev/null*`."""
    expands = any(character in line for character in "~*?[")
    return [words[:1] for words in commands] if expands else commands


def _agree(parsed: Commands, succeeding: Commands, failing: Commands) -> bool:
    """Each command runs when all before it succeed, or when all before it fail.

    A name with a slash is not looked up, so it is not seen and fails.
    """
    named = Counter(parsed)
    runs = (Counter(succeeding), Counter(failing))
    complete = any("/" in words[0] for words in parsed) or set(named) == set(runs[0] | runs[1])
    return complete and all(run <= named for run in runs)
