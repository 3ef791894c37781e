"""What is shown of a change accounts for every file, whatever the tree and git are told."""

from __future__ import annotations

import pytest

from hyperhive.flakes import diff
from hyperhive.flakes.diff import AT_ONCE, WHOLE
from hyperhive.hive.change_rows import Changes
from hyperhive.protocol.errors import InvalidField, NotFound
from tests.flakes.conftest import Work
from tests.flakes.differing import Files, changes, commit, edited, one, shown


@pytest.fixture
async def made(work: Work) -> Work:
    await work.repositories.create("alice")
    return work


# --- what git is told has no effect ---


async def test_a_change_is_shown_line_by_line(made: Work) -> None:
    old = b"".join(b"%d\n" % n for n in range(1, 21))
    file = await edited(made, old, old.replace(b"12\n", b"twelve\n"))
    assert shown(file) == [
        *("=8 unchanged lines", " 9", " 10", " 11", "-12", "+twelve"),
        *(" 13", " 14", " 15", "=5 unchanged lines"),
    ]
    assert [(line.old, line.new) for line in file.lines[3:7]] == [
        *((11, 11), (12, None), (None, 12), (13, 13))
    ]
    assert (file.path, file.kind, file.old_path, file.note) == ("agent.nix", "changed", "", "")
    assert (file.old_size, file.new_size, file.hidden) == (len(old), len(old) + 4, 0)


async def test_without_a_base_all_is_new(made: Work) -> None:
    found = await changes(made, None, {"agent.nix": b"{ }\n", "b": b"x\n"})
    assert [(f.path, f.kind, f.old_mode, shown(f)) for f in found.files] == [
        ("agent.nix", "added", "", ["+{ }"]),
        ("b", "added", "", ["+x"]),
    ]
    assert found.complete
    assert await changes(made, {"a": b"x"}, {"a": b"x"}) == Changes(())


@pytest.mark.parametrize(
    "attributes",
    [b"* -diff", b"* binary", b"* diff=evil", b"* -text -diff", b"* filter=evil", b"* ident"],
)
async def test_attributes_and_settings_have_no_effect(made: Work, attributes: bytes) -> None:
    old: Files = {".gitattributes": attributes, "agent.nix": b"$Id$\nold\n"}
    new: Files = {".gitattributes": attributes, "agent.nix": b"$Id$\nevil\n"}
    made.git("alice", "update-ref", "refs/heads/main", commit(made, new))
    (made.directory / "alice.git/info").mkdir(exist_ok=True)
    (made.directory / "alice.git/info/attributes").write_bytes(attributes)
    order = made.directory / "order"
    order.write_text("*.zip\n")
    for key, value in {
        "diff.evil.textconv": "true",
        "diff.evil.command": "true",
        "diff.evil.binary": "true",
        "diff.external": "true",
        "diff.ignoreSubmodules": "all",
        "diff.orderFile": str(order),
        "diff.renames": "false",
        "diff.context": "0",
        "core.whitespace": "cr-at-eol",
        "core.bigFileThreshold": "1",
        "core.quotePath": "true",
    }.items():
        made.git("alice", "config", key, value)
    file = await one(made, old, new)
    assert shown(file) == [" $Id$", "-old", "+evil"]


async def test_a_replaced_object_is_shown_as_what_it_is(made: Work) -> None:
    base, evil = commit(made, {"agent.nix": b"old\n"}), commit(made, {"agent.nix": b"evil\n"})
    made.git("alice", "replace", evil, base)
    repository = made.repositories.existing("alice")
    (file,) = (await diff.changes(repository, base, evil, AT_ONCE)).files
    assert shown(file) == ["-old", "+evil"]


# --- nothing of a tree is left out ---


async def test_a_mode_alone_is_a_change(made: Work) -> None:
    file = await one(made, {"run": b"x\n"}, {"run": ("100755", b"x\n")})
    assert (file.kind, file.old_mode, file.new_mode, file.lines) == (
        *("changed", "100644", "100755"),
        (),
    )


