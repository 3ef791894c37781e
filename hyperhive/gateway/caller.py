"""Who calls, as established by the socket."""

from __future__ import annotations

from dataclasses import dataclass

from hyperhive.hive.mail import Sender


@dataclass(frozen=True, slots=True)
class Caller:
    """An agent by row id; `instance` is its harness process when it calls over a link."""

    agent_id: int
    name: str
    instance: str | None = None

    @property
    def sender(self) -> Sender:
        return Sender(self.agent_id, self.name, "agent")
