"""What is in a commit, and plain files of it: everything that a tree says is checked here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hyperhive.protocol.errors import InvalidField, TooLarge

MAX_ENTRIES = 2_000
MAX_BYTES = 8 * 2**20
"""Of all files together."""
MAX_DEPTH = 32
MAX_PATH = 1_000

Kind = Literal["file", "program", "link", "submodule"]
_KINDS: dict[str, Kind] = {
    "100644": "file",
    "100664": "file",
    "100755": "program",
    "120000": "link",
    "160000": "submodule",
}
_DIRECTORY = b"040000 tree "
_LINE = re.compile(rb"([0-7]{6}) (?:blob|commit) ([0-9a-f]{40,64}) +([0-9]+|-)\t([^\0]+)", re.S)
_GIT = re.compile(r"(\.git|git~[0-9]+)[ .]*([:\\].*)?", re.I)
"""All that some file system takes for `.git`; characters that HFS ignores cannot be shown."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree; `size` is in bytes, `object` what git knows it by, `mode` as it says."""

    path: str
    kind: Kind
    size: int
    object: str
    mode: str


def parse_listing(listing: bytes) -> tuple[Entry, ...]:
    """The files of `git ls-tree -r -t -z --long`. Raises TooLarge, InvalidField."""
    lines = listing.split(b"\0")[:-1]
    files = [line for line in lines if not line.startswith(_DIRECTORY)]
    if max(len(files), len(lines) - len(files)) > MAX_ENTRIES:
        raise too_many()
    for line in lines:
        check_path(_path(line.partition(b"\t")[2]))
    entries = tuple(_entry(line) for line in files)
    if (size := sum(entry.size for entry in entries)) > MAX_BYTES:
        raise TooLarge(f"the tree has {size} bytes, more than {MAX_BYTES}")
    return entries


def _entry(line: bytes) -> Entry:
    match = _LINE.fullmatch(line)
    if match is None:
        raise InvalidField("tree", "git lists it in a way that is not known")
    mode, name, size, path = match.groups()
    text = _path(path)
    if (kind := _KINDS.get(mode.decode())) is None:
        raise InvalidField(shown(text), f"has mode {mode.decode()}, which no file has")
    return Entry(text, kind, 0 if size == b"-" else int(size), name.decode(), mode.decode())


def _path(path: bytes) -> str:
    try:
        return path.decode()
    except UnicodeDecodeError:
        raise InvalidField("tree", f"a file's name is not UTF-8: {path[:100]!r}") from None


def too_many() -> TooLarge:
    return TooLarge(f"the tree has more than {MAX_ENTRIES} files, or as many directories")


def check_path(path: str) -> None:
    """A relative path that stays below where it begins, and that git itself would take.

    Raises InvalidField.
    """
    parts = path.split("/")
    if len(path.encode(errors="surrogatepass")) > MAX_PATH or len(parts) > MAX_DEPTH:
        raise InvalidField(shown(path), f"is longer than {MAX_PATH} or deeper than {MAX_DEPTH}")
    if not path.isprintable():
        raise InvalidField(shown(path), "has a character in its name that cannot be shown")
    for part in parts:
        if part in ("", ".", "..") or _GIT.fullmatch(part):
            raise InvalidField(shown(path), f"{part!r} is no name for a file")


def shown(path: str, limit: int = 100) -> str:
    return path[:limit].encode("unicode_escape").decode()


def check_link(path: str, target: bytes) -> str:
    """Where a link may point to: it stays in the tree whatever other links there are.

    That is so when `..` stands only at its begin, where the directories are no links.
    """
    text = os.fsdecode(target)
    parts = text.split("/")
    up = 0
    while up < len(parts) and parts[up] == "..":
        up += 1
    if up > path.count("/") or any(part in ("", ".", "..") for part in parts[up:]):
        raise InvalidField(shown(path), f"is a link out of the tree, or a devious one: {text!r}")
    if "\0" in text or len(target) > MAX_PATH:
        raise InvalidField(shown(path), "is a link with no usable target")
    return text


def check_exportable(entries: Sequence[Entry]) -> None:
    """Raises InvalidField."""
    for entry in entries:
        if entry.kind == "submodule":
            raise InvalidField(
                shown(entry.path), "is a submodule: put the files themselves into the repository"
            )
    paths = [entry.path for entry in entries]
    if len(set(paths)) < len(paths):
        raise InvalidField("tree", "lists a file twice")
    if not any(e.path == "agent.nix" and e.kind in ("file", "program") for e in entries):
        raise InvalidField("agent.nix", "is missing: the agent's module has this name, at the top")


def write(directory: Path, entries: Sequence[Entry], blobs: bytes) -> None:
    """`blobs` is what `git cat-file --batch` answered to the objects of `entries`.

    `directory` must be new or empty. Modes are set as they are meant, whatever the umask.
    """
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    for entry, data in zip(entries, split_blobs(blobs, entries), strict=True):
        path = directory / entry.path
        _make_parents(directory, path.parent)
        if entry.kind == "link":
            path.symlink_to(check_link(entry.path, data))
            continue
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o755 if entry.kind == "program" else 0o644)


def _make_parents(top: Path, directory: Path) -> None:
    if directory == top or directory.is_dir():
        return
    _make_parents(top, directory.parent)
    directory.mkdir()
    directory.chmod(0o755)


def split_blobs(answer: bytes, entries: Sequence[Entry]) -> Iterator[bytes]:
    """The contents, in the order that they were asked for."""
    at = 0
    for entry in entries:
        end = answer.index(b"\n", at)
        name, kind, *size = answer[at:end].split(b" ")  # without a size it is missing
        if (name.decode(), kind) != (entry.object, b"blob"):
            raise InvalidField(shown(entry.path), "is not in the repository as it is listed")
        at = end + 1 + int(size[0])
        yield answer[end + 1 : at]
        at += 1
