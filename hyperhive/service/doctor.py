"""What should be looked at on this host, each with its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from hyperhive.config import Config
from hyperhive.hive.hive import Hive
from hyperhive.hive.ports import Runtime
from hyperhive.hive.storage_guard import LOW
from hyperhive.hive.views import View
from hyperhive.protocol.errors import InvalidField
from hyperhive.service import controllers, versions
from hyperhive.service.free_space import free_fraction

Check = dict[str, Any]
Level = Literal["ok", "warning", "failure"]
"""A failure keeps agents from working; a warning is to be known, and nothing stops for it."""
_NO_QUOTA = "no disk quota: nothing but the free space limits what is written by "


def version_warnings(strict: bool) -> tuple[str, ...]:
    """Parts that are too old. With `strict` they are refused: raises InvalidField."""
    old = [v.text for v in versions.installed() if not v.good]
    if old and strict:
        raise InvalidField("strictVersions", "; ".join(old))
    return tuple(old)


class Doctor:
    """Answers `hyperhive doctor`."""

    def __init__(self, config: Config, runtime: Runtime, hive: Hive) -> None:
        self._config = config
        self._runtime = runtime
        self._hive = hive

    async def check(self) -> list[Check]:
        """Checks as {name, level, text}."""
        isolation = [_check("isolation", "warning", text) for text in self._runtime.warnings]
        found = [_check("version", _level(v), v.text) for v in versions.installed()]
        spaces = [_space(Path(p)) for p in (self._config.state_dir, self._config.agents_dir)]
        return [
            *(isolation or [_check("isolation", "ok", self._runtime.kind)]),
            *found,
            *spaces,
            *self._storage(),
            *self._limits(),
            *await self._quotas(),
            *await self._absent(),
            *await self._agents(),
        ]

    def _storage(self) -> list[Check]:
        storage = self._hive.storage
        return [_check("storage", "failure", storage.problem)] if storage.low else []

    def _limits(self) -> list[Check]:
        """Without containers there are none, which the runtime says itself."""
        problem = controllers.problem() if self._config.runtime.kind == "nspawn" else ""
        return [_check("limits", "warning", problem)] if problem else []

    async def _quotas(self) -> list[Check]:
        """Limits of the disk that nothing enforces are a warning; their absence is only told."""
        agents = await self._hive.store.read(lambda tx: tx.agents.all())
        without, unheeded = [], False
        running = await self._runtime.running()
        for agent in agents:
            if agent.name in running and not (await self._runtime.usage(agent.name)).disk_quota:
                limits = self._hive.policy.limits(agent)
                without.append(agent.name)
                unheeded |= limits.disk_max is not None or limits.inodes_max is not None
        level: Level = "warning" if unheeded else "ok"
        return [_check("disk quota", level, _NO_QUOTA + ", ".join(without))] if without else []

    async def _absent(self) -> list[Check]:
        absent = await self._hive.store.read(self._hive.declarations.absent)
        return [_check("declared", "warning", text) for text in absent]

    async def _agents(self) -> list[Check]:
        """Those that do not work as they should, and why."""
        view = self._hive.views.agent
        found = await self._hive.store.read(lambda tx: [view(tx, a) for a in tx.agents.all()])
        return [
            _check("agent", "warning", f"{agent['name']} is {agent['state']}: {_why(agent)}")
            for agent in found
            if agent["problem"] or agent["state"] in ("quarantined", "not built")
        ]


def _why(agent: View) -> str:
    return str(agent["problem"]) or "nothing it was built from has come up yet"


def _check(name: str, level: Level, text: str) -> Check:
    return {"name": name, "level": level, "text": text}


def _level(version: versions.Version) -> Level:
    if version.good:
        return "ok"
    return "warning" if version.found else "failure"


def _space(path: Path) -> Check:
    while not path.exists():
        path = path.parent
    free = free_fraction(path)
    return _check(
        "disk", "ok" if free >= LOW else "failure", f"{path} has {free:.0%} of its disk free"
    )
