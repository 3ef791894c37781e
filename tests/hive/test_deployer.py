"""A deploy from its order to the bundle: step by step, in its turn, and to an end in any case."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hyperhive.hive import deployer
from hyperhive.hive.deploy_rows import Deploy
from hyperhive.hive.ports import Transaction
from hyperhive.hive.trial import Trial
from hyperhive.protocol.errors import Busy, Conflict, Unavailable
from tests.hive.building import Built, declared, quiet
from tests.hive.conftest import MakeBuilt
from tests.hive.moves import (
    Gate,
)
from tests.support.wait import wait_for

# --- what comes up ---


async def test_a_first_deploy_comes_up(make_built: MakeBuilt) -> None:
    settings = {"prompt": "sing", "allowedBash": ["git *"]}
    built = await make_built(declared=quiet(alice=declared(settings=settings)))
    assert (await built.shown())["state"] == "not built"
    async with built.serving():
        deploy = await built.over()
        assert (deploy.state, deploy.kind, deploy.actor) == ("done", "declare", "system")
        assert (deploy.error, deploy.previous) == ("", None)
        assert deploy.built is not None
        await built.keeps(running=deploy.built.bundle)
        assert await built.bundle() == deploy.built.bundle
        assert await built.main() == deploy.commit
        assert await built.tagged(f"deployed/{deploy.id}") == deploy.commit
        shown = await built.becomes("idle")
    assert shown["settings"]["prompt"] == "sing"
    assert (await built.agent("alice")).settings.allowed_bash == ("git *",)
    assert (shown["deploy"], shown["deploying"], shown["built"]) == (deploy.id, None, True)
    assert (shown["needs_update"], shown["settings_version"]) == (False, 2)
    (told,) = [t for t in await built.told("manager") if t["event"] == "rebuilt"]
    assert told == {
        "event": "rebuilt",
        "agent": "alice",
        "ok": True,
        "deploy": deploy.id,
        "sha": deploy.commit,
        "tag": f"deployed/{deploy.id}",
        "note": "",
    }
    states = [e.data["state"] for e in await built.events("deploy")]
    assert states == ["queued", "evaluating", "building", "starting", "done"]
    assert built.runtime.history == ["start alice-1"]


async def test_while_it_is_built_nothing_runs(built: Built) -> None:
    gate = Gate(built, "build alice")
    async with built.serving():
        await gate.reached.wait()
        shown = await built.shown()
        assert (shown["state"], shown["deploying"]["state"]) == ("building", "building")
        with pytest.raises(Conflict, match="nothing was built for alice"):
            await built.hive.agents.start("alice")
        assert "alice" not in built.runtime.runs
        gate.opened.set()
        assert (await built.over()).state == "done"


async def test_one_that_is_to_be_stopped_is_built_and_not_started(make_built: MakeBuilt) -> None:
    built = await make_built(declared=quiet(alice=declared(auto_start=False)))
    async with built.serving():
        deploy = await built.over()
        assert (deploy.state, deploy.operation_id) == ("done", None)
        assert "alice" not in built.runtime.runs
        await built.hive.agents.start("alice")
        await built.becomes("idle")
    assert deploy.built is not None
    assert await built.bundle() == deploy.built.bundle


# --- what does not come so far ---


FAILURES = [
    ("throw no such option", {}, "error: no such option"),
    ("broken by the compiler", {}, "error: by the compiler"),
    ("one", {"model": "unheard-of"}, "model: 'unheard-of' is not a known model; known are "),
    ("one", {"fallbackModel": "unheard-of"}, "fallbackModel: 'unheard-of' is not a known model"),
]


@pytest.mark.parametrize(("text", "settings", "error"), FAILURES)
async def test_a_first_one_that_fails_leaves_it_not_built(
    make_built: MakeBuilt, text: str, settings: dict[str, str], error: str
) -> None:
    built = await make_built(declared=quiet(alice=declared(text, settings=settings)))
    async with built.serving():
        deploy = await built.over()
        assert deploy.state == "failed"
        assert deploy.error.startswith(error)
        assert await built.tagged(f"failed/{deploy.id}") == deploy.commit
        await built.keeps()
        shown = await built.becomes("not built")
        assert shown["problem"] == deploy.error
        told = await built.hear("manager", "rebuilt")
        assert (told["ok"], told["note"]) == (False, deploy.error)
    assert await built.main() is None
    assert "alice" not in built.runtime.runs


@pytest.mark.parametrize(("text", "settings", "error"), FAILURES)
async def test_another_that_fails_changes_nothing(
    built: Built, text: str, settings: dict[str, str], error: str
) -> None:
    async with built.serving():
        first = await built.over()
    before = await built.agent("alice")
    await built.redeclare(alice=declared(text, settings=settings, apply="always"))
    async with built.serving():
        second = await built.over(1)
        assert second.state == "failed"
        assert second.error.startswith(error)
        assert await built.tagged(f"failed/{second.id}") == second.commit
        assert first.built is not None
        await built.keeps(running=first.built.bundle)
    after = await built.agent("alice")
    assert (after.deploy, after.settings, after.bundle) == (
        before.deploy,
        before.settings,
        before.bundle,
    )
    assert await built.main() == first.commit
    assert built.runtime.history == ["start alice-1"]


async def test_what_nobody_expected_fails_one_deploy(
    make_built: MakeBuilt, caplog: pytest.LogCaptureFixture
) -> None:
    built = await make_built(declared=quiet(alice=declared(), bob=declared()))

    async def step(name: str) -> None:
        if name == "build alice":
            raise ZeroDivisionError

    built.builds.step = step
    async with built.serving():
        deploy = await built.over()
        assert deploy.error == "unexpected error; see the log of the service"
        assert (await built.over(0, "bob")).state == "done"
    (record,) = [r for r in caplog.records if r.exc_info]
    assert record.getMessage() == f"deploy {deploy.id}: unexpected error"
    caplog.clear()


async def test_what_cannot_be_reached_fails_it_with_its_word(built: Built) -> None:
    async def step(_: str) -> None:
        raise Unavailable("systemd does not answer")

    built.builds.step = step
    async with built.serving():
        assert (await built.over()).error == "systemd does not answer"


async def test_a_store_that_refuses_is_asked_again(
    built: Built, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deployer, "RETRY_SECONDS", 0.01)
    gate, write, refusals = Gate(built, "build alice"), built.database.write, iter(range(3))

    async def refuse(change: Callable[[Transaction], Any], **how: bool) -> Any:
        if next(refusals, None) is not None:
            raise Busy("the database is locked")
        return await write(change, **how)

    async with built.serving():
        await gate.reached.wait()
        monkeypatch.setattr(built.database, "write", refuse)
        gate.opened.set()
        assert (await built.over()).state == "done"
    assert "the database is locked; trying again" in caplog.text
    assert next(refusals, None) is None


# --- cancelling ---


@pytest.mark.parametrize("step", ["evaluate", "build"])
async def test_cancelling_ends_what_goes_on(built: Built, step: str) -> None:
    gate = Gate(built, f"{step} alice")
    assert built.hive.deploying is not None
    async with built.serving():
        await gate.reached.wait()
        (deploy,) = await built.deploys()
        await built.hive.deploying.deploys.cancel(deploy.id)
        await wait_for(lambda: gate.left == [f"{step} alice"])
        over = await built.over()
        assert (over.state, over.error) == ("cancelled", "cancelled by the operator")
        built.builds.step = lambda _: asyncio.sleep(0)
        await built.hive.deploying.deploys.update("alice")  # the same commit once more
        again = await built.over(1)
        assert (again.state, again.commit) == ("done", deploy.commit)
    assert f"{step} alice" in built.builds.history


async def test_the_manager_is_last_and_others_go_in_their_order(make_built: MakeBuilt) -> None:
    agents = {name: declared() for name in ("carol", "alice", "bob")}
    manager = declared(of=quiet()["manager"])
    built = await make_built(declared={"manager": manager, **agents})
    async with built.serving():
        for name in ("manager", *agents):
            assert (await built.over(0, name)).state == "done"
    built.builds.host = "host-2"
    built.builds.history.clear()
    await built.again()
    assert built.hive.deploying is not None
    orders = built.hive.deploying.deploys
    await orders.update_all()
    queue = await built.read(orders.queue)
    assert [d.agent for d in queue] == ["alice", "bob", "carol", "manager"]
    await orders.cancel(queue[1].id)
    async with built.serving():
        assert (await built.over(1, "manager")).state == "done"
    assert await built.kinds("bob") == ["declare done", "update cancelled"]
    built_now = [step for step in built.builds.history if step.startswith("build")]
    assert built_now == ["build alice", "build carol", "build manager"]
    assert (await built.hear("operator", "rebuilt"))["agent"] == "manager"


async def test_a_deploy_that_nobody_can_carry_out_lets_others_pass(
    make_built: MakeBuilt, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours, which is logged and tried again after them."""
    monkeypatch.setattr(deployer, "RETRY_SECONDS", 0.01)
    built = await make_built(declared=quiet(alice=declared(), bob=declared()))
    carry_through = Trial.carry_through

    async def fail_for_alice(self: Trial, deploy: Deploy) -> None:
        if deploy.agent == "alice":
            raise KeyError("a fault")
        await carry_through(self, deploy)

    with monkeypatch.context() as patch:
        patch.setattr(Trial, "carry_through", fail_for_alice)
        async with built.serving():
            assert (await built.over(name="bob")).state == "done"
            assert (await built.reached("starting")).state == "starting"
    caplog.clear()
    async with built.serving():
        assert (await built.over()).state == "done"
