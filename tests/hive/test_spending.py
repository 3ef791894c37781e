"""Money in millionths, budgets, and the holds that follow from refusals."""

from typing import Any

import pytest

from hyperhive.hive.policy import AgentPolicy, Model, Prices
from hyperhive.hive.records import Budget, Hold, Usage
from hyperhive.hive.spending import Admission
from hyperhive.protocol.bundle import AgentSettings, Egress
from hyperhive.protocol.errors import BudgetExhausted, Forbidden, PolicyRefused
from tests.hive.conftest import MakeWorld
from tests.hive.world import BIG, MANAGER, SMALL, WORKER, World
from tests.store.given import START

DAY = 86_400.0


async def admit(world: World, model: str = BIG, name: str = "bob") -> Admission:
    return await world.hive.spending.admit(await world.id(name), model)


async def spend(world: World, name: str = "bob", **tokens: int) -> None:
    await world.hive.spending.record(await admit(world, name=name), Usage(**tokens))


async def today(world: World, day: str = "2023-11-14") -> Usage:
    bob = await world.id("bob")
    return await world.read(lambda tx: tx.usage.day(bob, day))


async def make_poor(make_world: MakeWorld, name: str = "bob", **budget: Any) -> World:
    """A world in which this agent has a budget."""
    agents = {"manager": MANAGER, "alice": WORKER, "bob": WORKER}
    poor = AgentPolicy(role=agents[name].role, budget=Budget(**budget))
    return await make_world(declared={**agents, name: poor})


async def begin_turn(world: World, turn: str) -> None:
    await world.send("alice", "bob")
    await world.connect("bob")
    await world.begin("bob", turn)


# --- what is used ---


async def test_prices_are_dollars_per_million_tokens(world: World) -> None:
    await spend(
        world,
        input_tokens=1_000,
        output_tokens=200,
        cache_read_tokens=10_000,
        cache_write_tokens=400,
    )
    used = await today(world)
    assert used.micro_usd == 1_000 * 3 + 200 * 15 + 10_000 * 0.3 + 400 * 3.75
    assert (used.tokens, used.requests) == (11_600, 1)


async def test_sums_are_exact_however_many_requests(world: World) -> None:
    for _ in range(100):
        await spend(world, input_tokens=1, cache_read_tokens=10)
    used = await today(world)
    assert (used.micro_usd, used.requests) == (600, 100)


async def test_what_a_turn_used_is_the_turns_and_the_days(world: World) -> None:
    await begin_turn(world, "turn-one")
    await spend(world, input_tokens=1_000)
    await world.end("bob")
    await spend(world, input_tokens=500)
    turn = await world.read(lambda tx: tx.usage.turn("turn-one"))
    assert (turn.micro_usd, (await today(world)).micro_usd) == (3_000, 4_500)


async def test_what_is_used_after_midnight_is_the_next_days(world: World) -> None:
    admission = await admit(world)
    world.clock.pass_by(DAY - START % DAY)
    await world.hive.spending.record(admission, Usage(input_tokens=1))
    assert (await today(world)).requests == 0
    assert (await today(world, "2023-11-15")).requests == 1


# --- models ---


async def test_the_accepted_models_are_admitted(world: World) -> None:
    for model in (BIG, SMALL):
        assert (await admit(world, model)).model.id == model
    for model in ("claude-other-1", "unheard-of", "x" * 500):
        with pytest.raises(PolicyRefused, match=f"allowed now: {BIG}, {SMALL}"):
            await admit(world, model)


async def test_an_override_is_admitted_and_what_it_replaced_until_the_turn_ends(
    world: World,
) -> None:
    await begin_turn(world, "turn-one")
    await world.hive.agents.set_model("bob", "other")
    for model in ("claude-other-1", BIG):
        await admit(world, model)
    await world.end("bob")
    with pytest.raises(PolicyRefused):
        await admit(world, BIG)


async def test_the_policy_for_the_models_side_goes_along(make_world: MakeWorld) -> None:
    fetching = AgentPolicy(settings=AgentSettings(egress=Egress(model_side=("web_fetch",))))
    world = await make_world(declared={"manager": MANAGER, "bob": fetching})
    assert (await admit(world)).model_side == ("web_fetch",)
    assert (await admit(world, name="manager")).model_side == ()


async def test_who_is_gone_is_not_admitted(world: World) -> None:
    await world.hive.agents.destroy("bob", purge=False)
    with pytest.raises(Forbidden):
        await admit(world)


