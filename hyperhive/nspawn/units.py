"""The units of agents: what runs, starts and stops, and hints that something changed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hyperhive.nspawn.bus import Signal
from hyperhive.nspawn.failures import AlreadySo
from hyperhive.nspawn.jobs import (
    MANAGER,
    SYSTEMD,
    UNSEEN,
    read_properties,
    read_property,
    read_unit,
    run_job,
    unit_path,
)
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.nspawn.launch_refusal import is_refusal
from hyperhive.nspawn.unit_state import (
    ServiceState,
    UnitState,
    exit_of,
    identity,
    number,
    service_state,
)
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.model import NAME_PATTERN, check_name

START_SECONDS = 120.0
"""systemd itself gives the container 90 s, and ends it then."""
STOP_SECONDS = 60.0
"""systemd itself gives the container 20 s, and its killed processes as long again."""
PURGE_SECONDS = 1800.0

_AGENT_UNIT = re.compile(rf"hyperhive-agent@({NAME_PATTERN})\.service")
_ALL_AGENTS = unit_path("hyperhive-agent@")

Hint = Callable[[str | None], None]
"""Gets the agent to look at again, or None for all."""


def agent_unit(name: str) -> str:
    return f"hyperhive-agent@{check_name(name)}.service"


def purge_unit(name: str) -> str:
    return f"hyperhive-purge@{check_name(name)}.service"


def agent_of(unit: str) -> str | None:
    """The agent whose unit it is."""
    match = _AGENT_UNIT.fullmatch(unit)
    return match[1] if match else None


class Units:
    """Signals are hints: whoever gets one reads the state."""

    def __init__(self, bus: LastingBus) -> None:
        self._bus = bus

    async def agents(self) -> dict[str, str]:
        """ActiveState of those whose unit is loaded: it runs, or its last run failed."""
        every_state: list[str] = []
        wanted = ("(asas)", (every_state, ["hyperhive-agent@*.service"]))
        (units,) = await self._bus.call(MANAGER, "ListUnitsByPatterns", wanted, "(a(ssssssouso))")
        return {name: str(unit[3]) for unit in units if (name := agent_of(str(unit[0])))}

    async def invocation(self, unit: str) -> str:
        """Of its last run; empty when it is not loaded."""
        path = unit_path(unit)
        return identity(await read_property(self._bus, path, f"{SYSTEMD}.Unit", "InvocationID"))

    async def usage(self, unit: str) -> tuple[int | None, int | None, int | None]:
        """Bytes of memory, nanoseconds of CPU time, and tasks; None where they are not counted."""
        names = ("MemoryCurrent", "CPUUsageNSec", "TasksCurrent")
        path, interface = unit_path(unit), f"{SYSTEMD}.Service"
        memory, cpu, tasks = await asyncio.gather(
            *(read_property(self._bus, path, interface, name) for name in names)
        )
        return number(memory), number(cpu), number(tasks)

    async def read(self, unit: str) -> UnitState:
        return await read_unit(self._bus, unit)

    async def read_service(self, unit: str) -> ServiceState:
        properties = await read_properties(self._bus, unit_path(unit), f"{SYSTEMD}.Service")
        return service_state(properties)

    async def start(self, unit: str, timeout: float = START_SECONDS) -> None:
        """Until it is ready; a oneshot service until it is done. Fine when it is up already.

        Raises Unavailable, as Denied, NoSuch or NoAnswer where that is the reason.
        """
        result = await run_job(self._bus, "StartUnit", unit, timeout)
        await self._check_up(unit, result)

    async def restart(self, unit: str, timeout: float = START_SECONDS + STOP_SECONDS) -> None:
        result = await run_job(self._bus, "RestartUnit", unit, timeout)
        await self._check_up(unit, result)

    async def stop(self, unit: str, timeout: float = STOP_SECONDS) -> None:
        """Until nothing of it runs. Fine when nothing did."""
        result = await run_job(self._bus, "StopUnit", unit, timeout)
        if result != "done" and (await self.read(unit)).is_alive:
            raise Unavailable(f"{unit} was not stopped: {result}")

    async def _check_up(self, unit: str, result: str) -> None:
        if result == "done":
            return
        state, service = await self.read(unit), await self.read_service(unit)
        if result == UNSEEN and state.active == "active":
            return
        said = await read_property(self._bus, unit_path(unit), f"{SYSTEMD}.Service", "StatusText")
        if isinstance(said, str) and is_refusal(said):
            raise Unavailable(f"{unit} did not start: {said}")
        raise Unavailable(f"{unit} did not start: {_why(result, state, service)}")

    def listen(self, hint: Hint) -> Callable[[], None]:
        """Until the function that it returns is called. See `ask_for_signals`."""

        def changed(path: str, _: tuple[Any, ...]) -> None:
            if name := agent_of(_decode(path)):
                hint(name)

        def owner_changed(_: str, values: tuple[Any, ...]) -> None:
            if values[-1]:  # systemd is back on the bus, and has forgotten who listens
                hint(None)

        changes = Signal(
            SYSTEMD,
            "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
            f"{SYSTEMD}.Unit",
            _ALL_AGENTS,
        )
        bus = "org.freedesktop.DBus"
        ends = [
            self._bus.subscribe(changes, changed),
            self._bus.subscribe(Signal(bus, bus, "NameOwnerChanged", SYSTEMD), owner_changed),
            self._bus.on_reconnect(lambda: hint(None)),
        ]

        def stop() -> None:
            for end in ends:
                end()

        return stop

    async def ask_for_signals(self) -> None:
        """systemd sends none to whom it does not know, and forgets; to be repeated in doubt."""
        with suppress(AlreadySo):
            await self._bus.call(MANAGER, "Subscribe")


def _decode(path: str) -> str:
    encoded = path.rpartition("/")[2]
    return re.sub("_([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), encoded)


def _why(result: str, state: UnitState, service: ServiceState) -> str:
    if state.load != "loaded":
        return f"its file is {state.load}; install hyperhive's units"
    status = exit_of(service)
    ended = "" if status is None else f", exit {status}"
    return f"{service.result if service.result != 'success' else result}{ended}; see its log"
