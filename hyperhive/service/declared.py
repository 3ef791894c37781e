"""The files that an agent's configuration begins with, as the host declares them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hyperhive.config import AgentConfig
from hyperhive.flakes.git_tree import check_path
from hyperhive.protocol.bundle import AgentSettings, settings_json
from hyperhive.protocol.errors import InvalidField

MODULE = "agent.nix"
SETTINGS = "declared.json"
"""Of the host's making: what its configuration says, below what the module says."""
MAX_FILES = 1_000
MAX_BYTES = 4 * 2**20
"""Of all files together."""
TEMPLATE = b"""\
# What this agent is: a NixOS module. Its options are under `hyperhive`.
{ ... }:
{
}
"""
"""For an agent that nobody has written a module for."""


def declared_files(agent: AgentConfig, where: str) -> dict[str, bytes]:
    """By path. Raises InvalidField, naming the option, where the module cannot be read."""
    files = {MODULE: TEMPLATE} if agent.module is None else _read(Path(agent.module), where)
    if MODULE not in files:
        raise InvalidField(f"{where}.module", f"{agent.module} has no {MODULE}")
    if SETTINGS in files:
        raise InvalidField(f"{where}.module", f"{SETTINGS} is made by hyperhive; rename yours")
    return {**files, SETTINGS: _render(agent.settings)}


def _read(module: Path, where: str) -> dict[str, bytes]:
    try:
        if module.is_file():
            return {MODULE: _bounded(module, MAX_BYTES)}
        found: dict[str, bytes] = {}
        left = MAX_BYTES
        for path in _walk(module):
            data, name = _bounded(path, left), str(path.relative_to(module))
            check_path(name)
            left -= len(data)
            found[name] = data
            if len(found) > MAX_FILES:
                raise InvalidField("", f"has more than {MAX_FILES} files")
    except InvalidField as error:
        raise error.within(f"{where}.module") from None
    except OSError as error:
        problem = f"{error.filename or module} cannot be read: {error.strerror or error}"
        raise InvalidField(f"{where}.module", problem) from None
    return found


def _walk(directory: Path) -> Iterator[Path]:
    """Regular files only, in order; what git keeps there is not part of it. Raises InvalidField."""
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if entry.name == ".git":
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.is_dir():
            raise InvalidField("", f"{entry.path} is a link to a directory; put its files there")
        elif entry.is_file():
            yield Path(entry.path)


def _bounded(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(0, f"with it there are more than {MAX_BYTES} bytes", str(path))
    return data


def _render(settings: AgentSettings) -> bytes:
    """Only what is set: the rest is the module's own defaults."""
    set_here = _difference(settings_json(settings), settings_json(AgentSettings()))
    return json.dumps(set_here, indent=2, sort_keys=True).encode() + b"\n"


def _difference(value: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        before = default.get(key)
        if isinstance(item, dict) and isinstance(before, dict) and before:
            if below := _difference(item, before):
                found[key] = below
        elif item != before:
            found[key] = item
    return found