# --- budgets ---


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        ({"usd_per_day": 0.003}, r"\$0\.00 a day"),
        ({"tokens_per_day": 1_000}, "1,000 tokens a day"),
    ],
    ids=str,
)
async def test_a_days_budget_holds_the_inbox_until_midnight(
    make_world: MakeWorld, budget: dict[str, Any], why: str
) -> None:
    world = await make_poor(make_world, **budget)
    await spend(world, input_tokens=999)
    await spend(world, input_tokens=1)
    for _ in range(3):
        with pytest.raises(BudgetExhausted, match=why):
            await admit(world)
    hold = (await world.agent("bob")).hold
    assert hold is not None
    assert (hold.reason, hold.until) == ("budget", world.clock.within(DAY - START % DAY))
    (told,) = await world.told("manager")
    assert (told["event"], told["agent"], told["reason"]) == ("budget_exhausted", "bob", "budget")
    assert told["until"] == "2023-11-15T00:00:00.000Z"
    await begin_nothing(world)
    world.clock.pass_by(DAY - START % DAY)
    await admit(world)
    assert await world.bodies("bob") == ["hello"]


async def begin_nothing(world: World) -> None:
    await world.send("alice", "bob")
    await world.connect("bob")
    assert (await world.begin("bob"))["messages"] == []


async def test_the_budget_of_a_turn_fails_the_turn_and_no_more(make_world: MakeWorld) -> None:
    world = await make_poor(make_world, usd_per_turn=0.003)
    await begin_turn(world, "turn-one")
    await spend(world, input_tokens=1_000)
    with pytest.raises(BudgetExhausted, match="a turn is used up"):
        await admit(world)
    assert (await world.agent("bob")).hold is None
    assert await world.end("bob", "failed", error="402") == "failed"
    assert await world.states("bob") == ["hello: accepted 2"]
    await admit(world)


async def test_what_no_turn_can_afford_becomes_a_dead_letter(make_world: MakeWorld) -> None:
    world = await make_poor(make_world, usd_per_turn=0.003)
    await world.send("alice", "bob")
    await world.connect("bob")
    for n in range(20):
        turn = f"turn-{n:03}"
        if not await world.bodies("bob", turn):
            break
        await spend(world, input_tokens=1_000)
        await world.end("bob", "failed", turn)
        world.clock.pass_by(601)
    assert await world.states("bob") == ["hello: dead 5"]
    spent = sum([(await today(world, f"2023-11-{day}")).micro_usd for day in (14, 15)])
    assert spent == 5 * 3_000


async def test_the_managers_budget_is_told_to_the_operator(make_world: MakeWorld) -> None:
    world = await make_poor(make_world, "manager", tokens_per_day=1)
    await spend(world, "manager", input_tokens=1)
    with pytest.raises(BudgetExhausted):
        await admit(world, name="manager")
    assert (await world.told_last("operator"))["event"] == "budget_exhausted"


async def test_each_agent_has_a_budget_of_its_own(make_world: MakeWorld) -> None:
    world = await make_poor(make_world, tokens_per_day=1)
    await spend(world, "alice", input_tokens=1_000_000)
    await admit(world)


async def test_no_price_costs_nothing(make_world: MakeWorld) -> None:
    world = await make_world(models={"big": Model(BIG, Prices())}, helper_model=None)
    await spend(world, input_tokens=10**9)
    assert (await today(world)).micro_usd == 0


# --- refusals of the model's side ---


@pytest.mark.parametrize(
    ("reason", "reset", "seconds", "event"),
    [
        ("rate_limited", 1_000, 1_000, "rate_limited"),
        ("rate_limited", None, 60, "rate_limited"),
        ("overloaded", None, 60, "rate_limited"),
        ("unreachable", None, 60, "rate_limited"),
        ("credential", None, 300, "turn_failed"),
        ("rate_limited", -5_000, 0, "rate_limited"),
    ],
)
async def test_a_refusal_holds_the_inbox_for_its_time(
    world: World, reason: Any, reset: float | None, seconds: float, event: str
) -> None:
    at = None if reset is None else world.clock.now() + reset
    await world.hive.spending.upstream_refused(await world.id("bob"), reason, at, "x" * 5_000)
    hold = (await world.agent("bob")).hold
    assert hold == Hold(reason, world.clock.within(seconds), "x" * 5_000)
    (told,) = await world.told("manager")
    assert (told["event"], told["agent"], told["reason"]) == (event, "bob", reason)
    assert len(told["detail"]) == 500


async def test_refusals_in_a_row_are_told_once(world: World) -> None:
    bob = await world.id("bob")
    for _ in range(3):
        await world.hive.spending.upstream_refused(bob, "rate_limited", None, "429")
        await world.recv("manager")
    assert len(await world.told("manager")) == 1
