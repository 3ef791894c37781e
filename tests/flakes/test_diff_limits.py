"""What is left out of a change is counted, and shown to who asks for the whole."""

from __future__ import annotations

import pytest

from hyperhive.flakes.diff import AT_ONCE, WHOLE
from tests.flakes.conftest import Work
from tests.flakes.differing import Files, changes, edited, shown


@pytest.fixture
async def made(work: Work) -> Work:
    await work.repositories.create("alice")
    return work


async def test_filler_hides_nothing_but_itself(made: Work) -> None:
    filler = b"".join(b"# filler %032d\n" % n for n in range(60_000))
    old: Files = {"agent.nix": b"old\n", "aaa": b"", "zzz": b"z\n"}
    new: Files = {"agent.nix": b"evil\n", "aaa": filler, "zzz": b"Z\n"}
    found = await changes(made, old, new, AT_ONCE)
    files = {file.path: file for file in found.files}
    assert shown(files["agent.nix"]) == ["-old", "+evil"]
    assert shown(files["zzz"]) == ["-z", "+Z"]
    assert len(files["aaa"].lines) == AT_ONCE.lines - 4
    assert files["aaa"].hidden == 60_000 - len(files["aaa"].lines)
    assert not found.complete


async def test_what_is_below_filler_is_counted_and_then_shown(made: Work) -> None:
    filler = b"# filler, " + b"x" * 40 + b"\n"
    old = b"keep\n" * 10
    new = filler * 40_000 + old.replace(b"keep\n", b"evil\n", 1)
    at_once = await edited(made, old, new, AT_ONCE)
    assert "+evil" not in shown(at_once)
    assert at_once.hidden == 40_001 + 1 + 3 - AT_ONCE.lines
    whole = await edited(made, old, new)
    assert (shown(whole).count("+evil"), whole.hidden) == (1, 0)


async def test_a_long_line_is_cut_and_counted(made: Work) -> None:
    long = b"x" * 5_000 + b"evil\n"
    found = await changes(made, {"agent.nix": b"a\n"}, {"agent.nix": long}, AT_ONCE)
    (file,) = found.files
    assert shown(file)[1] == "+" + "x" * 2_000 + "… (3004 more characters)"
    assert (file.hidden, found.complete) == (1, False)
    found = await changes(made, {"agent.nix": b"a\n"}, {"agent.nix": long})
    assert (shown(found.files[0])[1], found.complete) == (f"+{long.decode().strip()}", True)


async def test_many_files_are_counted_and_then_shown(made: Work) -> None:
    new = {f"{n:03}": b"x%d\n" % n for n in range(129)} | {"agent.nix": b"x\n"}
    found = await changes(made, {}, new, AT_ONCE)
    assert [file.path for file in found.files[:2]] == ["agent.nix", "000"]
    assert (len(found.files), found.hidden_files, found.complete) == (100, 30, False)
    found = await changes(made, {}, new)
    assert (len(found.files), found.hidden_files, found.complete) == (130, 0, True)


async def test_more_lines_than_can_be_shown_are_counted_as_hidden(made: Work) -> None:
    found = await changes(made, {"a": b"a\n"}, {"a": b"\n" * 4_000_000})
    (file,) = found.files
    assert (shown(file), file.hidden, found.complete) == (["-a"], 4_000_000, False)
    assert file.note.startswith("too many lines after: 4000000 bytes, SHA-256 ")
    many = {str(n): b"\n" * 150_000 for n in range(4)}
    found = await changes(made, {}, many)
    assert sum(len(file.lines) for file in found.files) == WHOLE.lines
    assert sum(file.hidden for file in found.files) == 600_000 - WHOLE.lines
