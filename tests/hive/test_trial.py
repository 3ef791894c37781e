"""What was built is tried: it comes up, or what ran before is back with its settings."""

import asyncio
import logging
from typing import Any

import pytest

from hyperhive.hive import deploy_ends, health_gate
from hyperhive.hive.deploy_rows import Deploy
from hyperhive.hive.policy import AgentPolicy
from hyperhive.protocol.errors import Unavailable
from tests.hive.building import SECONDS, SICK, Built, declared, quiet
from tests.hive.conftest import MakeBuilt
from tests.support.wait import let_time_pass, wait_for

MiB = 2**20


def anew(text: str = "two", **settings: Any) -> AgentPolicy:
    return declared(text, settings=settings, apply="always")


async def first(built: Built) -> Deploy:
    async with built.serving():
        deploy = await built.over()
        await built.becomes("idle")
        await built.keeps(running=bundle(deploy))
    return deploy


def bundle(deploy: Deploy) -> str:
    assert deploy.built is not None
    return deploy.built.bundle


async def is_back(built: Built, before: Deploy, failed: Deploy, why: str) -> None:
    assert (failed.state, failed.error, failed.previous) == ("rolled_back", why, before.id)
    assert await built.tagged(f"failed/{failed.id}") == failed.commit
    await built.keeps(running=bundle(before))
    assert await built.main() == before.commit
    agent = await built.agent("alice")
    assert before.built is not None
    assert (agent.deploy, agent.bundle) == (before.id, bundle(before))
    assert agent.settings == before.built.settings
    told = await built.hear("manager", "rolled_back")
    assert (told["ok"], told["note"], told["deploy"]) == (False, why, failed.id)


# --- what comes up ---


async def test_another_system_is_started_in_place_of_the_old(built: Built) -> None:
    before = await first(built)
    await built.redeclare(alice=anew("two"))
    async with built.serving():
        deploy = await built.over(1)
        assert (deploy.state, deploy.previous) == ("done", before.id)
        await built.becomes("idle")
        assert await built.bundle() == bundle(deploy) != bundle(before)
        await built.keeps(running=bundle(deploy), previous=bundle(before))
    assert built.runtime.history == ["start alice-1", "stop alice-1", "start alice-2"]
    assert await built.main() == deploy.commit
    assert await built.tagged(f"deployed/{deploy.id}") == deploy.commit
    assert await built.events("crash") == []


async def test_new_settings_alone_restart_nothing(built: Built) -> None:
    await first(built)
    await built.redeclare(alice=anew("one", prompt="sing", model="small"))
    async with built.serving():
        deploy = await built.over(1)
        assert (deploy.state, deploy.operation_id) == ("done", None)
        shown = await built.becomes("idle")
    assert built.runtime.history == ["start alice-1"]
    assert (shown["settings"]["prompt"], shown["model"]) == ("sing", "claude-small-1")
    assert (await built.agent("alice")).bundle == bundle(deploy)


async def test_new_limits_restart_it(built: Built) -> None:
    await first(built)
    await built.redeclare(alice=anew("one", limits={"memoryMax": 512 * MiB}))
    async with built.serving():
        assert (await built.over(1)).state == "done"
        shown = await built.becomes("idle")
    assert built.runtime.history[1:] == ["stop alice-1", "start alice-2"]
    assert shown["limits"]["memory_max"] == 512 * MiB


async def test_what_cannot_take_settings_over_is_restarted_with_them(built: Built) -> None:
    """New settings are to mend it, and a harness that is not fit would not be so in time."""
    await first(built)
    await built.redeclare(alice=anew("two", prompt="sick"))
    await built.save("alice", quarantined="too many crashes")
    async with built.serving():
        assert (await built.over(1)).state == "rolled_back"
    await built.save("alice", quarantined="too many crashes")
    await built.redeclare(alice=anew("one", prompt="well"))
    async with built.serving():
        deploy = await built.over(2)
        assert deploy.state == "done"
        assert deploy.operation_id is not None
        assert (await built.agent("alice")).quarantined is None


# --- what does not ---


async def test_one_that_cannot_be_started_is_put_back(built: Built) -> None:
    before = await first(built)
    await built.redeclare(alice=anew())
    built.runtime.refusals["start"] = "no such file"
    async with built.serving():
        failed = await built.over(1)
        built.runtime.refusals.clear()
        await is_back(built, before, failed, "no such file")
        await built.becomes("idle")
        assert await built.bundle() == bundle(before)


