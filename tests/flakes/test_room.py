"""What fills the disk is ended before it is full."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hyperhive.flakes import room
from hyperhive.protocol.errors import BuildFailed, Unavailable


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Fractions as they are measured; the last one stays."""
    found = [0.5]
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(room, "_free", lambda _: found.pop(0) if len(found) > 1 else found[0])
    return found


async def result(word: str) -> str:
    await asyncio.sleep(0)
    return word


async def test_with_room_enough_it_is_as_ever(free: list[float]) -> None:
    assert await room.while_there_is(Path("/"), result("built")) == "built"

    async def fails() -> None:
        raise Unavailable("no daemon")

    with pytest.raises(Unavailable, match="no daemon"):
        await room.while_there_is(Path("/"), fails())


@pytest.mark.parametrize("measured", [[0.09], [0.5, 0.11, 0.09]], ids=["before", "meanwhile"])
async def test_with_too_little_it_is_ended(free: list[float], measured: list[float]) -> None:
    free[:] = measured
    is_ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            is_ended.set()

    with pytest.raises(BuildFailed, match="only 9% of the disk of /nix is free") as caught:
        await room.while_there_is(Path("/nix"), endless())
    assert caught.value.reason == "stopped"
    if len(measured) > 1:  # else it has not begun
        assert is_ended.is_set()


async def test_who_is_cancelled_cancels_it(free: list[float]) -> None:
    begun, is_ended = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            is_ended.set()

    task = asyncio.create_task(room.while_there_is(Path("/"), endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_ended.is_set()


def test_of_the_disk_itself(tmp_path: Path) -> None:
    assert 0 < room._free(tmp_path) <= 1
    assert room._free(tmp_path / "not/there") == pytest.approx(room._free(tmp_path), abs=0.01)
