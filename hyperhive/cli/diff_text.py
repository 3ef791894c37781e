"""What a request changes, as text for a terminal: nothing in it can hide or pretend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from hyperhive.cli.render import one_line, size
from hyperhive.demo.plain_text import columns

Data = dict[str, Any]

# Letters, marks and symbols that draw nothing, beyond what Python calls unprintable.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_MODES = {"100644": "file", "100755": "program", "120000": "link", "160000": "submodule"}
_SIGNS = {"same": " ", "added": "+", "removed": "-"}
_TONES = {"added": "green", "removed": "red"}
_EFFECTS = ("wider", "narrower", "other")
_CONTINUED = ">"
_TAB = 8
"""Columns, at most."""


@dataclass(frozen=True, slots=True)
class Paper:
    """What it is written on; without a width no line is broken."""

    coloured: bool = False
    width: int | None = None

    def ink(self, text: str, colour: str | None = None, *, bold: bool = False) -> str:
        if not self.coloured or not (colour or bold):
            return text
        return click.style(text, fg=colour, bold=bold or None)

    def lines(self, text: str, colour: str | None = None, *, bold: bool = False) -> Iterator[str]:
        """As wide as the terminal, which would begin lines that look like others."""
        for part in _broken(text, self.width):
            yield self.ink(part, colour, bold=bold)


def drawn(text: str) -> str:
    """One line, with all that would not show, or would move the rest, as an escape.

    Only tabs stay as they are.
    """
    if text.isprintable() and not _BLANK.search(text):
        return text
    return "".join(
        c if c == "\t" or (c.isprintable() and not _BLANK.match(c)) else _escape(c) for c in text
    )


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def diff_text(view: Data, paper: Paper) -> str:
    parts = (
        _head(view, paper),
        _commits(view, paper),
        _rights(view, paper),
        _warnings(view, paper),
    )
    packages, files = _packages(view), _files(view, paper)
    sections = ["\n".join(part) for part in (*map(list, parts), list(packages), list(files))]
    return "\n\n".join(section for section in sections if section)


def _head(view: Data, paper: Paper) -> Iterator[str]:
    approval, deploy = view["approval"], view["deploy"]
    if approval is not None:
        text = f"approval {approval['id']} is {approval['state']}: {_wish(approval)}"
        yield paper.ink(text, bold=True)
        yield from _text(approval["description"], "  ", paper)
        yield from _text(approval["note"], "  note: ", paper)
    else:
        what = f"{deploy['kind']} of {deploy['agent']}, by {deploy['actor']}"
        yield paper.ink(f"deploy {deploy['id']} is {deploy['state']}: {what}", bold=True)
    if view["commit"] is not None:
        base = view["base"]
        yield f"commit   {view['commit']}"
        yield f"against  {base['commit'] or '-'}, {one_line(_label(base))}"
        others = [c for c in base["choices"] if c["which"] != base["which"]]
        yield from (f"  or --base {c['which']}: {one_line(c['label'])}" for c in others)
    if view["problem"]:
        yield from paper.lines(f"cannot be shown: {one_line(view['problem'])}", "red", bold=True)


def _text(text: str, margin: str, paper: Paper) -> Iterator[str]:
    for line in text.rstrip("\n").split("\n") if text else ():
        yield from paper.lines(f"{margin}{drawn(line)}")


def _wish(approval: Data) -> str:
    agent, by = one_line(approval["agent"]), one_line(approval["requester"])
    wishes = {"spawn": f"a new agent {agent}", "apply_commit": f"a change of {agent}"}
    end = "its files deleted for good" if approval["binding"].get("purge") else "its files kept"
    return f"{wishes.get(approval['kind'], f'the end of {agent}, {end}')}, asked for by {by}"


def _label(base: Data) -> str:
    for choice in base["choices"]:
        if choice["which"] == base["which"]:
            return str(choice["label"])
    return str(base["which"])


def _commits(view: Data, paper: Paper) -> Iterator[str]:
    for commit in view["commits"]:
        author = one_line(commit["author"])
        yield from paper.lines(f"{commit['id'][:12]}  {commit['at']}  {author}")
        yield from _text(commit["message"], "    ", paper)
    if view["more_commits"]:
        yield f"and at least {view['more_commits']} more"


def _rights(view: Data, paper: Paper) -> Iterator[str]:
    rights = view["privileges"]
    if rights is None:
        return
    yield "rights and settings, beside those it has" if rights else "rights and settings: the same"
    width = max((len(one["option"]) for one in rights), default=0)
    for effect in _EFFECTS:
        for one in rights:
            if one["effect"] == effect:
                mark = "!" if effect == "wider" else " "
                text = f"{mark} {effect:<8}  {one['option']:<{width}}  {drawn(one['what'])}"
                yield from paper.lines(text, "yellow" if effect == "wider" else None)


def _warnings(view: Data, paper: Paper) -> Iterator[str]:
    for warning in view["warnings"]:
        yield from paper.lines(f"warning: {one_line(warning)}", "yellow")


def _packages(view: Data) -> Iterator[str]:
    closure = view["closure"]
    if closure is None:
        return
    if closure["built"]:
        before, after = closure["size_before"], closure["size_after"]
        if before == after and before is not None and not closure["added"] + closure["removed"]:
            yield f"packages: as before, {size(after)}"
        else:
            yield f"packages: {size(before)} before, {size(after)} after"
    else:
        fetched = closure["download"]
        more = "" if fetched is None else f", {size(fetched)} to be fetched"
        yield f"packages to be built or fetched: {len(closure['added'])}{more}"
    yield from (f"+ {drawn(name)}" for name in closure["added"])
    yield from (f"- {drawn(name)}" for name in closure["removed"])


# --- files ---


def _files(view: Data, paper: Paper) -> Iterator[str]:
    changes = view["changes"]
    if changes is None:
        return
    count = len(changes["files"]) + changes["hidden_files"]
    yield f"files that differ: {count}"
    for file in changes["files"]:
        yield ""
        yield from _file(file, paper)
    if changes["hidden_files"]:
        yield paper.ink(f"! {changes['hidden_files']} files are not shown", "red", bold=True)


def _file(file: Data, paper: Paper) -> Iterator[str]:
    yield from paper.lines(f"{file['kind']} {_path(file)}{_sizes(file)}{_modes(file)}", bold=True)
    if file["note"]:
        yield from paper.lines(f"# {drawn(file['note'])}")
    for gap, lines in _hunks(file["lines"]):
        yield paper.ink(f"@@ {_place(lines)} @@ {gap}".rstrip(), "cyan")
        for line in lines:
            yield from _line(line, paper)
    if file["hidden"]:
        yield paper.ink(f"! {file['hidden']} lines are not shown in full", "red", bold=True)


def _path(file: Data) -> str:
    path = drawn(file["path"])
    return f"{drawn(file['old_path'])} -> {path}" if file["old_path"] else path


def _sizes(file: Data) -> str:
    if file["kind"] == "added":
        return f", {file['new_size']} bytes"
    if file["kind"] == "removed":
        return f", {file['old_size']} bytes"
    return f", {file['old_size']} -> {file['new_size']} bytes"


def _modes(file: Data) -> str:
    """What a plain file is need not be said."""
    modes = [mode for mode in (file["old_mode"], file["new_mode"]) if mode]
    if set(modes) == {"100644"}:
        return ""
    named = [f"{mode} {_MODES.get(mode, '')}".strip() for mode in dict.fromkeys(modes)]
    return f", mode {' -> '.join(named)}"


def _hunks(lines: Sequence[Data]) -> Iterator[tuple[str, Sequence[Data]]]:
    """What stands together, and the gap before it; a gap at the end has nothing behind it."""
    gap, begin = "", 0
    for at, line in enumerate(lines):
        if line["kind"] == "gap":
            if at > begin:
                yield gap, lines[begin:at]
            gap, begin = line["text"], at + 1
    if gap or begin < len(lines):
        yield gap, lines[begin:]


def _place(lines: Sequence[Data]) -> str:
    """Line numbers and counts, as in a unified diff."""
    if not lines:
        return "end"
    sides = [[line[side] for line in lines if line[side]] for side in ("old", "new")]
    old, new = (f"{numbers[0] if numbers else 0},{len(numbers)}" for numbers in sides)
    return f"-{old} +{new}"


def _line(line: Data, paper: Paper) -> Iterator[str]:
    kind = line["kind"]
    text = drawn(line["text"])
    if kind != "same":
        text = _ended(text)
    yield from paper.lines(f"{_SIGNS[kind]}{text}", _TONES.get(kind))


def _ended(text: str) -> str:
    """Blanks at the end drawn too: they may be all that differs."""
    bare = text.rstrip(" \t")
    return bare + "".join(_escape(char) for char in text[len(bare) :])


def _broken(text: str, width: int | None) -> Iterator[str]:
    begin = used = 0
    for at, char in enumerate(text if width is not None else ""):
        needs = _TAB if char == "\t" else columns(char)
        if width is not None and used + needs > width:
            yield f"{_CONTINUED if begin else ''}{text[begin:at]}"
            begin, used = at, columns(_CONTINUED)
        used += needs
    yield f"{_CONTINUED if begin else ''}{text[begin:]}"