TROUBLE = [
    ("sick", SICK),
    ("dies", "it ended as soon as it ran: crash, exit 7"),
    ("silent", "not healthy within 1 s"),
]


@pytest.mark.parametrize(("prompt", "why"), TROUBLE)
async def test_one_that_is_not_healthy_is_put_back(built: Built, prompt: str, why: str) -> None:
    before = await first(built)
    await built.send("manager", "alice", "wake up")
    await built.redeclare(alice=anew(prompt=prompt, healthTimeout=1))
    async with built.serving():
        failed = await built.over(1)
        await is_back(built, before, failed, why)
        await built.becomes("idle")
        assert await built.bundle() == bundle(before)
    assert [d.attempt for d in await built.inbox("alice")] == [1]
    assert (await built.agent("alice")).quarantined is None


@pytest.mark.parametrize(("prompt", "why"), TROUBLE)
async def test_a_first_one_that_is_not_healthy_runs_no_longer(
    make_built: MakeBuilt, prompt: str, why: str
) -> None:
    settings = {"prompt": prompt, "healthTimeout": 1}
    built = await make_built(declared=quiet(alice=declared(settings=settings)))
    async with built.serving():
        failed = await built.over()
        assert (failed.state, failed.error) == ("failed", why)
        shown = await built.becomes("not built")
        assert shown["problem"] == why
        await wait_for(lambda: "alice" not in built.runtime.runs, SECONDS)
        assert await built.tagged(f"failed/{failed.id}") == failed.commit
        await built.keeps()
        told = await built.hear("manager", "rebuilt")
        assert (told["ok"], told["note"]) == (False, why)
    assert await built.main() is None
    await built.redeclare(alice=declared("two"))  # the operator mends it
    async with built.serving():
        deploy = await built.over(1)
        assert (deploy.state, deploy.previous) == ("done", None)
        await built.becomes("idle")
    assert await built.main() == deploy.commit


async def test_nothing_is_leased_before_it_is_healthy(built: Built) -> None:
    await first(built)
    await built.send("manager", "alice", "wake up")
    await built.redeclare(alice=anew(prompt="silent"))
    async with built.serving():
        await built.reached("starting", 1)
        await wait_for(lambda: "alice-2" in built.runtime.bundles, SECONDS)
        await built.connect("alice", "instance-alice-2", fit=False)
        assert await built.bodies("alice", instance="instance-alice-2") == []
        assert await built.bodies("alice", instance="instance-alice-1") == []
        await built.connect("alice", "instance-alice-2")
        assert await built.bodies("alice", "turn-2", "instance-alice-2") == ["wake up"]


async def test_settings_that_are_not_taken_over_are_taken_back(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_gate, "LIVE_SECONDS", 0.3)
    before = await first(built)
    await built.redeclare(alice=anew("one", prompt="deaf"))
    async with built.serving():
        failed = await built.over(1)
        await is_back(built, before, failed, "not healthy within 0.3 s")
        await built.becomes("idle")
    assert built.runtime.history == ["start alice-1"]


async def test_settings_that_make_it_unfit_are_taken_back(built: Built) -> None:
    before = await first(built)
    await built.redeclare(alice=anew("one", prompt="sick"))
    async with built.serving():
        await is_back(built, before, await built.over(1), SICK)
        await built.becomes("idle")
    assert built.runtime.history == ["start alice-1"]


async def test_one_that_is_stopped_while_it_is_tried_stays_so(built: Built) -> None:
    before = await first(built)
    await built.redeclare(alice=anew(prompt="silent"))
    async with built.serving():
        await built.reached("starting", 1)
        await wait_for(lambda: "alice-2" in built.runtime.bundles, SECONDS)
        await built.hive.agents.kill("alice")
        failed = await built.over(1)
        await is_back(built, before, failed, "it was stopped before it was healthy")
        await built.becomes("stopped")
        assert "alice" not in built.runtime.runs


