"""Thousands of random operations, each compared with a simple model: nothing lost, none twice."""

import random
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

import pytest

from hyperhive.hive.policy import MailLimits
from hyperhive.protocol.errors import Conflict, LeaseExpired, QueueFull
from tests.hive.conftest import MakeWorld
from tests.hive.reference import NEVER, Mail, Reference
from tests.hive.world import MANAGER, WORKER, World

STEPS = 2_000
CAP = 12
AGENTS = ("alice", "bob", "carol")


class Walk:
    """One random walk through world and model at once."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.model = Reference(CAP)
        self.names = count()
        self.sent: list[tuple[str, str, str, str, dict[str, Any]]] = []
        self.linked: dict[str, str] = {}
        """The harness's instance by agent; another client has the instance `client-AGENT`."""
        self.handed_out: list[tuple[str, int]] = []
        """Recipient and delivery, as they were received."""
        self.acked: set[int] = set()

    def name(self, prefix: str) -> str:
        return f"{prefix}-{next(self.names):06}"

    async def step(self) -> None:
        moves: dict[Callable[[], Awaitable[None]], int] = {
            self.send: 30,
            self.send_again: 4,
            self.recv: 12,
            self.ack: 10,
            self.begin: 12,
            self.recv_in_turn: 5,
            self.end: 12,
            self.hello: 6,
            self.lose: 2,
            self.refuse: 2,
            self.pass_time: 8,
            self.expire: 2,
            self.restart: 1,
            self.reboot: 1,
        }
        await self.chance.choices(list(moves), list(moves.values()))[0]()

    # --- sending ---

    async def send(self) -> None:
        sender, to = self.chance.sample(AGENTS, 2)
        key, body = self.name("key"), self.name("body")
        ttl = self.chance.choice([None] * 9 + [50])
        if not self.model.has_room(to):
            with pytest.raises(QueueFull):
                await self.world.send(sender, to, body, key=key)
            return
        answer = await self.world.send(sender, to, body, key=key, ttl_seconds=ttl)
        if ttl is None:
            self.sent.append((sender, to, body, key, answer))
        expires = self.model.now + ttl if ttl else NEVER
        recipient = await self.world.id(to)
        newest = await self.world.read(lambda tx: tx.messages.inbox(recipient, limit=1))
        assert (newest[0].message.id, newest[0].message.body) == (answer["id"], body)
        self.model.mail.append(Mail(newest[0].id, sender, to, expires))

    async def send_again(self) -> None:
        if not self.sent:
            return
        sender, to, body, key, answer = self.chance.choice(self.sent)
        assert await self.world.send(sender, to, body, key=key) == answer
        with pytest.raises(Conflict):
            await self.world.send(sender, to, "another", key=key)

    # --- a client without turns ---

    async def recv(self) -> None:
        agent, limit, key = self.chance.choice(AGENTS), self.chance.randint(1, 5), self.name("key")
        instance = f"client-{agent}"
        received = await self.world.recv(agent, instance, max=limit, key=key)
        expected = self.model.lease(agent, (instance, None), limit)
        self.compare(agent, received, expected)
        assert await self.world.recv(agent, instance, max=limit, key=key) == received

    async def ack(self) -> None:
        agent = self.chance.choice(AGENTS)
        instance = f"client-{agent}"
        mine = [m for m in self.model.leased(agent) if m.holder == (instance, None)]
        others = [m for m in self.model.leased(agent) if m.holder != (instance, None)]
        if others:
            with pytest.raises(LeaseExpired):
                await self.acknowledge(agent, others[:1])
        chosen = self.chance.sample(mine, self.chance.randint(0, len(mine)))
        await self.acknowledge(agent, chosen)
        await self.acknowledge(agent, chosen)
        for m in chosen:
            self.model.settle(m, "acked")

    async def acknowledge(self, agent: str, mail: Sequence[Mail]) -> None:
        id_ = await self.world.id(agent)
        await self.world.hive.leases.acknowledge(id_, f"client-{agent}", [m.id for m in mail])
        self.acked.update(m.id for m in mail)

    # --- a harness ---

    async def begin(self) -> None:
        agent, turn = self.chance.choice(AGENTS), self.name("turn")
        if not (instance := self.linked.get(agent)):
            return
        answer = await self.world.begin(agent, turn, instance)
        expected = self.model.begin(agent, instance, turn)
        self.compare(agent, answer["messages"], expected)
        if expected:
            assert await self.world.begin(agent, turn, instance) == answer

    async def recv_in_turn(self) -> None:
        agent = self.chance.choice(AGENTS)
        if agent in self.model.turns:
            instance, turn = self.model.turns[agent]
            received = await self.world.recv(agent, instance, max=2, turn=turn)
            self.compare(agent, received, self.model.lease(agent, (instance, turn), 2))

    async def end(self) -> None:
        agent = self.chance.choice(AGENTS)
        if agent in self.model.turns:
            instance, turn = self.model.turns[agent]
            held = [m.id for m in self.model.leased(agent) if m.holder == (instance, turn)]
            result = self.chance.choice(["clean", "clean", "failed", "cancelled"])
            await self.world.end(agent, result, turn, instance)
            await self.world.end(agent, "clean", turn, instance)  # too late to change it
            self.model.end(agent, result)
            if result != "failed":
                self.acked.update(held)

    async def hello(self) -> None:
        """A new harness, or the old one again, which may or may not know of its turn."""
        agent = self.chance.choice(AGENTS)
        instance, turn = self.linked.get(agent), None
        if instance is None or self.chance.random() < 0.3:
            instance = self.name("instance")
        elif agent in self.model.turns and self.chance.random() < 0.7:
            turn = self.model.turns[agent][1]
        self.linked[agent] = instance
        self.model.hello(agent, instance, turn)
        welcome = await self.world.connect(agent, instance, turn)
        assert welcome["turn"] == turn

    # --- what happens to them ---

    async def lose(self) -> None:
        agent = self.chance.choice(AGENTS)
        instance = self.chance.choice([f"client-{agent}", self.linked.get(agent, "nobody")])
        await self.world.hive.leases.lose(await self.world.id(agent), instance)
        self.model.lose(agent, instance)

    async def refuse(self) -> None:
        """The model's side is overloaded for a minute."""
        agent = self.chance.choice(AGENTS)
        id_ = await self.world.id(agent)
        await self.world.hive.spending.upstream_refused(id_, "overloaded", None, "529")
        self.model.held_until[agent] = self.model.now + 60

    async def pass_time(self) -> None:
        seconds = self.chance.choice([1, 5, 30, 120, 600])
        self.model.now += seconds
        self.world.clock.pass_by(seconds)

    async def expire(self) -> None:
        await self.world.hive.broker.expire()
        self.model.expire()

    async def restart(self) -> None:
        self.linked.clear()
        await self.world.again()

    async def reboot(self) -> None:
        self.linked.clear()
        self.model.now += 60
        self.world.clock.reboot(60)
        self.model.reboot()
        await self.world.again()

    # --- comparing ---

    def compare(self, agent: str, received: list[dict[str, Any]], expected: list[Mail]) -> None:
        got = [(m["delivery"], m["from"], m["attempt"]) for m in received]
        assert got == [(m.id, m.sender, m.attempt) for m in expected]
        assert not self.acked & {m["delivery"] for m in received}
        self.handed_out += [(agent, m["delivery"]) for m in received]

    async def check_everything(self) -> None:
        rows = [d for name in AGENTS for d in await self.world.inbox(name)]
        stored = {d.id: (d.recipient, d.state, d.attempt, d.instance, d.turn) for d in rows}
        nobody = (None, None)
        assert stored == {
            m.id: (m.to, m.state, m.attempt, *(m.holder or nobody)) for m in self.model.mail
        }

    def check_order(self) -> None:
        """What was handed out first of each pair came in the order in which it was sent."""
        senders = {m.id: m.sender for m in self.model.mail}
        first = list(dict.fromkeys(self.handed_out))
        pairs = {(agent, senders[id_]) for agent, id_ in first}
        for pair in pairs:
            ids = [id_ for agent, id_ in first if (agent, senders[id_]) == pair]
            assert ids == sorted(ids)


@pytest.mark.parametrize("seed", range(4))
async def test_a_random_walk_agrees_with_the_model(make_world: MakeWorld, seed: int) -> None:
    agents = {"manager": MANAGER} | dict.fromkeys(AGENTS, WORKER)
    limits = MailLimits(undelivered=CAP, max_hops=10**6)
    walk = Walk(await make_world(declared=agents, mail=limits), seed)
    for number in range(STEPS):
        await walk.step()
        if number % 25 == 0:
            await walk.check_everything()
    await walk.check_everything()
    walk.check_order()
    ends = {m.state for m in walk.model.mail}
    assert ends >= {"acked", "dead", "expired"}
    assert len(walk.acked) > 100
