"""Every agent's socket, from spawn to destroy, and the hints that go down their links."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from hyperhive.gateway.app import AgentApp
from hyperhive.gateway.caller import Caller
from hyperhive.gateway.config_repos import ConfigRepos, Transfers
from hyperhive.gateway.door import Door
from hyperhive.gateway.egress import EgressProxy
from hyperhive.gateway.limits import ConfigLimits, Limits
from hyperhive.gateway.line import Line
from hyperhive.gateway.listener import remove
from hyperhive.gateway.model import ModelGateway
from hyperhive.gateway.queries import Logs
from hyperhive.gateway.rate import TokenBucket
from hyperhive.gateway.tasks import Tasks
from hyperhive.gateway.verbs import Verbs
from hyperhive.hive.hive import Hive
from hyperhive.hive.records import Agent, Event
from hyperhive.protocol.bundle import settings_json
from hyperhive.protocol.errors import HiveError

log = logging.getLogger(__name__)


class Gateway:
    """The port AgentSockets: one directory per agent in `directory`, one socket in each.

    Use it as an async context manager; at its end connections close and directories stay, since
    running containers have them bound.
    """

    def __init__(
        self,
        hive: Hive,
        directory: Path,
        peer_allowed: Callable[[str, int], bool],
        logs: Logs,
        model: ModelGateway,
        egress: EgressProxy,
        limits: Limits | None = None,
        config_limits: ConfigLimits | None = None,
    ) -> None:
        self._hive = hive
        self._directory = directory
        self._peer_allowed = peer_allowed
        self._verbs = Verbs(hive, logs)
        self._model = model
        self._egress = egress
        self._limits = limits or Limits()
        self._config_limits = config_limits or ConfigLimits()
        self._transfers = Transfers(self._config_limits)
        self._doors: dict[str, Door] = {}
        self._names: dict[int, str] = {}
        self._changing = asyncio.Lock()
        self._tasks = Tasks()
        self._unsubscribe: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Gateway:
        self._unsubscribe = self._hive.store.subscribe(self._see_events)
        self._hive.bells.on_mail(self._see_mail)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._unsubscribe()
        await self._tasks.cancel()
        async with self._changing:
            doors, self._doors = list(self._doors.values()), {}
            await asyncio.gather(*(door.close() for door in doors))

    # --- the port ---

    async def open(self, agent: Agent) -> None:
        """Serve the agent; again is harmless. Raises Unavailable."""
        async with self._changing:
            door = self._doors.get(agent.name)
            if door is not None:
                if door.line.caller.agent_id == agent.id:
                    return
                await self._shut(agent.name)  # an agent of this name that is gone for good
            door = self._door(agent)
            await door.open(self._directory / agent.name)
            self._doors[agent.name] = door
            self._names[agent.id] = agent.name

    async def close(self, agent: str) -> None:
        """The agent is destroyed: its connections end, its directory goes. Raises Unavailable."""
        async with self._changing:
            await self._shut(agent)
            remove(self._directory / agent)

    async def _shut(self, name: str) -> None:
        if door := self._doors.pop(name, None):
            del self._names[door.line.caller.agent_id]
            await door.close()

    def push(self, agent: str, push: str, data: dict[str, Any] | None = None) -> bool:
        door = self._doors.get(agent)
        if door is None or door.line.link is None:
            return False
        door.line.link.push(push, data or {})
        return True

    def linked(self) -> Iterable[str]:
        return [name for name, door in self._doors.items() if door.line.link is not None]

    def _door(self, agent: Agent) -> Door:
        caller = Caller(agent.id, agent.name)
        bucket = TokenBucket(self._limits.requests_per_second, self._limits.burst)
        line = Line(caller, self._hive, self._verbs, bucket, self._limits)
        configs = ConfigRepos(self._hive, caller, bucket, self._transfers, self._config_limits)
        sides = self._verbs, self._model, self._egress, configs
        app = AgentApp(line, *sides, bucket, self._limits)
        return Door(line, app, self._peer_allowed, self._limits)

    # --- hints ---

    def _see_mail(self, agent_id: int) -> None:
        if name := self._names.get(agent_id):
            self.push(name, "mail")

    def _see_events(self, events: Sequence[Event]) -> None:
        changed = {e.agent or "" for e in events if e.kind == "agent" and "settings" in e.data}
        for name in changed & self._doors.keys():
            self._tasks.spawn(self._push_settings(name), f"settings-{name}")
            agent_id = self._doors[name].line.caller.agent_id
            self._tasks.spawn(self._egress.recheck(agent_id), f"egress-{name}")

    async def _push_settings(self, name: str) -> None:
        """A hello that comes between is told the same settings: harmless."""
        try:
            agent = await self._hive.store.read(lambda tx: tx.agents.by_name(name))
        except HiveError as error:
            log.warning("%s: new settings are not pushed: %s", name, error.message)
            return
        if agent is not None:
            data = {
                "settings": settings_json(agent.settings),
                "settings_version": agent.settings_version,
            }
            self.push(name, "settings", data)
