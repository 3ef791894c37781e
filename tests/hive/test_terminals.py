"""The book of open terminals: what is refused, what is recorded, and that nothing stays open."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hyperhive.hive import terminals as module
from hyperhive.hive.ports import Terminal, TerminalUser
from hyperhive.hive.terminals import MAX_PER_AGENT, Terminals
from hyperhive.protocol.errors import Conflict, NotFound, Unavailable
from hyperhive.protocol.terminal import Open
from tests.support.swarm import Swarm, swarm


class Quiet:
    """A terminal that says nothing; how often it was closed is counted."""

    def __init__(self) -> None:
        self.closed = 0

    async def read(self) -> bytes:
        return b""

    async def write(self, data: bytes) -> None:
        pass

    async def over(self) -> None:
        pass

    def resize(self, rows: int, columns: int) -> None:
        pass

    async def close(self) -> None:
        self.closed += 1


class Runtime:
    """Opens quiet terminals, once it is let."""

    def __init__(self) -> None:
        self.opened: list[Quiet] = []
        self.go = asyncio.Event()
        self.go.set()

    async def open_terminal(
        self, agent: str, user: TerminalUser, rows: int, columns: int
    ) -> Terminal:
        await self.go.wait()
        self.opened.append(Quiet())
        return self.opened[-1]


def book(made: Swarm, runtime: Runtime) -> Terminals:
    return Terminals(made.hive.store, made.clock, runtime.open_terminal)


async def audited(made: Swarm) -> list[tuple[str, str]]:
    entries = await made.hive.store.read(lambda tx: tx.audit.recent())
    return [(e.subject, e.detail) for e in entries if e.action == "terminal_opened"]


async def test_each_is_recorded_and_closed(tmp_path: Path) -> None:
    async with swarm(tmp_path) as made:
        runtime = Runtime()
        terminals = book(made, runtime)
        async with terminals.opened("alice", Open(user="root"), "here"):
            assert await audited(made) == [("alice", "as root, here")]
            assert runtime.opened[0].closed == 0
        assert runtime.opened[0].closed == 1
        with pytest.raises(NotFound):
            await terminals.opened("nobody", Open(), "here").__aenter__()
        await made.hive.agents.destroy("alice", purge=False)
        with pytest.raises(NotFound):
            await terminals.opened("alice", Open(), "here").__aenter__()
        assert len(runtime.opened) == 1


async def test_there_is_an_end_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", MAX_PER_AGENT + 2)
    async with swarm(tmp_path) as made, AsyncExitStack() as stack:
        terminals = book(made, Runtime())
        for _ in range(MAX_PER_AGENT):
            await stack.enter_async_context(terminals.opened("alice", Open(), ""))
        with pytest.raises(Conflict, match="alice has 8 open terminals"):
            await stack.enter_async_context(terminals.opened("alice", Open(), ""))
        for _ in range(2):
            await stack.enter_async_context(terminals.opened("manager", Open(), ""))
        with pytest.raises(Conflict, match="10 terminals are open"):
            await stack.enter_async_context(terminals.opened("manager", Open(), ""))
        await stack.aclose()
        async with terminals.opened("alice", Open(), ""):
            pass


async def test_one_that_opens_while_the_service_stops_is_closed(tmp_path: Path) -> None:
    async with swarm(tmp_path) as made:
        runtime = Runtime()
        terminals = book(made, runtime)
        runtime.go.clear()
        opening = asyncio.ensure_future(terminals.opened("alice", Open(), "").__aenter__())
        await made.hive.store.read(lambda tx: None)
        await asyncio.sleep(0)
        await terminals.close()
        runtime.go.set()
        with pytest.raises(Unavailable, match="stopping"):
            await opening
        assert [terminal.closed for terminal in runtime.opened] in ([1], [])
        assert await audited(made) == []


async def test_stopping_closes_all_that_are_open(tmp_path: Path) -> None:
    async with swarm(tmp_path) as made:
        runtime = Runtime()
        terminals = book(made, runtime)
        async with terminals.opened("alice", Open(), ""), terminals.opened("manager", Open(), ""):
            await terminals.close()
            assert [terminal.closed for terminal in runtime.opened] == [1, 1]
