"""Jobs as systemd may run them, and hints."""

from __future__ import annotations

import asyncio
import time

import pytest

from hyperhive.nspawn import jobs
from hyperhive.nspawn.failures import Denied, NoAnswer, NoSuch
from hyperhive.nspawn.jobs import run_job, unit_path
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.nspawn.units import Units, agent_of, agent_unit, purge_unit
from hyperhive.protocol.errors import InvalidField, Unavailable
from tests.nspawn.private_bus import ALICE, Control, PrivateBus
from tests.support.wait import wait_for

HOSTILE = ["", "..", "a/b", "a\n", "A", "alice.service", "a@b", "%n", "-a", "a" * 21, "operator"]


@pytest.fixture
def units(bus: LastingBus, monkeypatch: pytest.MonkeyPatch) -> Units:
    monkeypatch.setattr(jobs, "LOOK_AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(jobs, "BEGIN_SECONDS", 0.5)
    return Units(bus)


@pytest.mark.parametrize(
    "how", ["", "early", "others first", "no signal", "no reply"], ids=lambda how: how or "plain"
)
async def test_a_start_waits_for_its_own_job(units: Units, control: Control, how: str) -> None:
    await control.next(how)
    await units.start(ALICE, 5)
    state = await units.read(ALICE)
    assert state.active == "active"
    assert len(state.invocation) == 32
    assert abs(state.started_at - time.time()) < 10
    assert await control.calls("StartUnit") == [f"StartUnit {ALICE} replace"]
    assert await units.agents() == {"alice": "active"}
    assert await units.invocation(ALICE) == state.invocation


@pytest.mark.parametrize("how", ["", "early", "others first", "no signal", "no reply"])
async def test_a_stop_waits_for_its_own_job(units: Units, control: Control, how: str) -> None:
    await units.start(ALICE, 5)
    await control.next(how)
    await units.stop(ALICE, 5)
    assert not (await units.read(ALICE)).is_alive
    assert await control.calls("StopUnit") == [f"StopUnit {ALICE} replace"]
    assert await units.agents() == {}
    assert await units.invocation(ALICE) == ""


async def test_a_restart_is_another_run(units: Units) -> None:
    await units.start(ALICE, 5)
    before = await units.read(ALICE)
    await units.restart(ALICE, 5)
    assert (await units.read(ALICE)).invocation != before.invocation


@pytest.mark.parametrize(
    ("how", "kind", "says"),
    [
        ("denied", Denied, "polkit rule"),
        ("no such unit", NoSuch, "not found"),
        ("canceled", Unavailable, "canceled"),
        ("timeout", Unavailable, "timeout"),
        ("dependency", Unavailable, "dependency"),
        ("skipped", Unavailable, "skipped"),
        ("refused", Unavailable, r"did not start: launcher: /b is not there \[bundle_missing"),
        ("hang", NoAnswer, "not over after 1 s"),
        ("no reply, nothing done", Unavailable, "no answer"),
    ],
)
async def test_why_a_start_failed(
    units: Units, control: Control, how: str, kind: type[Unavailable], says: str
) -> None:
    await control.next(how)
    with pytest.raises(Unavailable, match=says) as raised:
        await units.start(ALICE, 1)
    assert type(raised.value) is kind
    assert len(await control.calls("StartUnit")) == 1


async def test_a_stop_that_does_not_stop_is_told(units: Units, control: Control) -> None:
    await units.start(ALICE, 5)
    await control.next("canceled")
    with pytest.raises(Unavailable, match="was not stopped: canceled"):
        await units.stop(ALICE, 5)


async def test_a_job_outlives_the_connection(
    units: Units, control: Control, private_bus: PrivateBus
) -> None:
    """The job is over when the bus is back, and nobody ever says so."""
    await control.next("hang")
    start = asyncio.create_task(units.start(ALICE, 10))
    await wait_for(lambda: control.calls("StartUnit"))
    private_bus.kill()
    await asyncio.to_thread(private_bus.start)
    with pytest.raises(Unavailable, match="did not start"):
        await start
    assert await control.calls("StartUnit") == []


async def test_a_job_that_nobody_waits_for_any_more(
    bus: LastingBus, units: Units, control: Control
) -> None:
    await control.next("hang")
    start = asyncio.create_task(run_job(bus, "StartUnit", ALICE, 10))
    await wait_for(lambda: control.calls("StartUnit"))
    start.cancel()
    await asyncio.wait([start])
    assert bus._subscriptions == {}


# --- what it reads ---


async def test_resources_that_are_not_known(units: Units) -> None:
    assert await units.usage(ALICE) == (None, 1_500_000_000, 7)


# --- hints ---


async def test_hints_name_the_agent(units: Units, control: Control) -> None:
    heard: list[str | None] = []
    end = units.listen(heard.append)
    await units.ask_for_signals()
    await units.ask_for_signals()
    await control.begin(agent_unit("bob"))
    await control.begin(purge_unit("alice"))
    await control.begin(ALICE)
    await wait_for(lambda: "alice" in heard)
    assert heard == ["bob", "alice"]
    end()
    await control.end(ALICE)
    await control.begin(ALICE)
    assert heard == ["bob", "alice"]


async def test_all_is_to_be_read_after_a_reconnect(units: Units, private_bus: PrivateBus) -> None:
    heard: list[str | None] = []
    units.listen(heard.append)
    private_bus.kill()
    await asyncio.to_thread(private_bus.start)
    await wait_for(lambda: None in heard, 10)


# --- names ---


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_only_names_of_agents_become_units(name: str) -> None:
    for make in (agent_unit, purge_unit):
        with pytest.raises(InvalidField):
            make(name)
    assert agent_of(f"hyperhive-agent@{name}.service") in (None, "operator")


def test_names_and_paths_of_units() -> None:
    assert agent_of(agent_unit("a-1")) == "a-1"
    assert agent_of("hyperhive-agent@alice.service\n") is None
    assert agent_of("xhyperhive-agent@alice.service") is None
    path = "/org/freedesktop/systemd1/unit/hyperhive_2dagent_40a_2d1_2eservice"
    assert unit_path(agent_unit("a-1")) == path
