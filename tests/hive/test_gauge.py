"""Figures of what agents use: asked for now and then, and missing where there are none."""

import asyncio

import pytest

from hyperhive.hive.gauge import Gauge
from hyperhive.hive.ports import Usage
from hyperhive.protocol.errors import Unavailable

NOTHING = {
    "memory_bytes": None,
    "cpu_seconds": None,
    "tasks": None,
    "disk_bytes": None,
    "disk_quota": False,
}


async def test_figures_by_name_are_asked_for_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    async def measure(name: str) -> Usage:
        asked.append(name)
        return Usage(memory_bytes=len(name), tasks=len(asked))

    gauge = Gauge(measure)
    first = await gauge.read(["bob", "alice"])
    assert first == {
        "bob": {**NOTHING, "memory_bytes": 3, "tasks": 1},
        "alice": {**NOTHING, "memory_bytes": 5, "tasks": 2},
    }
    assert await gauge.read(["bob"]) == {"bob": first["bob"]}
    assert asked == ["bob", "alice"]
    monkeypatch.setattr("hyperhive.hive.gauge.FRESH_SECONDS", 0.0)
    assert (await gauge.read(["bob"]))["bob"]["tasks"] == 3


async def test_a_runtime_without_an_answer_leaves_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperhive.hive.gauge.LIMIT_SECONDS", 0.05)

    async def measure(name: str) -> Usage:
        if name == "alice":
            raise Unavailable("no bus")
        await asyncio.Event().wait()
        raise AssertionError

    assert await Gauge(measure).read(["alice", "bob"]) == {"alice": NOTHING, "bob": NOTHING}
