"""What the agent's shells are told: a person's terminal reaches the network as the agent does."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from hyperhive.protocol.terminal import SHELL_ENVIRONMENT

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def told_to_shells(state: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """While this is open, shells that start find them. An agent without space does without."""
    path = state / SHELL_ENVIRONMENT
    try:
        _replace(path, "".join(f"export {n}={shlex.quote(v)}\n" for n, v in variables.items()))
    except OSError as error:
        _log.warning("terminals get no proxy: %s", error)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _replace(path: Path, text: str) -> None:
    """A new file each time: an old one may be half written, or linked elsewhere."""
    fresh = path.with_name(f".{path.name}")
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.rename(path)
