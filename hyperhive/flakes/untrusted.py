"""Reads what evaluations and builds left behind, none of which is believed before it is checked."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperhive.protocol import wire
from hyperhive.protocol.builds import MAX_RESULT, STORE_PATTERN
from hyperhive.protocol.bundle import MAX_AGENT_JSON, AgentSettings, parse_settings
from hyperhive.protocol.errors import BuildFailed, HiveError

_STORE = re.compile(STORE_PATTERN)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What an agent is started from; `system` is what its container boots, links followed."""

    path: str
    settings: AgentSettings
    system: str


def read_result(out: Path) -> dict[str, Any]:
    """The answer of a job. Raises BuildFailed where there is none that could be one."""
    try:
        data = read_regular(out / "result.json", MAX_RESULT)
        return wire.loads_object(data, limit=MAX_RESULT)
    except FileNotFoundError:
        raise BuildFailed("job", "it ended without an answer; see its log") from None
    except (OSError, HiveError) as error:
        raise BuildFailed("job", f"its answer cannot be read: {error}") from None


def read_bundle(path: str) -> Bundle:
    """Raises BuildFailed."""
    directory = Path(path)
    try:
        data = read_regular(directory / "agent.json", MAX_AGENT_JSON)
        settings = parse_settings(wire.loads_object(data, limit=MAX_AGENT_JSON), "agent.json")
        system = os.path.realpath(directory / "system", strict=True)
    except (OSError, HiveError) as error:
        raise BuildFailed("build", f"{path} is no bundle: {error}") from None
    if not _STORE.match(system):
        raise BuildFailed("build", f"{path}/system leads out of the store, to {system}")
    return Bundle(path, settings, system)


def open_regular(path: Path) -> int:
    """A descriptor to read from; never waits, as a pipe would have it. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fd = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path.name} is no regular file")
    return fd


def read_regular(path: Path, limit: int) -> bytes:
    """Raises OSError, also for a file of more than `limit` bytes."""
    with os.fdopen(open_regular(path), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(f"{path.name} has more than {limit} bytes")
    return data
