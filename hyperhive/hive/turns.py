"""One wake of one agent, from the lease of its mail to the settling of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hyperhive.hive.broker import MAX_BATCH_BYTES, back_off, message_json
from hyperhive.hive.clock import Clock, passed, remaining
from hyperhive.hive.leases import Leases
from hyperhive.hive.mail import notify_manager
from hyperhive.hive.policy import Policy, require
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.presence import Links, Presence
from hyperhive.hive.records import Agent, Delivery, Turn
from hyperhive.hive.settling import (
    end_leases,
    fail_attempt,
    give_back_unchanged,
    lease_waiting,
)
from hyperhive.hive.storage_guard import Storage
from hyperhive.protocol.bundle import settings_json
from hyperhive.protocol.errors import Forbidden, LeaseExpired
from hyperhive.protocol.link import HEARTBEAT_SECONDS, Hello
from hyperhive.protocol.model import MAX_BATCH
from hyperhive.protocol.verbs import SelfCheck, TurnBegin, TurnEnd, TurnEvents

STORAGE_PAUSE = 5.0
"""Seconds after which it is worth asking again whether there is room on the disk."""


class Turns:
    """The host's side of the turn loop."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        policy: Policy,
        leases: Leases,
        links: Links,
        storage: Storage,
        credential_kind: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._leases = leases
        self._links = links
        self._storage = storage
        self._credential_kind = credential_kind

    # --- the link's life ---

    async def hello(self, agent_id: int, hello: Hello) -> dict[str, Any]:
        """A harness connected: re-adopt its turn, end what other instances held.

        Returns the `welcome` frame. Raises Forbidden when the agent is not there any more.
        """

        def change(tx: Transaction) -> tuple[Agent, str | None]:
            agent = require(tx.agents.get(agent_id))
            end_leases(tx, self._clock, self._policy, agent_id, keep=hello.instance)
            turn = tx.turns.get(hello.turn) if hello.turn else None
            for other in tx.turns.open(agent_id):
                if turn is None or other.id != turn.id:
                    _abandon(tx, self._clock, agent, other)
            tx.events.append("agent", agent.name, {"link": "up"}, self._clock.now())
            owned = turn and turn.state == "open" and turn.agent_id == agent_id
            return agent, turn.id if turn and owned else None

        # On a full disk too: whoever cannot say hello cannot acknowledge.
        agent, turn_id = await self._store.write(change, essential=True)
        self._leases.touch(agent_id, hello.instance)
        presence = Presence(hello.instance, self._clock.boottime(), hello.version)
        self._links.set(agent_id, presence)
        return {
            "type": "welcome",
            "agent": agent.name,
            "role": agent.role,
            "capabilities": list(agent.capabilities),
            "settings": settings_json(agent.settings),
            "settings_version": agent.settings_version,
            "heartbeat_seconds": HEARTBEAT_SECONDS,
            "credential_kind": self._credential_kind,
            "turn": turn_id,
        }

    def heartbeat(self, agent_id: int, instance: str) -> None:
        self._leases.touch(agent_id, instance)

    async def unlinked(self, agent_id: int, instance: str) -> None:
        """The link is down: its leases have a lease time of grace from now."""
        if not self._links.drop(agent_id, instance, self._clock.boottime()):
            return
        self._leases.touch(agent_id, instance)

        def change(tx: Transaction) -> None:
            if agent := tx.agents.get(agent_id):
                tx.events.append("agent", agent.name, {"link": "down"}, self._clock.now())

        await self._store.write(change)

    async def self_check(self, agent_id: int, instance: str, report: SelfCheck) -> None:
        """As reported by the harness; nothing is leased to it before it is fit."""
        presence = self._links.of(agent_id, instance)
        if presence is None:
            raise LeaseExpired("another instance took over")
        presence.healthy, presence.problem = report.ok, report.problem
        presence.settings_version = report.settings_version

        def change(tx: Transaction) -> None:
            agent = require(tx.agents.get(agent_id))
            if report.ok and agent.problem:
                tx.agents.save(replace(agent, problem=""))
            data = {"healthy": report.ok, "problem": report.problem}
            tx.events.append("agent", agent.name, data, self._clock.now())

        await self._store.write(change)

    # --- turns ---

    async def begin(self, agent_id: int, instance: str, request: TurnBegin) -> dict[str, Any]:
        """Lease waiting mail for a turn; the same turn id again gives the same answer.

        Whatever else the agent had open is over: it knows of one turn at a time. Raises
        LeaseExpired when this turn has ended, or is another instance's.
        """
        presence = self._links.of(agent_id, instance)

        def change(tx: Transaction) -> dict[str, Any]:
            agent = require(tx.agents.get(agent_id))
            if known := tx.turns.get(request.turn):
                return self._again(tx, agent, instance, known)
            if presence is None or not presence.healthy or _is_unproven(tx, agent, presence):
                return {"messages": []}
            return self._begin(tx, agent, instance, request.turn)

        answer = await self._store.write(change)
        if presence is not None:
            self._leases.touch(agent_id, instance)
        return answer

    def _again(self, tx: Transaction, agent: Agent, instance: str, turn: Turn) -> dict[str, Any]:
        """The first answer was lost: whatever has changed since, the turn is on."""
        if (turn.agent_id, turn.instance) != (agent.id, instance):
            raise LeaseExpired("no such turn of this instance")
        if turn.state != "open":
            raise LeaseExpired(f"the turn is {turn.state}")
        return self._answer(agent, tx.messages.leased(agent.id, turn=turn.id))

    def _begin(self, tx: Transaction, agent: Agent, instance: str, turn: str) -> dict[str, Any]:
        for other in tx.turns.open(agent.id):
            _abandon(tx, self._clock, agent, other)
        if agent.quarantined or agent.wanted != "running":
            return {"messages": []}
        if self._storage.low:
            return {"messages": [], "retry_after": STORAGE_PAUSE}
        agent, wait = self._lift_hold(tx, agent)
        if wait is not None:
            return {"messages": [], "retry_after": wait}
        taken = lease_waiting(tx, self._clock, agent.id, instance, turn, MAX_BATCH, MAX_BATCH_BYTES)
        if not taken:
            return {"messages": [], "retry_after": back_off(tx, self._clock, agent.id)}
        self._open(tx, agent, instance, turn, [d.message.id for d in taken])
        return self._answer(agent, taken)

    def _answer(self, agent: Agent, taken: list[Delivery]) -> dict[str, Any]:
        fallback = self._policy.fallback_model(agent)
        return {
            "messages": [message_json(d) for d in taken],
            "model": self._policy.effective_model(agent).id,
            "fallback_model": fallback.id if fallback else None,
        }

    def _open(
        self, tx: Transaction, agent: Agent, instance: str, turn: str, messages: list[int]
    ) -> None:
        models = self._policy.accepted_models(agent)
        now = self._clock.now()
        tx.turns.add(Turn(turn, agent.id, instance, "open", models, now))
        data = {"turn": turn, "model": models[0], "messages": messages}
        tx.events.append("turn_began", agent.name, data, now)

    def _lift_hold(self, tx: Transaction, agent: Agent) -> tuple[Agent, float | None]:
        """The agent without a hold that is over; else the seconds until it is worth asking."""
        hold = agent.hold
        if hold is None:
            return agent, None
        if hold.until is None or not passed(hold.until, self._clock):
            return agent, min(60.0, remaining(hold.until, self._clock)) if hold.until else 60.0
        free = replace(agent, hold=None)
        tx.agents.save(free)
        tx.events.append("agent", agent.name, {"hold": None}, self._clock.now())
        return free, None

    async def record(self, agent_id: int, instance: str, report: TurnEvents) -> dict[str, Any]:
        """Store turn events that are not stored yet; returns the number of the last one."""

        def change(tx: Transaction) -> dict[str, Any]:
            agent, turn = self._own(tx, agent_id, instance, report.turn)
            fresh = report.events[max(0, turn.last_event + 1 - report.first) :]
            for event in fresh:
                data = {
                    "turn": turn.id,
                    "text": event.text,
                    "tool": event.tool,
                    "is_error": event.is_error,
                }
                tx.events.append(f"turn_{event.kind}", agent.name, data, self._clock.now())
            last = max(turn.last_event, report.first + len(report.events) - 1)
            tx.turns.save(replace(turn, last_event=last))
            return {"last": last}

        return await self._store.write(change)

    async def end(self, agent_id: int, instance: str, report: TurnEnd) -> dict[str, Any]:
        """Settle everything leased in the turn. Reporting the end again is harmless."""

        def change(tx: Transaction) -> dict[str, Any]:
            agent, turn = self._own(tx, agent_id, instance, report.turn)
            if turn.state == "open":
                turn = self._settle(tx, agent, turn, report)
            return {"turn": turn.id, "result": turn.state}

        return await self._store.write(change, essential=True)

    def _own(
        self, tx: Transaction, agent_id: int, instance: str, turn_id: str
    ) -> tuple[Agent, Turn]:
        agent = require(tx.agents.get(agent_id))
        turn = tx.turns.get(turn_id)
        if turn is None or turn.agent_id != agent_id:
            raise Forbidden
        if turn.instance != instance:
            raise LeaseExpired("the turn belongs to another instance")
        return agent, turn

    def _settle(self, tx: Transaction, agent: Agent, turn: Turn, report: TurnEnd) -> Turn:
        held = tx.messages.leased(agent.id, turn=turn.id)
        ids = [d.id for d in held]
        now = self._clock.now()
        state: Any = report.result
        if report.result == "clean":
            tx.messages.settle(ids, "acked", "handled", now)
        elif report.result == "cancelled":
            tx.messages.settle(ids, "acked", "cancelled", now)
        elif agent.hold is not None or agent.wanted != "running":
            # The model's side refused, or the operator stopped it: no message is to blame.
            state = "deferred"
            give_back_unchanged(tx, held, agent.hold.reason if agent.hold else "stopped")
        else:
            fail_attempt(tx, self._clock, self._policy, held, report.error or "the turn failed")
            about = {"agent": agent.name, "turn": turn.id, "error": report.error[:1_000]}
            notify_manager(tx, self._clock, agent.name, "turn_failed", about)
        turn = replace(turn, state=state, ended_at=now, error=report.error, session=report.session)
        tx.turns.save(turn)
        _log_end(tx, agent, turn, now)
        return turn


def _log_end(tx: Transaction, agent: Agent, turn: Turn, now: float) -> None:
    used = tx.usage.turn(turn.id)
    data = {
        "turn": turn.id,
        "result": turn.state,
        "error": turn.error,
        "duration_ms": max(0, round((now - turn.began_at) * 1_000)),
        "usd": used.micro_usd / 1e6,
        "tokens": used.tokens,
        "output_tokens": used.output_tokens,
    }
    tx.events.append("turn_ended", agent.name, data, now)


def _is_unproven(tx: Transaction, agent: Agent, presence: Presence) -> bool:
    """Whether the settings of a deploy are tried that this harness has not found fit yet."""
    is_tried = any(deploy.state == "starting" for deploy in tx.deploys.open(agent.id))
    return is_tried and presence.settings_version != agent.settings_version


def _abandon(tx: Transaction, clock: Clock, agent: Agent, turn: Turn) -> None:
    """An open turn that its own harness does not know of: the harness never saw the answer."""
    give_back_unchanged(tx, tx.messages.leased(agent.id, turn=turn.id), "not begun")
    tx.turns.save(replace(turn, state="lost", ended_at=clock.now()))
    _log_end(tx, agent, replace(turn, state="lost"), clock.now())
