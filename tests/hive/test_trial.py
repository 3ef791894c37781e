"""What was built is tried: it comes up, or what ran before is back with its settings."""

import logging

import pytest

from hyperhive.hive import health_gate
from tests.hive.building import SECONDS, SICK, Built, declared, quiet
from tests.hive.conftest import MakeBuilt
from tests.hive.moves import anew, bundle, first, is_back
from tests.support.wait import wait_for

MiB = 2**20


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


async def test_one_that_runs_from_something_else_is_put_back(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where somebody restarted it by hand at just that moment."""
    before = await first(built)
    await built.redeclare(alice=anew())
    wrong = "/nix/store/another"
    started_from = built.runtime.started_from

    def other(agent: str, invocation: str) -> str | None:
        return wrong if invocation == "alice-2" else started_from(agent, invocation)

    monkeypatch.setattr(built.runtime, "started_from", other)
    async with built.serving():
        failed = await built.over(1)
        assert failed.built is not None
        why = f"it was started from {wrong} instead of {failed.built.bundle}"
        await is_back(built, before, failed, why)
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


async def test_nothing_is_leased_before_new_settings_are_found_fit(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_gate, "LIVE_SECONDS", 1.0)
    before = await first(built)
    await built.redeclare(alice=anew("one", prompt="deaf"))
    async with built.serving():
        await built.reached("starting", 1)
        await built.send("manager", "alice", "wake up")
        assert await built.bodies("alice", instance="instance-alice-1") == []
        await is_back(built, before, await built.over(1), "not healthy within 1 s")
        assert await built.bodies("alice", "turn-2", "instance-alice-1") == ["wake up"]


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


async def test_one_that_is_revived_runs_from_what_came_up(built: Built) -> None:
    before = await first(built)
    await built.redeclare(alice=anew(prompt="silent"))
    async with built.serving():
        await built.reached("starting", 1)
        await built.hive.agents.destroy("alice", purge=False)
        await built.over(1)
        await built.hear("manager", "destroyed")
        assert (await built.agent("alice")).deploy == before.id
        await built.hive.agents.revive("alice")
        await wait_for(lambda: "alice" in built.runtime.runs, SECONDS)
        assert await built.bundle() == bundle(before)
