"""Every end is told once, however it is seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hyperhive.hive.ports import Ended
from hyperhive.nspawn import lives as module
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.nspawn.lives import Lives
from hyperhive.nspawn.units import Units
from hyperhive.protocol.errors import Unavailable
from tests.nspawn.private_bus import ALICE, BOB, Control, PrivateBus
from tests.support.wait import wait_for

EXITED = 1


class Watched(Lives):
    """With what it told."""

    def __init__(self, units: Units) -> None:
        super().__init__(units, lambda ended: self.told.append(ended))
        self.told: list[Ended] = []

    @property
    def reasons(self) -> list[tuple[str, str, int | None]]:
        return [(e.invocation.agent, e.reason, e.exit) for e in self.told]


@pytest.fixture
async def lives(bus: LastingBus) -> AsyncIterator[Watched]:
    """Alice and bob run, and are watched."""
    units = Units(bus)
    for unit in (ALICE, BOB):
        await units.start(unit, 5)
    made = Watched(units)
    stop = units.listen(made.hint)
    await made.adopt()
    watching = asyncio.create_task(made.watch())
    yield made
    watching.cancel()
    await asyncio.wait([watching])
    stop()


async def test_what_runs_is_adopted(lives: Watched, control: Control) -> None:
    assert set(lives.alive) == {"alice", "bob"}
    assert lives.alive["alice"].id != lives.alive["bob"].id
    assert lives.told == []
    assert await control.calls("StartUnit") == [f"StartUnit {u} replace" for u in (ALICE, BOB)]


async def test_an_end_is_told_as_it_comes(lives: Watched, control: Control) -> None:
    run = lives.alive["alice"]
    await control.end(ALICE, "exit-code", EXITED, 3)
    await wait_for(lambda: lives.told)
    assert lives.told == [Ended(run, "crash", 3)]
    assert set(lives.alive) == {"bob"}
    await lives.look_at_all()
    assert len(lives.told) == 1


async def test_a_unit_that_is_gone_ended_clean(lives: Watched, control: Control) -> None:
    await control.end(ALICE)
    await wait_for(lambda: lives.told)
    assert lives.reasons == [("alice", "clean", None)]


@pytest.mark.parametrize(
    ("restarts", "reason", "exit_code"), [(1, "clean", 133), (0, "unknown", None)]
)
async def test_another_run_in_its_place(
    lives: Watched, control: Control, restarts: int, reason: str, exit_code: int | None
) -> None:
    before = lives.alive["alice"]
    await control.begin(ALICE, restarts)
    await wait_for(lambda: lives.told)
    assert [(e.invocation, e.reason, e.exit) for e in lives.told] == [(before, reason, exit_code)]
    assert lives.alive["alice"].id != before.id


async def test_a_run_that_was_never_seen_alive(lives: Watched, control: Control) -> None:
    await control.end(ALICE, "exit-code", EXITED, 3)
    await wait_for(lambda: lives.told)
    await control.begin(ALICE)
    await control.end(ALICE, "oom-kill", EXITED, 1)
    await wait_for(lambda: len(lives.told) == 2)
    first, second = lives.told
    assert (second.reason, second.exit) == ("oom", 1)
    assert second.invocation.id != first.invocation.id
    await lives.look_at_all()
    assert len(lives.told) == 2


async def test_what_failed_before_is_told_once(bus: LastingBus, control: Control) -> None:
    units = Units(bus)
    await units.start(ALICE, 5)
    await control.end(ALICE, "exit-code", EXITED, 3)
    lives = Watched(units)
    await lives.adopt()
    await lives.look("alice")
    assert lives.reasons == [("alice", "crash", 3)]
    assert lives.alive == {}


async def test_looks_at_once_tell_an_end_once(lives: Watched, control: Control) -> None:
    await control.end(ALICE, "signal", 2, 9)
    await control.end(BOB, "oom-kill", 2, 9)
    await asyncio.gather(*(lives.look(name) for name in ("alice", "bob") * 10))
    await lives.look_at_all()
    assert sorted(lives.reasons) == [("alice", "killed", -9), ("bob", "oom", -9)]


async def test_an_end_while_the_bus_was_away(
    lives: Watched, private_bus: PrivateBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The far side that comes back knows of no run."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    private_bus.kill()
    with pytest.raises(Unavailable):
        await lives.look("alice")
    await asyncio.to_thread(private_bus.start)
    await wait_for(lambda: len(lives.told) == 2, 10)
    assert sorted(lives.reasons) == [("alice", "clean", None), ("bob", "clean", None)]


async def test_a_listener_that_fails_does_not_make_it_deaf(
    lives: Watched,
    control: Control,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(ended: Ended) -> None:
        raise KeyError(ended.invocation.agent)

    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(lives, "_on_end", fail)
    await control.end(ALICE, "exit-code", EXITED, 3)
    await wait_for(lambda: "unexpected error" in caplog.text)
    monkeypatch.setattr(lives, "_on_end", lives.told.append)
    await control.end(BOB, "exit-code", EXITED, 4)
    await wait_for(lambda: lives.reasons == [("bob", "crash", 4)])


async def test_a_signal_that_was_lost(
    bus: LastingBus, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_SECONDS", 0.1)
    units = Units(bus)
    await units.start(ALICE, 5)
    deaf = Watched(units)
    await deaf.adopt()
    watching = asyncio.create_task(deaf.watch())
    await control.end(ALICE, "exit-code", EXITED, 3)
    await wait_for(lambda: deaf.reasons == [("alice", "crash", 3)])
    watching.cancel()
    await asyncio.wait([watching])


async def test_how_a_run_ended_that_nobody_saw(bus: LastingBus, control: Control) -> None:
    units = Units(bus)
    lives = Watched(units)
    await units.start(ALICE, 5)
    await lives.look("alice")
    run = lives.alive["alice"]
    later = Watched(units)
    await control.end(ALICE)
    assert await later.how_ended(run) == Ended(run, "clean", None)
    await control.begin(ALICE)
    await lives.look("alice")
    run = lives.alive["alice"]
    await control.end(ALICE, "oom-kill", EXITED, 1)
    assert await later.how_ended(run) == Ended(run, "oom", 1)
    await control.begin(ALICE)
    await control.end(ALICE, "exit-code", EXITED, 3)
    assert await later.how_ended(run) == Ended(run, "unknown", None)  # another one took its place
    assert later.told == []
