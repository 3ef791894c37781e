"""Nix of the service over a runner of units in place of systemd."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hyperhive.flakes.nix import Nix
from hyperhive.flakes.room import Room

HASH = "0123456789abcdfghijklmnpqrsvwxyz"
DRV = f"/nix/store/{HASH}-alice-bundle.drv"
SYSTEM = f"/nix/store/{HASH}-system"
PROPOSAL = {
    "drv": DRV,
    "settings": {"model": "opus"},
    "system": SYSTEM,
    "warnings": ["old"],
}

Work = Callable[[Path], Awaitable[None]]


class Runner:
    """In place of systemd: `work` is what the unit does in its job's directory."""

    def __init__(self, jobs: Path) -> None:
        self._jobs = jobs
        self.work: Work = self._nothing
        self.started: list[tuple[str, float]] = []
        self.stopped: list[str] = []

    async def _nothing(self, job: Path) -> None:
        pass

    async def start(self, unit: str, timeout: float) -> None:
        self.started.append((unit, timeout))
        number = unit.partition("@")[2].removesuffix(".service")
        await self.work(self._jobs / number)

    async def stop(self, unit: str) -> None:
        self.stopped.append(unit)


class Bench:
    def __init__(self, directory: Path) -> None:
        self.free = 0.5
        self.jobs = directory / "jobs"
        self.roots = directory / "gcroots"
        flake = directory / "flake"
        for path in (self.jobs, self.roots, flake):
            path.mkdir()
        (flake / "flake.nix").write_text("{ }")
        self.runner = Runner(self.jobs)
        places = (self.jobs, flake, self.roots)
        self.nix = Nix(
            *places, self.runner, Room(self.measure, 0.1), eval_seconds=5, build_seconds=7
        )
        self.seen: dict[str, Any] = {}

    async def measure(self) -> float:
        return self.free

    def answering(self, answer: object, log: str = "") -> None:
        async def work(job: Path) -> None:
            self.seen = json.loads((job / "in/request.json").read_text())
            (job / "out/log").write_text(log)
            (job / "out/result.json").write_text(json.dumps(answer))

        self.runner.work = work

    async def export(self, directory: Path) -> None:
        directory.mkdir()
        (directory / "agent.nix").write_text("{ }")

    def left(self) -> list[str]:
        return os.listdir(self.jobs)
