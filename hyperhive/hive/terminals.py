"""Terminals of running agents: how many there may be, and the record of who opened them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from hyperhive.hive.clock import Clock
from hyperhive.hive.ports import Store, Terminal, TerminalUser, Transaction
from hyperhive.protocol.errors import Conflict, NotFound, Unavailable
from hyperhive.protocol.model import OPERATOR
from hyperhive.protocol.terminal import Open

MAX_PER_AGENT = 8
MAX_OPEN = 32

Opener = Callable[[str, TerminalUser, int, int], Awaitable[Terminal]]
"""`Runtime.open_terminal`."""


class Terminals:
    """Every open terminal of the hive."""

    def __init__(self, store: Store, clock: Clock, opener: Opener) -> None:
        self._store = store
        self._clock = clock
        self._opener = opener
        self._wanted: Counter[str] = Counter()
        self._open: set[Terminal] = set()
        self.stopped = False

    @asynccontextmanager
    async def opened(self, agent: str, order: Open, where: str) -> AsyncIterator[Terminal]:
        """A new terminal, closed at the end; `where` says in the audit log how it was asked for.

        Raises NotFound, Conflict when there are too many, Unavailable when there can be none.
        """
        await self._store.read(lambda tx: _find(tx, agent))
        self._check_room(agent)
        self._wanted[agent] += 1
        try:
            terminal = await self._opener(agent, order.user, order.rows, order.columns)
            self._open.add(terminal)
            try:
                if self.stopped:
                    raise _stopping()
                await self._note(agent, order.user, where)
                yield terminal
            finally:
                self._open.discard(terminal)
                await terminal.close()
        finally:
            self._wanted[agent] -= 1

    def _check_room(self, agent: str) -> None:
        if self.stopped:
            raise _stopping()
        if self._wanted[agent] >= MAX_PER_AGENT:
            raise Conflict(f"{agent} has {MAX_PER_AGENT} open terminals; close one of them")
        if self._wanted.total() >= MAX_OPEN:
            raise Conflict(f"{MAX_OPEN} terminals are open; close one of them")

    async def _note(self, agent: str, user: TerminalUser, where: str) -> None:
        """On a full disk too: somebody may want to make room."""
        detail, now = f"as {user}, {where}", self._clock.now()
        await self._store.write(
            lambda tx: tx.audit.append(OPERATOR, "terminal_opened", agent, detail, now),
            essential=True,
        )

    async def close(self) -> None:
        """At the end of the service: every terminal ends, and there will be no more."""
        self.stopped = True
        for terminal in list(self._open):
            await terminal.close()


def _find(tx: Transaction, name: str) -> None:
    agent = tx.agents.by_name(name)
    if agent is None or agent.state != "present":
        raise NotFound(f"there is no agent {name!r}")


def _stopping() -> Unavailable:
    return Unavailable("the service is stopping")
