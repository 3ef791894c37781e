"""Tries the harness's own parts and tells the host, which leases nothing before they are fit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from hyperhive.harness.agent import Agent
from hyperhive.harness.link import Link
from hyperhive.harness.orders import Orders
from hyperhive.harness.session_events import bounded
from hyperhive.protocol.bundle import McpServer
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.verbs import SelfCheck

log = logging.getLogger(__name__)

AGAIN_SECONDS = 30.0
"""Between two tries while something is wrong."""
MAX_PROBLEM = 4_096  # bytes, the limit of SelfCheck.problem


class SelfChecker:
    """Answers each welcome and each change of settings with the state of this harness.

    What costs time is tried until it has worked, and anew with other MCP servers; a service that
    restarts asks again soon. Newer settings end the trial of older ones, which may hang.
    """

    def __init__(
        self, link: Link, orders: Orders, agent: Agent, directories: Iterable[Path]
    ) -> None:
        self._link = link
        self._orders = orders
        self._agent = agent
        self._directories = tuple(directories)
        self._fit_with: Mapping[str, McpServer] | None = None
        """The further MCP servers that all has worked with last."""

    async def run(self) -> None:
        """Until cancelled."""
        again: float | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(again):
                    await self._orders.report.wait()
            problems, version = await self._of_newest()
            await self._tell("\n".join(problems), version)
            again = AGAIN_SECONDS if problems else None

    async def _of_newest(self) -> tuple[list[str], int]:
        """Of settings, with their version, that are the newest also when they were tried."""
        while True:
            self._orders.report.clear()
            version = self._orders.settings_version
            trying = asyncio.create_task(self._problems(), name="self-check")
            outdated = asyncio.create_task(self._outdated(version), name="newer settings")
            try:
                await asyncio.wait((trying, outdated), return_when=asyncio.FIRST_COMPLETED)
                if trying.done() and self._orders.settings_version == version:
                    return await trying, version
            finally:
                trying.cancel()
                outdated.cancel()
                await asyncio.gather(trying, outdated, return_exceptions=True)

    async def _outdated(self, version: int) -> None:
        """Returns when there are other settings."""
        while self._orders.settings_version == version:
            await self._orders.report.wait()
            self._orders.report.clear()

    async def _problems(self) -> list[str]:
        problems = [self._orders.settings_problem] if self._orders.settings_problem else []
        servers = self._orders.settings.extra_mcp_servers
        if self._fit_with != servers:
            found = await asyncio.to_thread(_unwritable, self._directories)
            found += await self._agent.check()
            self._fit_with = None if found else servers
            problems += found
        return problems

    async def _tell(self, problem: str, version: int) -> None:
        if problem:
            log.error("not fit for work: %s", problem)
        report = SelfCheck(
            ok=not problem,
            problem=bounded(problem, MAX_PROBLEM),
            settings_version=max(version, 0),
        )
        try:
            await self._link.insist("self_check", asdict(report))
        except HiveError as error:
            log.error("the host does not want the self-check: %s", error)
        self._orders.wake.set()


def _unwritable(directories: Iterable[Path]) -> list[str]:
    problems = []
    for directory in directories:
        try:
            with tempfile.TemporaryFile(dir=directory):
                pass
        except OSError as error:
            problems.append(f"{directory} cannot be written to: {error.strerror}")
    return problems
