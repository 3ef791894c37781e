"""What the host has told this harness last, and what of it still waits to be done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hyperhive.protocol.answers import Welcome
from hyperhive.protocol.bundle import AgentSettings, parse_settings
from hyperhive.protocol.errors import InvalidField

log = logging.getLogger(__name__)

StopReason = Literal["cancelled", "lost", "silent", "too_long"]


@dataclass(slots=True, eq=False)
class CurrentTurn:
    """A turn from the moment its id is chosen until the host has acknowledged its end."""

    id: str
    begun: bool = False
    """Whether the host has answered `turn_begin` with messages."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    reason: StopReason | None = None

    def stop(self, reason: StopReason) -> None:
        self.reason = self.reason or reason
        self.stopped.set()


class Orders:
    """The link's listener. Everything in it is a hint to go and ask, or the newest state."""

    def __init__(self) -> None:
        self.first_welcome: asyncio.Future[Welcome] = asyncio.get_running_loop().create_future()
        self.settings = AgentSettings()
        self.settings_version = -1
        self.settings_problem = ""
        """Why the newest settings are not the ones in force, or nothing."""
        self.new_session = False
        self.wake = asyncio.Event()
        """Something may have to be done: mail, settings, a new session, a new link."""
        self.report = asyncio.Event()
        """The host wants to know whether this harness is fit."""
        self.current: CurrentTurn | None = None

    @property
    def turn(self) -> str | None:
        return self.current.id if self.current else None

    def welcome(self, welcome: Welcome) -> None:
        if not self.first_welcome.done():
            self.first_welcome.set_result(welcome)
        self._take_settings(welcome.settings, welcome.settings_version)
        if self.current and self.current.begun and welcome.turn != self.current.id:
            self.current.stop("lost")
        self.report.set()
        self.wake.set()

    def push(self, push: str, data: Mapping[str, Any]) -> None:
        match push:
            case "mail":
                pass
            case "settings":
                self._take_settings(data.get("settings"), data.get("settings_version"))
            case "cancel":
                if self.current and data.get("turn") in (None, self.current.id):
                    self.current.stop("cancelled")
            case "new_session":
                self.new_session = True
            case _:
                log.warning("the host pushed something unknown: %.40r", push)
        self.wake.set()

    def _take_settings(self, settings: object, version: object) -> None:
        if not isinstance(version, int) or version == self.settings_version:
            return
        try:
            self.settings, self.settings_problem = parse_settings(settings), ""
        except InvalidField as error:
            self.settings_problem = str(error)
            log.error("settings version %d are not acceptable: %s", version, error)
        self.settings_version = version
        self.report.set()
