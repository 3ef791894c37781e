"""Which runs of agents are alive, and word of every end: from hints, and from systemd's state."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from hyperhive.hive.ports import Ended, Invocation
from hyperhive.nspawn.unit_state import REBOOT, UnitState, end_reason, exit_of
from hyperhive.nspawn.units import Units, agent_unit
from hyperhive.protocol.errors import Unavailable

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 30.0
"""A safety net: signals come at once, and everything is read after a lost connection."""
RETRY_SECONDS = 0.5


class Lives:
    """Compares what it knew with what it reads; `on_end` is called once for each run that ended."""

    def __init__(self, units: Units, on_end: Callable[[Ended], None]) -> None:
        self._units = units
        self._on_end = on_end
        self.alive: dict[str, Invocation] = {}
        self._last_ended: dict[str, str] = {}
        self._looking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Two looks at one agent could see its states in the wrong order."""
        self._hints: set[str] = set()
        self._all = False
        self._bell = asyncio.Event()

    async def adopt(self) -> None:
        """What runs already is known from now on; what failed earlier is told, perhaps again."""
        await self._units.ask_for_signals()
        for name in await self._units.agents():
            await self.look(name)

    def hint(self, name: str | None) -> None:
        """Have `watch` look at this agent, or at all of them."""
        if name is None:
            self._all = True
        else:
            self._hints.add(name)
        self._bell.set()

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self._bell.wait()
            except TimeoutError:
                self._all = True
            self._bell.clear()
            hints, everything = self._hints, self._all
            self._hints, self._all = set(), False
            try:
                if everything:
                    await self._units.ask_for_signals()
                    await self.look_at_all()
                else:
                    await self._look_at(hints)
            except Unavailable as error:
                log.warning("%s; reading the state of agents again", error.message)
                await self._try_again()
            except Exception:
                # A fault in handling one end must not make us deaf to the others.
                log.exception("unexpected error; reading the state of agents again")
                await self._try_again()

    async def _try_again(self) -> None:
        self.hint(None)
        await asyncio.sleep(RETRY_SECONDS)

    async def look_at_all(self) -> None:
        """After it, `alive` is what runs. Raises Unavailable."""
        states = await self._units.agents()
        await self._look_at(states.keys() | self.alive.keys(), states)

    async def _look_at(self, names: Iterable[str], states: Mapping[str, str] | None = None) -> None:
        looks = (self._look_unless_known(name, (states or {}).get(name, "")) for name in names)
        for failure in await asyncio.gather(*looks, return_exceptions=True):
            if failure is not None:
                raise failure

    async def _look_unless_known(self, name: str, active: str) -> None:
        """A whole look takes seven times as long as to see that it is the run that is known."""
        run = self.alive.get(name) if active == "active" else None
        if run is None or await self._units.invocation(agent_unit(name)) != run.id:
            await self.look(name)

    async def look(self, name: str) -> UnitState:
        """Raises Unavailable."""
        async with self._looking[name]:
            state = await self._units.read(agent_unit(name))
            known = self.alive.get(name)
            if known is not None and not (state.is_alive and state.invocation == known.id):
                await self._end(known, state)
            if state.is_alive and state.invocation:
                self.alive[name] = Invocation(name, state.invocation, state.started_at)
            elif state.active == "failed" and self._last_ended.get(name) != state.invocation:
                # So short a run that it was never seen alive.
                await self._end(Invocation(name, state.invocation, state.started_at), state)
            return state

    async def _end(self, run: Invocation, state: UnitState) -> None:
        ended = await self._how(run, state)
        self.alive.pop(run.agent, None)
        self._last_ended[run.agent] = run.id
        self._on_end(ended)

    async def how_ended(self, run: Invocation) -> Ended:
        """Of a run that was not seen. Raises Unavailable."""
        return await self._how(run, await self._units.read(agent_unit(run.agent)))

    async def _how(self, run: Invocation, state: UnitState) -> Ended:
        service = await self._units.read_service(state.unit)
        if state.is_alive:  # another run: after a reboot from inside, or begun by somebody else
            return Ended(run, "clean", REBOOT) if service.restarts else Ended(run, "unknown", None)
        if state.invocation == run.id:
            return Ended(run, end_reason(state, service), exit_of(service))
        # systemd unloads a unit that ended clean, and only then.
        return Ended(run, "unknown" if state.invocation else "clean", None)
