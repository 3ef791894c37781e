"""What the host does not let go to the model: other models, spent budgets, refused bodies."""

from pathlib import Path

import pytest

from hyperhive.hive.records import Usage
from tests.gateway.asking import BODY, KEY, ask, held, used
from tests.gateway.world import BIG, OTHER, SMALL, World, may_fetch, policy, poor, running

# --- which model, and what it costs ---


async def test_only_the_models_in_force(world: World) -> None:
    for model in (BIG, SMALL):  # its own, and the helper
        assert (await ask(world, BODY | {"model": model})).status == 200
    for model in (OTHER, "other", "unknown", "", "x" * 10_000):
        answer = await ask(world, BODY | {"model": model})
        assert (answer.status, answer.error["type"]) == (402, "invalid_request_error")
        assert (
            "is not allowed for alice; allowed now: claude-big-1, claude-small-1"
            in (answer.error["message"])
        )
        assert answer.headers["x-should-retry"] == "false"
    assert len(world.upstream.seen) == 2
    await world.hive.agents.set_model("alice", "other")
    assert (await ask(world, BODY | {"model": OTHER})).status == 200
    assert (await ask(world)).status == 402


async def test_the_models_of_a_turn_hold_until_it_ends(world: World) -> None:
    await world.client("bob").call("send", to="alice", body="work", key="k1")
    async with world.client("alice").link("instance-x") as link:
        await link.call("self_check", ok=True)
        await link.call("turn_begin", turn="turn-0001")
        await world.hive.agents.set_model("alice", "other")
        assert (await ask(world)).status == 200
        await link.call("turn_end", turn="turn-0001", result="clean")
        assert (await ask(world)).status == 402


@pytest.mark.parametrize("budget", [{"usd_per_day": 0.0003}, {"tokens_per_day": 25}])
async def test_a_days_budget(tmp_path: Path, socket_dir: Path, budget: dict[str, float]) -> None:
    rules = policy(alice=poor(**budget))
    async with running(tmp_path, socket_dir, rules) as world:
        assert (await ask(world)).status == 200
        answer = await ask(world)
        assert (answer.status, answer.error["type"]) == (402, "invalid_request_error")
        assert "a day is used up" in answer.error["message"]
        assert answer.headers["x-should-retry"] == "false"
        hold = await held(world)
        assert hold is not None
        assert hold[0] == "budget"
        assert len(world.upstream.seen) == 1
        world.clock.pass_by(86_400)
        assert (await ask(world)).status == 200


# --- what must not go upstream ---


async def test_refusals_are_shown_once_and_reach_nobody(world: World) -> None:
    for more, word in (
        ({"mcp_servers": [{"url": "https://evil"}]}, "mcp_servers"),
        ({"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}, "web_fetch"),
        ({"messages": [{"content": [{"type": "image", "source": {"type": "url"}}]}]}, "url"),
    ):
        answer = await ask(world, BODY | more)
        assert (answer.status, answer.error["type"]) == (402, "invalid_request_error")
        assert answer.headers["x-should-retry"] == "false"
        assert repr(word) in answer.error["message"]
    answer = await ask(world, headers=KEY | {"anthropic-beta": "files-api-2025-04-14"})
    assert answer.status == 402
    assert world.upstream.seen == []
    assert await used(world) == Usage()


async def test_what_the_policy_lists_may_go(tmp_path: Path, socket_dir: Path) -> None:
    body = BODY | {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}
    async with running(tmp_path, socket_dir, policy(alice=may_fetch("web_fetch"))) as world:
        headers = KEY | {"anthropic-beta": "web-fetch-2025-09-10"}
        assert (await ask(world, body)).status == 200
        assert (await ask(world, body, name="bob")).status == 402
        assert (await ask(world, body, headers=headers)).status == 402  # another word


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b"\xef\xbb\xbf{}", 400),
        (b'{"model": "a", "model": "b"}', 400),
        (b'{"model": "a", "mo\\u0064el": "b"}', 400),
        (b'{"model": NaN}', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100_000, 400),
        (b'{"model": 1}', 400),
        (b'{"model": "claude-big-1", "messages": 1}', 400),
        (b"[" + b"{}," * 600_000 + b"{}]", 413),
        (b'{"model": "' + b"x" * 33 * 1024 * 1024 + b'"}', 413),
        (b"9" * 100_000, 400),
    ],
    ids=range(15),
)
async def test_bodies_that_are_none(world: World, data: bytes, status: int) -> None:
    answer = await ask(world, data)
    assert answer.status == status
    assert answer.error["type"] in ("invalid_request_error", "request_too_large")
    assert answer.headers["x-should-retry"] == "false"
    assert world.upstream.seen == []


async def test_large_bodies_and_odd_numbers_pass(world: World) -> None:
    """What tools are called with is the model's and the agent's own business."""
    numbers = {"big": 10**30, "small": -(2**63), "float": 1e300}
    uses = [{"type": "tool_use", "id": "t", "name": "x", "input": numbers}] * 500
    text = [{"type": "text", "text": "x" * 5_000_000}]
    body = BODY | {"messages": [{"role": "assistant", "content": uses + text}]}
    assert (await ask(world, body)).status == 200
    assert world.upstream.seen[0].body == body
