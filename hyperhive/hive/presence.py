"""What is known about each agent's harness right now; rebuilt from nothing after a restart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Presence:
    """One link: which harness process is at its end and whether it found itself fit."""

    instance: str
    linked_at: float
    """Boot time, in seconds."""
    version: str = ""
    healthy: bool | None = None
    """None until the self-check was reported."""
    problem: str = ""
    settings_version: int = 0
    """Of the settings in force, as it reported last."""


class Links:
    """Presence by agent row id."""

    def __init__(self) -> None:
        self._present: dict[int, Presence] = {}
        self._lost_at: dict[int, float] = {}
        self.start_problems: dict[int, str] = {}
        """Why an agent could not be started at the last try, by row id."""

    def get(self, agent_id: int) -> Presence | None:
        return self._present.get(agent_id)

    def of(self, agent_id: int, instance: str) -> Presence | None:
        """The agent's presence if it is this instance that has the link."""
        present = self._present.get(agent_id)
        return present if present is not None and present.instance == instance else None

    def changed(self, agent_id: int) -> float:
        """Boot time of the last hello, or of the loss of the link after it; 0 before any."""
        present = self._present.get(agent_id)
        return present.linked_at if present else self._lost_at.get(agent_id, 0.0)

    def set(self, agent_id: int, presence: Presence) -> None:
        self._present[agent_id] = presence

    def drop(self, agent_id: int, instance: str, boottime: float) -> bool:
        """Forget a link that went down, unless a newer one has taken its place."""
        if self.of(agent_id, instance) is None:
            return False
        self.forget(agent_id, boottime)
        return True

    def forget(self, agent_id: int, boottime: float) -> None:
        """Its run is over: whatever link is still up is of nothing that runs."""
        if self._present.pop(agent_id, None) is not None:
            self._lost_at[agent_id] = boottime
