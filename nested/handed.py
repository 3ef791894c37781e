"""The scenario that a nested demo is to play, handed in from this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nested.host import NestedHost

OPTION = "--scenario"
MOST = 16 * 1024 * 1024
"""Bytes: more than any scenario may have."""


def scenario_of(arguments: Sequence[str], here: Path) -> tuple[list[str], Mapping[Path, bytes]]:
    """The arguments with absolute paths, and what is in the files that they name.

    Raises OSError.
    """
    given, contents = list(arguments), dict[Path, bytes]()
    for index, argument in enumerate(arguments):
        option, _, value = argument.partition("=")
        named = arguments[index - 1] == OPTION if index else False
        if named or (option == OPTION and value):
            path = (here / (argument if named else value)).resolve()
            with path.open("rb") as file:
                contents[path] = file.read(MOST)
            given[index] = str(path) if named else f"{OPTION}={path}"
    return given, contents


def hand_in(host: NestedHost, path: Path, content: bytes) -> None:
    """Under the same name, which its mistakes are told with; unless it is seen there anyway."""
    target = host.path(str(path))
    if target.is_file() and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
