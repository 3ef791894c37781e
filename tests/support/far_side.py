"""The other side of the runtime's and the gateway's ports, in memory: what runs, what is open."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from hyperhive.hive.ports import Ended, EndReason, Invocation, Terminal, TerminalUser, Usage
from hyperhive.hive.records import Agent
from hyperhive.protocol.errors import Unavailable

Step = Callable[[str], Awaitable[None]]


async def go_on(_: str) -> None:
    pass


class FakeRuntime:
    """Keeps the promises of the port `Runtime`; outlives the service, as containers do.

    `refusals` makes a verb fail with a problem; `step` is awaited before and after each act.
    """

    kind = "fake"
    warnings = ("nothing runs for real",)

    def __init__(self) -> None:
        self.runs: dict[str, Invocation] = {}
        self.files: set[str] = set()
        self.history: list[str] = []
        """`start alice-1`, `stop alice-1` and `purge alice`, as they took effect."""
        self.bundles: dict[str, str | None] = {}
        """What each run was started from."""
        self.refusals: dict[str, str] = {}
        self.step: Step = go_on
        self._listeners: list[Callable[[Ended], None]] = []
        self._ends: dict[str, Ended] = {}
        self._counts: Counter[str] = Counter()

    async def running(self) -> dict[str, Invocation]:
        await self.step("running")
        return dict(self.runs)

    async def start(self, agent: Agent) -> Invocation:
        await self._begin("start")
        if agent.name not in self.runs:
            self._counts[agent.name] += 1
            run = f"{agent.name}-{self._counts[agent.name]}"
            self.runs[agent.name] = Invocation(agent.name, run, 0.0)
            self.bundles[run] = agent.bundle
            self.files.add(agent.name)
            self.history.append(f"start {run}")
        await self.step("started")
        return self.runs[agent.name]

    async def stop(self, agent: str, invocation: str | None = None) -> None:
        await self._begin("stop")
        run = self.runs.get(agent)
        if run is not None and invocation in (None, run.id):
            self.history.append(f"stop {run.id}")
            self.end(agent, "killed", -15)
        await self.step("stopped")

    async def purge(self, agent: str) -> None:
        await self._begin("purge")
        if agent in self.runs:
            raise Unavailable(f"{agent} still runs")
        self.files.discard(agent)
        self.history.append(f"purge {agent}")
        await self.step("purged")

    async def logs(self, agent: str, lines: int) -> Sequence[str]:
        return [f"a line of {agent}"] * lines

    async def usage(self, agent: str) -> Usage:
        return Usage(2**20, 1.5, 3) if agent in self.runs else Usage()

    async def open_terminal(
        self, agent: str, user: TerminalUser, rows: int, columns: int
    ) -> Terminal:
        raise Unavailable("nothing runs for real")

    def peer_allowed(self, agent: str, uid: int) -> bool:
        return agent in self.files

    def started_from(self, agent: str, invocation: str) -> str | None:
        return self.bundles.get(invocation)

    async def how_ended(self, agent: str, invocation: str) -> Ended:
        return self._ends[invocation]

    def subscribe(self, listener: Callable[[Ended], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # --- what happens by itself ---

    def end(self, agent: str, reason: EndReason = "crash", exit: int | None = 1) -> Invocation:
        """The run is over, whoever wanted it; returns which it was."""
        run = self.runs.pop(agent)
        ended = self._ends[run.id] = Ended(run, reason, exit)
        for listener in tuple(self._listeners):
            listener(ended)
        return run

    async def _begin(self, verb: str) -> None:
        await self.step(verb)
        if verb in self.refusals:
            raise Unavailable(self.refusals[verb])


class FakeSockets:
    """Keeps the promises of the port `AgentSockets`; each service has its own."""

    def __init__(self) -> None:
        self.opened: dict[str, int] = {}
        """Row id by name."""
        self.refusals: dict[str, str] = {}
        self.step: Step = go_on

    async def open(self, agent: Agent) -> None:
        await self.step("open")
        if "open" in self.refusals:
            raise Unavailable(self.refusals["open"])
        self.opened[agent.name] = agent.id

    async def close(self, agent: str) -> None:
        await self.step("close")
        self.opened.pop(agent, None)

    def push(self, agent: str, push: str, data: dict[str, Any] | None = None) -> bool:
        return False

    def linked(self) -> Iterable[str]:
        return ()


class FakeDisk:
    """The free share of the disk, as it is set; `trouble` says why it cannot be measured."""

    def __init__(self) -> None:
        self.free = 0.5
        self.trouble = ""

    async def __call__(self) -> float:
        if self.trouble:
            raise Unavailable(self.trouble)
        return self.free
