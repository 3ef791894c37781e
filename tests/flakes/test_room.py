"""What fills the disk is ended before it is full."""

from __future__ import annotations

import asyncio

import pytest

from hyperhive.flakes import room
from hyperhive.flakes.room import Room
from hyperhive.protocol.errors import BuildFailed, Unavailable


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.01)


def measuring(*free: float | None) -> Room:
    """These fractions, one after the other, None for no answer; the last one stays."""
    left = [*free]

    async def measure() -> float:
        found = left.pop(0) if len(left) > 1 else left[0]
        if found is None:
            raise Unavailable("the disk did not answer")
        return found

    return Room(measure, 0.1)


async def result(word: str) -> str:
    await asyncio.sleep(0)
    return word


async def test_with_room_enough_it_is_as_ever() -> None:
    assert await measuring(0.5).hold(result("built")) == "built"

    async def fails() -> None:
        raise Unavailable("no daemon")

    with pytest.raises(Unavailable, match="no daemon"):
        await measuring(0.5).hold(fails())


@pytest.mark.parametrize(
    "measured",
    [[0.09], [0.5, 0.1, 0.09], [0.5, None, 0.09]],
    ids=["before", "meanwhile", "after a disk that did not answer"],
)
async def test_with_too_little_it_is_ended(measured: list[float | None]) -> None:
    is_ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            is_ended.set()

    with pytest.raises(BuildFailed, match="only 9% of the disk of /nix/store is free") as caught:
        await measuring(*measured).hold(endless())
    assert caught.value.reason == "stopped"
    if len(measured) > 1:  # else it has not begun
        assert is_ended.is_set()


async def test_who_is_cancelled_cancels_it() -> None:
    begun, is_ended = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            is_ended.set()

    task = asyncio.create_task(measuring(0.5).hold(endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_ended.is_set()