async def test_links_are_shown_by_their_targets(made: Work) -> None:
    link = "a symbolic link, whose line is where it points"
    file = await one(made, {"l": ("120000", b"a.nix")}, {"l": ("120000", b"/etc/shadow")})
    assert (shown(file), file.note) == (["-a.nix", "+/etc/shadow"], link)
    file = await one(made, {"l": b"a.nix\n"}, {"l": ("120000", b"a.nix")})
    assert shown(file) == ["-a.nix", "+a.nix"]
    assert file.note == f"before a file; after {link}"
    assert (file.old_mode, file.new_mode) == ("100644", "120000")
    file = await one(made, {"l": b"a.nix"}, {"l": ("120000", b"a.nix")})  # the very same blob
    assert (file.kind, file.lines) == ("changed", ())
    assert file.note == f"before a file; after {link}; no line end at the end before"


async def test_a_submodule_is_shown_by_its_commit(made: Work) -> None:
    old, new = b"1" * 40, b"2" * 40
    file = await one(made, {"m": ("160000", old)}, {"m": ("160000", new)})
    assert shown(file) == [f"-{old.decode()}", f"+{new.decode()}"]
    assert file.note == "a submodule, whose line is the commit of another repository"


async def test_a_rename_of_everything_is_no_cover(made: Work) -> None:
    text = b"".join(b"line %d\n" % n for n in range(50))
    old = {f"old-{n}.nix": b"# %d\n" % n + text for n in range(20)}
    new = {path.replace("old", "new"): data for path, data in old.items()}
    new["new-7.nix"] = new["new-7.nix"].replace(b"line 30\n", b"evil\n")
    new["new-8.nix"] = b"something else altogether\n"
    found = await changes(made, old, new)
    assert {file.path for file in found.files if file.kind == "renamed"} == {
        f"new-{n}.nix" for n in range(20) if n != 8
    }
    changed = {file.path: file for file in found.files if file.lines}
    assert changed.keys() == {"new-7.nix", "new-8.nix", "old-8.nix"}
    seven = changed["new-7.nix"]
    assert [t for t in shown(seven) if t[0] in "+-"] == ["-line 30", "+evil"]
    assert (seven.old_path, seven.kind) == ("old-7.nix", "renamed")
    assert shown(changed["new-8.nix"]) == ["+something else altogether"]
    assert len(changed["old-8.nix"].lines) == 51


async def test_swapped_files_are_two_changes(made: Work) -> None:
    found = await changes(made, {"a": b"1\n", "b": b"2\n"}, {"a": b"2\n", "b": b"1\n"})
    assert [(f.path, f.kind, shown(f)) for f in found.files] == [
        ("a", "changed", ["-1", "+2"]),
        ("b", "changed", ["-2", "+1"]),
    ]


async def test_files_come_and_go(made: Work) -> None:
    found = await changes(made, {"a": b"a\n", "e": b""}, {"b": b"else\n", "f": b"", "g": b""})
    assert {(f.path, f.kind, f.note) for f in found.files} == {
        ("a", "removed", ""),
        ("b", "added", ""),
        ("e", "removed", "empty"),
        ("f", "added", "empty"),
        ("g", "added", "empty"),
    }


async def test_what_is_no_tree_of_files_is_refused(made: Work) -> None:
    base = commit(made, {"a": b""})
    repository = made.repositories.existing("alice")
    blob = made.git("alice", "hash-object", "-w", "--stdin", given=b"")
    twice = f"100644 blob {blob}\ta\0".encode() * 2
    double = made.git("alice", "mktree", "-z", "--missing", given=twice)
    found = made.git("alice", "commit-tree", "-m", "x", double)
    with pytest.raises(InvalidField, match="listed twice"):
        await diff.changes(repository, base, found, WHOLE)
    with pytest.raises(NotFound, match="alice has no commit 111111111111"):
        await diff.changes(repository, base, "1" * 40, WHOLE)
    with pytest.raises(InvalidField, match="full id"):
        await diff.changes(repository, "--output=x", base, WHOLE)
    missing = f"100644 blob {'1' * 40}\ta\0".encode()
    gone = made.git("alice", "mktree", "-z", "--missing", given=missing)
    found = made.git("alice", "commit-tree", "-m", "x", gone)
    with pytest.raises(InvalidField, match="tree: "):
        await diff.changes(repository, None, found, WHOLE)
