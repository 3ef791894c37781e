"""What tests of the rules stand on: a real store, a clock to step, and short ways to say things."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from hyperhive.hive import hive as rules
from hyperhive.hive.config_ports import Builds, Configs
from hyperhive.hive.hive import Hive
from hyperhive.hive.mail import OPERATOR_SENDER, Sender
from hyperhive.hive.policy import AgentPolicy, Model, Policy, Prices
from hyperhive.hive.ports import AgentSockets, Runtime, Transaction
from hyperhive.hive.records import OPERATOR_ID, Agent, Delivery, Event
from hyperhive.protocol.link import Hello
from hyperhive.protocol.verbs import Ask, Recv, SelfCheck, Send, TurnBegin, TurnEnd
from hyperhive.store.database import Database
from hyperhive.store.tuning import Tuning
from tests.store.given import StepClock
from tests.support.far_side import FakeDisk, FakeRuntime, FakeSockets
from tests.support.wait import wait_for

T = TypeVar("T")

ONE, TWO = "instance-1", "instance-2"
BIG, SMALL = "claude-big-1", "claude-small-1"
WORKER, MANAGER = AgentPolicy(), AgentPolicy(role="manager", capabilities=("manage",))
_keys = (f"key-{n}" for n in count())


def policy(**changes: Any) -> Policy:
    """A manager, alice and bob, and leases that end soon, unless said otherwise."""
    usual = Policy(
        models={
            "big": Model(BIG, Prices(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)),
            "small": Model(SMALL),
            "other": Model("claude-other-1"),
        },
        default_model="big",
        helper_model="small",
        declared={"manager": MANAGER, "alice": WORKER, "bob": WORKER},
        restart_delay_seconds=0.0,
    )
    return replace(usual, **changes)


@dataclass
class World:
    """A hive over a store; `again` is the service started anew over the same rows."""

    database: Database
    rules_of: Policy
    clock: StepClock = field(default_factory=StepClock)
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    sockets: FakeSockets = field(default_factory=FakeSockets)
    disk: FakeDisk = field(default_factory=FakeDisk)
    workshop: tuple[Configs, Builds] | None = None

    def __post_init__(self) -> None:
        self.hive: Hive = rules.build(
            self.database, self.clock, self.rules_of, "api_key", self.workshop
        )

    async def again(self, rules_of: Policy | None = None) -> None:
        self.rules_of = rules_of or self.rules_of
        self.sockets = FakeSockets()
        self.__post_init__()
        await self.hive.recover()

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """With the swarm's own tasks; at the end they are cancelled, as the service does."""
        runtime: Runtime = self.runtime
        sockets: AgentSockets = self.sockets
        task = asyncio.create_task(self.hive.run(runtime, sockets, self.disk))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled(), task.exception()

    # --- rows ---

    async def read(self, query: Callable[[Transaction], T]) -> T:
        return await self.database.read(query)

    async def agent(self, name: str) -> Agent:
        agent = await self.read(lambda tx: tx.agents.by_name(name))
        assert agent is not None, name
        return agent

    async def id(self, name: str) -> int:
        return OPERATOR_ID if name == "operator" else (await self.agent(name)).id

    async def save(self, name: str, **changes: Any) -> None:
        changed = replace(await self.agent(name), **changes)
        await self.database.write(lambda tx: tx.agents.save(changed))

    async def events(self, *kinds: str) -> list[Event]:
        events = await self.read(lambda tx: tx.events.after(0, 10_000))
        return [e for e in events if not kinds or e.kind in kinds]

    async def audit(self) -> list[tuple[str, str, str]]:
        """Oldest first: actor, action, subject."""
        entries = await self.read(lambda tx: tx.audit.recent())
        return [(e.actor, e.action, e.subject) for e in reversed(entries)]

    async def inbox(self, name: str) -> list[Delivery]:
        """Everything ever sent to this name, oldest first."""
        id_ = await self.id(name)
        return (await self.read(lambda tx: tx.messages.inbox(id_, limit=10_000)))[::-1]

    async def states(self, name: str) -> list[str]:
        """`body: state attempt` of each message to this name from agents and the operator."""
        inbox = [d for d in await self.inbox(name) if d.message.kind != "system"]
        return [f"{d.message.body}: {d.state} {d.attempt}" for d in inbox]

    async def told(self, name: str) -> list[dict[str, Any]]:
        """The helper events sent to this name, oldest first."""
        return [json.loads(d.message.body) for d in await self.inbox(name) if is_system(d)]

    async def told_last(self, name: str) -> dict[str, Any]:
        return (await self.told(name))[-1]

    async def hear(self, name: str, event: str) -> dict[str, Any]:
        """Wait for a helper event."""

        async def find() -> dict[str, Any] | None:
            found = [told for told in await self.told(name) if told["event"] == event]
            return found[-1] if found else None

        return await wait_for(find, what=f"{event} to {name}")

    # --- messages ---

    async def sender(self, name: str) -> Sender:
        if name == "operator":
            return OPERATOR_SENDER
        return Sender(await self.id(name), name, "agent")

    async def send(self, sender: str, to: str, body: str = "hello", **rest: Any) -> dict[str, Any]:
        request = Send(to=to, body=body, **{"key": next(_keys), **rest})
        return await self.hive.broker.send(await self.sender(sender), request)

    async def recv(self, name: str, instance: str = ONE, **rest: Any) -> list[dict[str, Any]]:
        request = Recv(**{"max": 32, **rest})
        return await self.hive.broker.receive(await self.id(name), instance, request)

    async def ask(self, asker: str, question: str = "why?", **rest: Any) -> int:
        request = Ask(question=question, **{"key": next(_keys), **rest})
        answer = await self.hive.questions.ask(await self.sender(asker), request)
        assert list(answer) == ["id"]
        return int(answer["id"])

    # --- turns ---

    async def connect(
        self, name: str, instance: str = ONE, turn: str | None = None, *, fit: bool = True
    ) -> dict[str, Any]:
        """A harness says hello and, if it is fit, that it is."""
        id_ = await self.id(name)
        welcome = await self.hive.turns.hello(id_, Hello(protocol=1, instance=instance, turn=turn))
        if fit:
            report = SelfCheck(ok=True, settings_version=welcome["settings_version"])
            await self.hive.turns.self_check(id_, instance, report)
        return welcome

    async def begin(self, name: str, turn: str = "turn-one", instance: str = ONE) -> dict[str, Any]:
        return await self.hive.turns.begin(await self.id(name), instance, TurnBegin(turn=turn))

    async def bodies(self, name: str, turn: str = "turn-one", instance: str = ONE) -> list[str]:
        """Begin a turn; the bodies it is given."""
        return [m["body"] for m in (await self.begin(name, turn, instance))["messages"]]

    async def end(
        self,
        name: str,
        result: Any = "clean",
        turn: str = "turn-one",
        instance: str = ONE,
        error: str = "",
    ) -> str:
        report = TurnEnd(turn=turn, result=result, error=error)
        answer = await self.hive.turns.end(await self.id(name), instance, report)
        assert answer["turn"] == turn
        return str(answer["result"])


def is_system(delivery: Delivery) -> bool:
    return delivery.message.kind == "system"


async def open_world(path: Path, rules_of: Policy | None = None) -> World:
    # No test here cuts the power, and some open a hundred databases.
    database = await Database.open(path, Tuning(reserve_bytes=2**20, synchronous="NORMAL"))
    world = World(database, rules_of or policy())
    await world.hive.recover()
    return world
