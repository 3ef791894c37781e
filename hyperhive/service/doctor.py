"""What should be looked at on this host, each with its remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hyperhive.config import Config
from hyperhive.hive.ports import Runtime
from hyperhive.protocol.errors import InvalidField
from hyperhive.service import versions

LOW_SPACE = 0.10
"""Fraction of the disk that should stay free."""


def version_warnings(strict: bool) -> tuple[str, ...]:
    """Parts that are too old. With `strict` they are refused: raises InvalidField."""
    old = [v.text for v in versions.installed() if not v.good]
    if old and strict:
        raise InvalidField("strictVersions", "; ".join(old))
    return tuple(old)


class Doctor:
    """Answers `hyperhive doctor`."""

    def __init__(self, config: Config, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime

    async def check(self) -> list[dict[str, Any]]:
        """Checks as {name, ok, text}."""
        isolation = [_check("isolation", False, text) for text in self._runtime.warnings]
        found = [_check("version", v.good, v.text) for v in versions.installed()]
        spaces = [_space(Path(p)) for p in (self._config.state_dir, self._config.agents_dir)]
        return [*(isolation or [_check("isolation", True, self._runtime.kind)]), *found, *spaces]


def _check(name: str, ok: bool, text: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "text": text}


def _space(path: Path) -> dict[str, Any]:
    while not path.exists():
        path = path.parent
    fs = os.statvfs(path)
    free = fs.f_bavail / max(1, fs.f_blocks)
    return _check("disk", free >= LOW_SPACE, f"{path} has {free:.0%} of its disk free")
