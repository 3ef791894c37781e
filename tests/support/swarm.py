"""A real swarm without agents: the rules on a real database, a clock to turn, the dashboard on it.

What agents would do is done by the calls that the gateway makes for them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path

import aiohttp
from aiohttp import web

from hyperhive.dashboard.app import DashboardOptions, make_app
from hyperhive.dashboard.security import make_login_code
from hyperhive.hive.config_ports import Builds, Configs
from hyperhive.hive.gauge import Gauge
from hyperhive.hive.hive import Hive, build
from hyperhive.hive.mail import Sender
from hyperhive.hive.policy import AgentPolicy, MailLimits, Model, Policy, Prices
from hyperhive.hive.ports import Terminal, TerminalUser, Transaction
from hyperhive.hive.ports import Usage as Used
from hyperhive.hive.records import OPERATOR_ID, Agent, Usage
from hyperhive.hive.terminals import Terminals
from hyperhive.local.directories import Place
from hyperhive.local.terminal import open_terminal
from hyperhive.protocol.bundle import AgentSettings, Egress
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.link import Hello
from hyperhive.protocol.verbs import (
    Ask,
    RequestDestroy,
    RequestSpawn,
    SelfCheck,
    Send,
    TurnBegin,
    TurnEnd,
    TurnEvent,
    TurnEvents,
)
from hyperhive.store.database import Database
from hyperhive.store.tuning import Tuning
from tests.support.net import free_port

MODELS = {
    "large": Model("claude-large-5", Prices(input=3, output=15)),
    "small": Model("claude-small-5", Prices(input=1, output=5)),
}
POLICY = Policy(
    models=MODELS,
    default_model="large",
    mail=MailLimits(open_questions=1_000),
    declared={
        "manager": AgentPolicy(
            role="manager", capabilities=("manage",), description="Coordinates."
        ),
        "alice": AgentPolicy(
            description="Writes the parser.",
            settings=AgentSettings(
                allowed_bash=("git *", "pytest -q"), egress=Egress(allow=("pypi.example:443",))
            ),
        ),
    },
)
TOKEN = "a fixed token of the operator"


@dataclass
class TurnedClock:
    """Stands still until it is turned."""

    wall: float = 1_800_000_000.0
    boot: float = 1_000.0
    boot_id: str = "boot-1"

    def now(self) -> float:
        return self.wall

    def boottime(self) -> float:
        return self.boot

    def forward(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds


@dataclass
class Swarm:
    hive: Hive
    clock: TurnedClock
    database: Database
    app: web.Application
    port: int
    directory: Path
    pushes: list[tuple[str, str]] = field(default_factory=list)
    linked: set[str] = field(default_factory=set)
    written: dict[str, list[str]] = field(default_factory=dict)
    """The lines of each agent's log."""
    _numbers: count[int] = field(default_factory=lambda: count(1))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def push(self, agent: str, push: str) -> bool:
        self.pushes.append((agent, push))
        return agent in self.linked

    # --- the runtime ---

    @property
    def gauge(self) -> Gauge:
        return Gauge(self._measure)

    async def _measure(self, agent: str) -> Used:
        """Those that are linked run."""
        return Used(300 * 2**20, 75.0, 12, 2**30) if agent in self.linked else Used()

    @cached_property
    def terminals(self) -> Terminals:
        return Terminals(self.hive.store, self.clock, self._open_terminal)

    async def _open_terminal(
        self, agent: str, user: TerminalUser, rows: int, columns: int
    ) -> Terminal:
        """A real shell, of our own uid."""
        if user == "root" or agent not in self.linked:
            raise Unavailable(f"{agent} does not run, or not for {user}")
        place = Place(self.directory / agent, os.geteuid())
        for part in (place.home, place.workspace, place.tmp):
            part.mkdir(parents=True, exist_ok=True)
        return open_terminal(agent, place, rows, columns)

    async def logs(self, agent: str, lines: int) -> list[str]:
        return self.written.get(agent, [])[-lines:]

    # --- the operator ---

    async def login_code(self) -> str:
        return await make_login_code(self.hive)

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A client that is logged in and sends what a page of the dashboard would."""
        headers = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        jar = aiohttp.CookieJar(unsafe=True)  # takes cookies of an address without a name
        async with aiohttp.ClientSession(self.url, headers=headers, cookie_jar=jar) as client:
            code = await self.login_code()
            async with client.post("/login", data={"code": code}, allow_redirects=False) as answer:
                assert answer.status == 303, await answer.text()
            yield client

    # --- agents ---

    async def agent(self, name: str) -> Agent:
        found = await self.hive.store.read(lambda tx: tx.agents.by_name(name))
        assert found is not None
        return found

    async def sender(self, name: str) -> Sender:
        return Sender((await self.agent(name)).id, name, "agent")

    async def start(self, name: str) -> str:
        """The agent's harness connects and is fit; returns its instance."""
        agent, instance = await self.agent(name), f"instance-{next(self._numbers)}"
        await self.hive.turns.hello(agent.id, Hello(protocol=1, instance=instance, version="1"))
        await self.hive.turns.self_check(agent.id, instance, SelfCheck(ok=True))
        self.linked.add(name)
        return instance

    async def send(self, sender: str, to: str, body: str) -> int:
        request = Send(to=to, body=body, key=f"k{next(self._numbers)}")
        return int((await self.hive.broker.send(await self.sender(sender), request))["id"])

    async def ask(self, asker: str, question: str, **more: object) -> int:
        request = Ask(question=question, key=f"k{next(self._numbers)}", **more)  # type: ignore[arg-type]  # fields of Ask
        return int((await self.hive.questions.ask(await self.sender(asker), request))["id"])

    async def request_spawn(self, name: str, description: str = "") -> int:
        request = RequestSpawn(name=name, description=description, key=f"k{next(self._numbers)}")
        asked = await self.hive.approvals.request_spawn(await self.sender("manager"), request)
        return int(asked["id"])

    async def request_destroy(self, name: str, reason: str = "", purge: bool = False) -> int:
        request = RequestDestroy(
            agent=name, reason=reason, purge=purge, key=f"k{next(self._numbers)}"
        )
        asked = await self.hive.approvals.request_destroy(await self.sender("manager"), request)
        return int(asked["id"])

    async def begin(self, name: str, instance: str) -> str:
        """A turn with the waiting mail; returns its id."""
        agent, turn = await self.agent(name), f"turn-{next(self._numbers)}-0"
        begun = await self.hive.turns.begin(agent.id, instance, TurnBegin(turn=turn))
        assert begun["messages"], "no mail waits"
        return turn

    async def report(self, name: str, instance: str, turn: str, *events: TurnEvent) -> None:
        agent = await self.agent(name)
        row = await self.hive.store.read(lambda tx: tx.turns.get(turn))
        assert row is not None
        first = row.last_event + 1
        report = TurnEvents(turn=turn, first=first, events=events)
        await self.hive.turns.record(agent.id, instance, report)

    async def end(self, name: str, instance: str, turn: str, **more: object) -> None:
        report = TurnEnd(turn=turn, **{"result": "clean", **more})  # type: ignore[arg-type]  # fields of TurnEnd
        await self.hive.turns.end((await self.agent(name)).id, instance, report)

    async def spend(self, name: str, tokens: int) -> None:
        agent = await self.agent(name)
        admission = await self.hive.spending.admit(agent.id, "claude-large-5")
        await self.hive.spending.record(admission, Usage(input_tokens=tokens, output_tokens=tokens))

    # --- the database ---

    async def unread(self) -> int:
        return await self.hive.store.read(lambda tx: len(tx.messages.queued(OPERATOR_ID)))

    async def append(self, kind: str, agent: str | None, data: dict[str, object]) -> int:
        def change(tx: Transaction) -> int:
            return tx.events.append(kind, agent, data, self.clock.now())

        return await self.hive.store.write(change)


@asynccontextmanager
async def swarm(
    directory: Path,
    policy: Policy = POLICY,
    workshop: tuple[Configs, Builds] | None = None,
    **options: object,
) -> AsyncIterator[Swarm]:
    """The manager and alice are declared; nobody has started. `options` go to the dashboard."""
    clock, port = TurnedClock(), free_port()
    database = await Database.open(directory / "hive.db", Tuning(reserve_bytes=4096))
    try:
        hive = build(database, clock, policy, "api_key", workshop)
        await hive.recover()
        made = Swarm(hive, clock, database, web.Application(), port, directory)
        chosen = DashboardOptions(
            host="127.0.0.1",
            port=port,
            token=TOKEN,
            runtime_kind="local",
            push=made.push,
            gauge=made.gauge,
            logs=made.logs,
            terminals=made.terminals,
        )
        made.app = make_app(hive, dataclasses.replace(chosen, **options))  # type: ignore[arg-type]  # fields of it
        # As the service serves it.
        runner = web.AppRunner(made.app, shutdown_timeout=5, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield made
        finally:
            await runner.cleanup()
    finally:
        await database.close()
