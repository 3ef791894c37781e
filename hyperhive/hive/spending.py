"""Tokens and money of each agent, and the refusals that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hyperhive.hive.clock import Clock, deadline_at, deadline_in, iso, utc_day
from hyperhive.hive.mail import notify_manager
from hyperhive.hive.policy import Model, Policy, require
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import Agent, Budget, Hold, HoldReason, Usage
from hyperhive.protocol.errors import BudgetExhausted, PolicyRefused

OVERLOAD_PAUSE = 60.0
"""Seconds without a turn after the model's side said that it is overloaded, or did not answer."""
CREDENTIAL_PAUSE = 300.0
"""Seconds without a turn after the credential was refused."""
RATE_LIMIT_PAUSE = 60.0
"""Seconds, when the answer names no reset time."""
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Admission:
    """A model request that may go upstream: who pays, in which turn, for which model."""

    agent_id: int
    turn: str | None
    model: Model
    model_side: tuple[str, ...]
    """What the agent's policy lets the model's servers do for it (`egress.modelSide`)."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A budget is used up: the day's holds the inbox, for nothing can be done before tomorrow.

    A turn's fails the turn and counts against its messages: given back unchanged they would use up
    the budget of a turn again and again.
    """

    why: str
    today: bool = True


class Spending:
    """The ledger. What it says comes from the model's own counts, never from the agent."""

    def __init__(self, store: Store, clock: Clock, policy: Policy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy

    async def admit(self, agent_id: int, model_id: str) -> Admission:
        """Check model and budget before a request. Raises PolicyRefused, BudgetExhausted."""

        def query(tx: Transaction) -> Admission | _Refusal:
            agent = require(tx.agents.get(agent_id))
            turn = next(iter(tx.turns.open(agent_id)), None)
            accepted = (*self._policy.accepted_models(agent), *(turn.models if turn else ()))
            model = self._policy.find_model(model_id)
            if model is None or model.id not in accepted:
                raise PolicyRefused(
                    f"hyperhive: model {model_id[:100]!r} is not allowed for {agent.name}; "
                    f"allowed now: {', '.join(dict.fromkeys(accepted))}"
                )
            if refusal := self._exceeded(tx, agent, turn.id if turn else None):
                return refusal
            side = agent.settings.egress.model_side
            return Admission(agent_id, turn.id if turn else None, model, side)

        answer = await self._store.read(query)
        if isinstance(answer, Admission):
            return answer
        if answer.today:
            await self._hold_until_tomorrow(agent_id, answer.why)
        raise BudgetExhausted(f"hyperhive: {answer.why}")

    def _exceeded(self, tx: Transaction, agent: Agent, turn: str | None) -> _Refusal | None:
        budget = agent.budget
        if budget == Budget():
            return None
        today = tx.usage.day(agent.id, utc_day(self._clock.now()))
        if budget.usd_per_day is not None and today.micro_usd >= budget.usd_per_day * 1e6:
            return _Refusal(f"the budget of ${budget.usd_per_day:.2f} a day is used up")
        if budget.tokens_per_day is not None and today.tokens >= budget.tokens_per_day:
            return _Refusal(f"the budget of {budget.tokens_per_day:,} tokens a day is used up")
        if budget.usd_per_turn is not None and turn is not None:
            spent = tx.usage.turn(turn)
            if spent.micro_usd >= budget.usd_per_turn * 1e6:
                why = f"the budget of ${budget.usd_per_turn:.2f} a turn is used up"
                return _Refusal(why, today=False)
        return None

    async def _hold_until_tomorrow(self, agent_id: int, why: str) -> None:
        now = self._clock.now()
        until = deadline_in(self._clock, _DAY - now % _DAY)
        await self._hold(agent_id, Hold("budget", until, why), "budget_exhausted")

    async def record(self, admission: Admission, used: Usage) -> None:
        """Add what one request used; the price is computed here."""
        prices = admission.model.prices
        # Dollars per million tokens times tokens is millionths of a dollar.
        cost = (
            used.input_tokens * prices.input
            + used.output_tokens * prices.output
            + used.cache_read_tokens * prices.cache_read
            + used.cache_write_tokens * prices.cache_write
        )
        priced = replace(used, micro_usd=round(cost), requests=1)
        day = utc_day(self._clock.now())

        def change(tx: Transaction) -> None:
            tx.usage.add(admission.agent_id, admission.turn, admission.model.id, priced, day)

        # On a full disk too: what is not counted is spent without bounds.
        await self._store.write(change, essential=True)

    async def upstream_refused(
        self, agent_id: int, reason: HoldReason, reset_at: float | None, detail: str
    ) -> None:
        """The model's side said no: hold the inbox until `reset_at` (wall time), or for a while."""
        pauses = {
            "overloaded": OVERLOAD_PAUSE,
            "unreachable": OVERLOAD_PAUSE,
            "credential": CREDENTIAL_PAUSE,
        }
        if reset_at is not None:
            until = deadline_at(self._clock, reset_at)
        else:
            until = deadline_in(self._clock, pauses.get(reason, RATE_LIMIT_PAUSE))
        event = "turn_failed" if reason == "credential" else "rate_limited"
        await self._hold(agent_id, Hold(reason, until, detail), event)

    async def _hold(self, agent_id: int, hold: Hold, event: str) -> None:
        def change(tx: Transaction) -> None:
            agent = require(tx.agents.get(agent_id))
            fresh = agent.hold is None or agent.hold.reason != hold.reason
            tx.agents.save(replace(agent, hold=hold))
            facts = {
                "agent": agent.name,
                "reason": hold.reason,
                "until": iso(hold.until.wall) if hold.until else None,
                "detail": hold.detail[:500],
            }
            tx.events.append("agent", agent.name, {"hold": facts}, self._clock.now())
            if fresh:
                notify_manager(tx, self._clock, agent.name, event, facts)

        # On a full disk too: without the hold the messages would be blamed for the refusal.
        await self._store.write(change, essential=True)
