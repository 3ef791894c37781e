"""What a request changes, as text for a terminal: nothing in it can hide or pretend."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
_TONES = {"added": "green", "removed": "red", "gap": "cyan"}
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
        return click.style(text, fg=colour, bold=bold or None) if self.coloured else text


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
    parts = (_head(view, paper), _commits(view), _rights(view, paper), _warnings(view, paper))
    packages, files = _packages(view), _files(view, paper)
    sections = ["\n".join(part) for part in (*map(list, parts), list(packages), list(files))]
    return "\n\n".join(section for section in sections if section)


def _head(view: Data, paper: Paper) -> Iterator[str]:
    approval, deploy = view["approval"], view["deploy"]
    if approval is not None:
        number, text = approval["id"], approval["note"] or ""
        yield paper.ink(f"approval {number} is {approval['state']}: {_wish(approval)}", bold=True)
        yield from (f"  {drawn(line)}" for line in approval["description"].splitlines())
        yield from (f"  note: {drawn(line)}" for line in text.splitlines())
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
        yield paper.ink(f"cannot be shown: {one_line(view['problem'])}", "red", bold=True)


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


def _commits(view: Data) -> Iterator[str]:
    for commit in view["commits"]:
        author = one_line(commit["author"])
        yield f"{commit['id'][:12]}  {commit['at']}  {author}"
        yield from (f"    {drawn(line)}" for line in commit["message"].split("\n"))
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
                yield paper.ink(text, "yellow" if effect == "wider" else None)


def _warnings(view: Data, paper: Paper) -> Iterator[str]:
    for warning in view["warnings"]:
        yield paper.ink(f"warning: {one_line(warning)}", "yellow")


def _packages(view: Data) -> Iterator[str]:
    closure = view["closure"]
    if closure is None:
        return
    if closure["built"]:
        sizes = f"{size(closure['size_before'])} before, {size(closure['size_after'])} after"
        yield f"packages: {sizes}"
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
    yield paper.ink(f"{file['kind']} {_path(file)}{_sizes(file)}{_modes(file)}", bold=True)
    if file["note"]:
        yield f"# {drawn(file['note'])}"
    for line in file["lines"]:
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


def _line(line: Data, paper: Paper) -> Iterator[str]:
    kind = line["kind"]
    if kind == "gap":
        yield paper.ink(f"@@ {line['text']} @@", _TONES[kind])
        return
    text = drawn(line["text"])
    if kind != "same":
        text = _ended(text)
    for part in _broken(f"{_SIGNS[kind]}{text}", paper.width):
        yield paper.ink(part, _TONES.get(kind))


def _ended(text: str) -> str:
    """Blanks at the end drawn too: they may be all that differs."""
    bare = text.rstrip(" \t")
    return bare + "".join(_escape(char) for char in text[len(bare) :])


def _broken(text: str, width: int | None) -> Iterator[str]:
    """As wide as the terminal, which would begin lines that look like others."""
    begin = used = 0
    for at, char in enumerate(text if width is not None else ""):
        needs = _TAB if char == "\t" else columns(char)
        if width is not None and used + needs > width:
            yield f"{_CONTINUED if begin else ''}{text[begin:at]}"
            begin, used = at, columns(_CONTINUED)
        used += needs
    yield f"{_CONTINUED if begin else ''}{text[begin:]}"
