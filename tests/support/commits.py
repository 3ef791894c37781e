"""Commits as somebody else would make them, of any names, modes and bytes, in a bare repository."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping
from pathlib import Path

_REF = "refs/hyperhive/forged"
Files = Mapping[str, bytes | tuple[str, bytes]]
"""Bytes of a plain file, or a mode of git's and bytes."""


async def forge(repository: Path, base: str | None, files: Files, message: str = "more") -> str:
    """On top of `base`, with exactly these files; returns its id."""
    git = ("git", "--git-dir", str(repository))
    load, show = [*git, "fast-import", "--quiet", "--force"], [*git, "rev-parse", _REF]
    given = _stream(base, files, message.encode())
    await asyncio.to_thread(subprocess.run, load, input=given, check=True)
    done = await asyncio.to_thread(subprocess.run, show, capture_output=True, check=True)
    return str(done.stdout.decode().strip())


def _stream(base: str | None, files: Files, message: bytes) -> bytes:
    """For git-fast-import(1)."""
    parts = [f"commit {_REF}\ncommitter Mallory <m@localhost> 1800000000 +0000\n".encode()]
    parts.append(_data(message))
    if base is not None:
        parts.append(f"from {base}\n".encode())
    parts.append(b"deleteall\n")
    for path, file in files.items():
        mode, data = file if isinstance(file, tuple) else ("100644", file)
        quoted = path.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(f'M {mode} inline "{quoted}"\n'.encode() + _data(data))
    return b"".join(parts)


def _data(data: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(data), data)
