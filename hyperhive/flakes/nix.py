"""Evaluations and builds, as the service has them: each a unit of its own, under another user."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hyperhive.flakes.jobs import Job, Jobs
from hyperhive.flakes.logs import OnLine, follow
from hyperhive.flakes.room import Room
from hyperhive.flakes.roots import Role, Roots
from hyperhive.flakes.untrusted import Bundle, read_bundle, read_result
from hyperhive.protocol.builds import (
    STORE_PATTERN,
    Evaluation,
    Request,
    parse_built,
    parse_evaluation,
)
from hyperhive.protocol.errors import BuildFailed, InvalidField, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

_STORE = re.compile(STORE_PATTERN)

GRACE_SECONDS = 60.0
"""For a unit to start and to end, beyond the time of what it runs."""

Export = Callable[[Path], Awaitable[None]]
"""Writes the agent's configuration into a directory that does not exist yet."""


class UnitRunner(Protocol):
    """Runs units that are over when their work is (Type=oneshot in systemd.service(5))."""

    async def start(self, unit: str, timeout: float) -> None:
        """Until it is over. Raises Unavailable, also when it fails."""

    async def stop(self, unit: str) -> None:
        """Until nothing of it runs. Fine when nothing did. Raises Unavailable."""


class Nix:
    """`adopt` comes before all else. Jobs of different numbers run beside each other."""

    def __init__(
        self,
        jobs: Path,
        flake: Path,
        gcroots: Path,
        units: UnitRunner,
        room: Room,
        *,
        offline: bool = True,
        eval_seconds: float = 300.0,
        build_seconds: float = 3600.0,
    ) -> None:
        self._jobs = Jobs(jobs)
        self._flake = flake
        self._roots = Roots(gcroots)
        self._units = units
        self._room = room
        self._offline = offline
        self._eval_seconds = eval_seconds
        self._build_seconds = build_seconds

    async def adopt(self) -> None:
        """End and remove what an earlier service left: nobody waits for those jobs any more."""
        for id in list(await asyncio.to_thread(self._jobs.ids)):
            for verb in ("eval", "build"):
                await self._units.stop(_unit(verb, id))
            await asyncio.to_thread(self._jobs.remove, id)

    async def evaluate(
        self, job: int, agent: str, export: Export, on_line: OnLine | None = None
    ) -> Evaluation:
        """What the configuration comes to. Its derivation is kept as the agent's `pending`.

        `job` has 1 to 12 digits, and nothing else that runs has it. `on_line` gets each line that
        Nix writes, as it comes. Cancelling this ends the unit.

        Raises BuildFailed with the reason, Unavailable, Conflict, and what `export` raises.
        """
        request = Request(
            verb="eval", agent=agent, seconds=self._eval_seconds, offline=self._offline
        )
        return await self._evaluate(job, request, "pending", export, on_line)

    async def check(
        self,
        job: int,
        agent: str,
        export: Export,
        running: str | None,
        on_line: OnLine | None = None,
    ) -> Evaluation:
        """As `evaluate`, beside what is deployed: the derivation is kept as `proposed`.

        Tells as well what the system consists of in place of `running`, a path that may be gone.
        """
        request = Request(
            verb="eval",
            agent=agent,
            seconds=self._eval_seconds,
            offline=self._offline,
            compare=True,
            running=_system(running),
        )
        return await self._evaluate(job, request, "proposed", export, on_line)

    async def build(self, job: int, agent: str, drv: str, on_line: OnLine | None = None) -> Bundle:
        """Realise exactly that derivation. The bundle is kept as the agent's `pending`.

        Evaluates nothing; else as `evaluate`.
        """
        request = Request(
            verb="build", agent=agent, seconds=self._build_seconds, offline=self._offline, drv=drv
        )
        async with self._job(job, request) as made:
            path = _parsed(parse_built, await self._run(made, request, on_line)).bundle
            await self._keep_new(agent, "pending", path)
        return await asyncio.to_thread(read_bundle, path)

    async def keep(self, agent: str, role: Role, path: str) -> None:
        """Let no garbage collection take this store path, in place of the one kept so far."""
        await asyncio.to_thread(self._roots.keep, agent, role, path)

    async def kept(self, agent: str, role: Role) -> str | None:
        """The store path that is kept so, or None."""
        return await asyncio.to_thread(self._roots.kept, agent, role)

    async def release(self, agent: str, role: Role | None = None) -> None:
        """Keep nothing of the agent in this role, or in any."""
        await asyncio.to_thread(self._roots.release, agent, role)

    async def _evaluate(
        self, job: int, request: Request, role: Role, export: Export, on_line: OnLine | None
    ) -> Evaluation:
        async with self._job(job, request) as made:
            await asyncio.to_thread(self._jobs.add_flake, made, self._flake, request.agent)
            await export(made.flake / "agent")
            found = _parsed(parse_evaluation, await self._run(made, request, on_line))
            await self._keep_new(request.agent, role, found.drv)
        return found

    async def _keep_new(self, agent: str, role: Role, path: str) -> None:
        await self.keep(agent, role, path)
        # Nix itself holds it only until its program ends, a moment before.
        if not await asyncio.to_thread(os.path.lexists, path):
            raise BuildFailed("daemon", f"{path} was collected as garbage meanwhile; try again")

    @asynccontextmanager
    async def _job(self, number: int, request: Request) -> AsyncIterator[Job]:
        made = await asyncio.to_thread(self._jobs.make, number, request)
        try:
            yield made
        finally:
            # Nothing of the unit runs any more: `_run` has seen to that.
            await asyncio.shield(asyncio.to_thread(self._jobs.remove, made.id))

    async def _run(self, job: Job, request: Request, on_line: OnLine | None) -> dict[str, Any]:
        unit, over = _unit(request.verb, job.id), asyncio.Event()
        following = asyncio.create_task(follow(job.out / "log", on_line or _nobody, over))
        failure: Unavailable | None = None
        try:
            await self._room.hold(self._units.start(unit, request.seconds + GRACE_SECONDS))
        except Unavailable as error:
            failure = error
            await self._units.stop(unit)
        except BaseException:
            await asyncio.shield(self._end(unit))
            raise
        finally:
            over.set()
            await following
        return await asyncio.to_thread(_result, job, failure)

    async def _end(self, unit: str) -> None:
        with suppress(Unavailable):  # found again by `adopt`
            await self._units.stop(unit)


def _nobody(_: str) -> None:
    pass


def _unit(verb: str, id: str) -> str:
    return f"hyperhive-{verb}@{id}.service"


def _system(path: str | None) -> str | None:
    """None for what cannot be one in the store."""
    found = path is not None and _STORE.fullmatch(path) and not path.endswith(".drv")
    return path if found else None


def _result(job: Job, failure: Unavailable | None) -> dict[str, Any]:
    """A unit that failed may have an answer all the same, which says more."""
    try:
        return read_result(job.out)
    except BuildFailed:
        if failure is not None:
            raise failure from None
        raise


def _parsed(parse: Callable[[dict[str, Any]], T], data: dict[str, Any]) -> T:
    try:
        return parse(data)
    except InvalidField as error:
        raise BuildFailed("job", f"its answer is none: {error}") from None
