"""Remembers which Claude Code session an agent is in, across restarts and crashes."""

from __future__ import annotations

import os
import re
from pathlib import Path

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def load_session_id(path: Path) -> str | None:
    """None when there is none, or when what the file holds cannot be one."""
    try:
        text = path.read_bytes()[:100].decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    return text if _ID.fullmatch(text) else None


def save_session_id(path: Path, session_id: str) -> None:
    """Atomic and durable: after a crash at any point the file holds the old id or the new one."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="ascii") as file:
        file.write(session_id + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_directory(path.parent)


def forget_session_id(path: Path) -> None:
    path.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """A rename is durable only with its directory (fsync(2))."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
