"""Clones of the configurations that an agent may propose for, kept in step with the host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hyperhive.harness.clone import Clone, is_empty
from hyperhive.harness.imports import import_aside
from hyperhive.protocol.configs import KnownRefs
from hyperhive.protocol.errors import HiveError, InvalidField, RemoteError, Unavailable

if TYPE_CHECKING:
    from hyperhive.harness.config_host import ConfigHost

log = logging.getLogger(__name__)

STEP_SECONDS = 20.0
"""For what a turn waits for; what is not done then is done before the next one."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A commit that the host has all of; `notes` are for whoever proposes it."""

    commit: str
    notes: tuple[str, ...]


class Clones:
    """`directory/NAME` for each agent. What stands there already and is no clone is left alone."""

    def __init__(self, socket: Path, directory: Path, owner: str) -> None:
        self._socket = socket
        self._directory = directory
        self._owner = owner
        self._lock = asyncio.Lock()
        self._known: dict[str, KnownRefs] = {}
        """As far as each clone is in step."""
        self._told: dict[str, str] = {}
        """Problems that are in the log, by agent."""

    async def keep_in_step(self) -> None:
        """Never raises; what is wrong is in the log, once."""
        try:
            async with asyncio.timeout(STEP_SECONDS), self._host(STEP_SECONDS) as host:
                for agent, refs in (await host.refs()).items():
                    await self._step(host, agent, refs)
            self._tell("", "")
        except RemoteError as error:  # such as where agents are not built at all
            self._tell("", f"not in step with the host: {error}", logging.INFO)
        except TimeoutError:
            self._tell("", f"not in step with the host within {STEP_SECONDS:g} s")
        except (HiveError, OSError) as error:
            self._tell("", f"not in step with the host: {error}")

    async def prepare(
        self, agent: str, commit_ref: str, patience: float, *, anew: bool = False
    ) -> Prepared:
        """Find the commit in the agent's clone, and upload what the host lacks of it.

        With `anew` it is uploaded even if nothing seems to be missing. Raises HiveError: what the
        model can do about it is in the text.
        """
        try:
            async with self._host(patience) as host:
                return await self._prepare(host, agent, commit_ref, anew)
        except OSError as error:  # such as no space left
            raise Unavailable(f"{self._clone(agent).directory}: {error}") from None

    # --- their parts ---

    async def _prepare(self, host: ConfigHost, agent: str, commit_ref: str, anew: bool) -> Prepared:
        known = await host.refs()
        refs = known.get(agent)
        if refs is None or not refs.ids():
            names = ", ".join(name for name, found in known.items() if found.ids()) or "none"
            problem = f"has no configuration that you may propose for; known are: {names}"
            raise InvalidField("agent", problem)
        notes = await self._update(host, agent, refs)
        clone = self._clone(agent)
        commit = await clone.resolve(commit_ref, len(refs.ids()[0]))
        pack = await clone.pack(commit, refs.ids())
        if anew or not is_empty(pack):
            await host.upload(agent, commit, pack)
        if count := await clone.differing(commit):
            files = "1 file" if count == 1 else f"{count} files"
            notes.append(
                f"{files} in {clone.directory} are not as in this commit, "
                "which is all that is proposed"
            )
        return Prepared(commit, tuple(notes))

    @asynccontextmanager
    async def _host(self, patience: float) -> AsyncIterator[ConfigHost]:
        """One at a time: two that fill one clone would be in each other's way."""
        module = await import_aside("hyperhive.harness.config_host")
        async with self._lock, module.ConfigHost(self._socket, patience) as host:
            yield host

    async def _step(self, host: ConfigHost, agent: str, refs: KnownRefs) -> None:
        if not refs.ids():
            return
        try:
            if self._clone(agent).is_there() and self._known.get(agent) == refs:
                return
            problems = await self._update(host, agent, refs)
            self._tell(agent, "; ".join(problems))
        except (HiveError, OSError) as error:
            self._tell(agent, str(error))

    async def _update(self, host: ConfigHost, agent: str, refs: KnownRefs) -> list[str]:
        clone = self._clone(agent)
        fetch = partial(host.pack, agent)
        self._known.pop(agent, None)
        if clone.is_there():
            problems = await clone.update(refs, fetch)
        else:
            problems = await clone.create(refs, self._owner, fetch)
        if not problems:
            self._known[agent] = refs
        return problems

    def _clone(self, agent: str) -> Clone:
        return Clone(self._directory / agent)

    def _tell(self, agent: str, problem: str, level: int = logging.WARNING) -> None:
        if problem and self._told.get(agent) != problem:
            log.log(level, "clone%s: %s", f" of {agent}'s configuration" if agent else "s", problem)
        self._told[agent] = problem