@pytest.mark.parametrize("purge", [False, True])
async def test_one_that_is_removed_while_it_is_tried_is_over(
    built: Built, caplog: pytest.LogCaptureFixture, purge: bool
) -> None:
    await first(built)
    await built.redeclare(alice=anew(prompt="silent"), bob=declared())
    async with built.serving():
        await built.reached("starting", 1)
        await built.hive.agents.destroy("alice", purge)
        failed = await built.over(1)
        assert (failed.state, failed.error) == ("failed", "alice was removed")
        await built.hear("manager", "destroyed")
        assert (await built.over(0, "bob")).state == "done"  # and nothing holds up the others
    assert ("alice" in built.builds.kept) is not purge
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


# --- what goes wrong around it ---


async def test_what_cannot_be_recorded_is_put_back(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy_ends, "RETRY_SECONDS", 0.01)
    before = await first(built)

    async def refuse(*_: object) -> None:
        raise Unavailable("git hangs")

    assert built.workshop is not None
    monkeypatch.setattr(built.workshop[0], "settle", refuse)
    await built.redeclare(alice=anew())
    async with built.serving():
        why = "it was healthy, but not recorded: git hangs"
        await is_back(built, before, await built.over(1), why)
        await wait_for(lambda: built.runtime.bundles.get("alice-3") == bundle(before), SECONDS)


async def test_what_is_recorded_at_another_try_is_done(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy_ends, "RETRY_SECONDS", 0.01)
    assert built.workshop is not None
    configs = built.workshop[0]
    settle, refusals = configs.settle, iter(range(2))

    async def refuse_twice(agent: str, deploy: int, commit: str) -> None:
        if next(refusals, None) is not None:
            raise Unavailable("git hangs")
        await settle(agent, deploy, commit)

    monkeypatch.setattr(configs, "settle", refuse_twice)
    async with built.serving():
        assert (await built.over()).state == "done"
    assert next(refusals, None) is None


async def test_what_nobody_expected_puts_it_back(
    built: Built, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = await first(built)

    async def refuse(*_: object) -> None:
        raise ZeroDivisionError

    assert built.workshop is not None
    monkeypatch.setattr(built.workshop[0], "settle", refuse)
    await built.redeclare(alice=anew())
    async with built.serving():
        why = "unexpected error; see the log of the service"
        await is_back(built, before, await built.over(1), why)
    assert [r.getMessage() for r in caplog.records if r.exc_info] == ["deploy 2: unexpected error"]
    caplog.clear()


# --- a service that ends in the middle ---


async def test_the_next_service_waits_for_it_to_be_healthy(built: Built) -> None:
    await first(built)
    await built.redeclare(alice=anew())
    async with built.alive():  # no harness: nobody says that it is healthy
        await built.reached("starting", 1)
        await wait_for(lambda: "alice" in built.runtime.runs, SECONDS)
    await built.again()
    async with built.serving():
        deploy = await built.over(1)
        assert deploy.state == "done"
        await built.becomes("idle")
        assert await built.bundle() == bundle(deploy)
    assert built.runtime.history.count("start alice-2") == 1
    assert await built.main() == deploy.commit


async def test_the_next_service_puts_it_back(built: Built) -> None:
    before = await first(built)
    await built.redeclare(alice=anew(prompt="sick"))
    async with built.alive():
        await built.reached("starting", 1)
    await built.again()
    async with built.serving():
        await is_back(built, before, await built.over(1), SICK)
        await built.becomes("idle")
        assert await built.bundle() == bundle(before)


async def test_the_next_service_records_what_was_settled(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = asyncio.Event()
    assert built.workshop is not None
    settle = built.workshop[0].settle

    async def settle_and_die(agent: str, deploy: int, commit: str) -> None:
        await settle(agent, deploy, commit)
        settled.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(built.workshop[0], "settle", settle_and_die)
        async with built.serving():
            await asyncio.wait_for(settled.wait(), SECONDS)
    (deploy,) = await built.deploys()
    assert (deploy.state, await built.main()) == ("starting", deploy.commit)
    await built.again()
    async with built.serving():
        assert (await built.over()).state == "done"
    assert built.runtime.history == ["start alice-1"]


async def test_a_service_that_ends_deploys_nothing_anew(built: Built) -> None:
    await first(built)
    for _ in range(2):
        await built.again()
        async with built.serving():
            await built.becomes("idle")
            await let_time_pass(0.2)
    assert await built.kinds() == ["declare done"]
    assert built.runtime.history == ["start alice-1"]
