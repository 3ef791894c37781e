"""What an agent may reach of the network, and the record of what it was denied."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from hyperhive.hive.clock import Clock
from hyperhive.hive.ports import Store, Transaction
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.hosts import HostPort, covers

log = logging.getLogger(__name__)

DENIED = "egress_denied"
"""The action in the audit log, and the kind of the event that counts."""
WINDOW_SECONDS = 3_600.0
"""A target that is denied again within it gets no further row."""
TARGETS = 50
"""Of one agent in one window; of what goes beyond there is one row, which names none."""
OTHERS = "others: more targets were denied within the hour than are listed"


@dataclass(slots=True)
class _Window:
    """Of one agent: how often each target was denied since `began` (seconds since boot)."""

    began: float
    counts: dict[str, int] = field(default_factory=dict)


class Egress:
    """Decides by the settings that the host has deployed, read at each connection."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._windows: dict[int, _Window] = {}

    async def allows(self, agent_id: int, target: HostPort) -> bool:
        """Whether this agent may connect there now. Raises Unavailable and the like."""

        def query(tx: Transaction) -> bool:
            agent = tx.agents.get(agent_id)
            if agent is None or agent.state != "present" or agent.wanted != "running":
                return False
            return any(covers(entry, target) for entry in agent.settings.egress.allow)

        return await self._store.read(query)

    async def note_denied(self, agent_id: int, name: str, target: str) -> None:
        """Into the audit log, once an hour, and as an event at the 1st, 10th, 100th, ... time.

        A loop of the agent must not fill the disk, nor one that makes names up.
        """
        row, count = self._count(agent_id, target)
        if not _is_power_of_ten(count):
            return
        now = self._clock.now()

        def change(tx: Transaction) -> None:
            if count == 1:
                tx.audit.append(name, DENIED, name, row, now)
            tx.events.append(DENIED, name, {"target": row, "count": count}, now)

        try:
            await self._store.write(change)
        except HiveError as error:
            log.warning("%s: a denied connection is not recorded: %s", name, error.message)

    def _count(self, agent_id: int, target: str) -> tuple[str, int]:
        """Under which heading it is counted, and how often there now."""
        now = self._clock.boottime()
        window = self._windows.get(agent_id)
        if window is None or now - window.began >= WINDOW_SECONDS:
            self._windows[agent_id] = window = _Window(now)
        row = target if target in window.counts or len(window.counts) < TARGETS else OTHERS
        window.counts[row] = count = window.counts.get(row, 0) + 1
        return row, count


def _is_power_of_ten(number: int) -> bool:
    return str(number).rstrip("0") == "1"
