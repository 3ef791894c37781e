"""Jobs of systemd: begins one and waits for the end of that very job."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from hyperhive.nspawn.bus import CALL_SECONDS, Remote, Signal
from hyperhive.nspawn.failures import NoAnswer
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.nspawn.unit_state import UnitState, unit_state
from hyperhive.protocol.errors import Unavailable

SYSTEMD = "org.freedesktop.systemd1"
MANAGER = Remote(SYSTEMD, "/org/freedesktop/systemd1", f"{SYSTEMD}.Manager")

BEGIN_SECONDS = 20.0
"""For systemd to accept a job: polkit may have many of them to decide on at once."""
LOOK_AGAIN_SECONDS = 2.0
"""Without news of a job its unit is asked: a signal can be lost together with the connection."""

Verb = Literal["StartUnit", "StopUnit", "RestartUnit"]
UNSEEN = "no answer"
"""Result of a job whose end was not heard of; the state of the unit tells."""

_Ends = asyncio.Queue[tuple[str, str]]


async def run_job(bus: LastingBus, verb: Verb, unit: str, timeout: float) -> str:
    """Returns its result: `done`, `failed`, `canceled`, `timeout`, `dependency`, ..., or UNSEEN.

    After `timeout` seconds raises NoAnswer and cancels nothing. Raises Denied and NoSuch.
    """
    ends: _Ends = asyncio.Queue()

    def ended(_: str, values: tuple[Any, ...]) -> None:
        match values:
            case (int(), str(job), str(name), str(result)) if name == unit:
                ends.put_nowait((job, result))

    # Before the job begins: it may be over before the answer to its beginning is here.
    stop = bus.subscribe(Signal(SYSTEMD, MANAGER.interface, "JobRemoved"), ended)
    try:
        async with asyncio.timeout(timeout):
            job = await _begin(bus, verb, unit)
            return await _end(bus, unit, job, ends)
    except TimeoutError:
        raise NoAnswer(f"{verb} of {unit} is not over after {timeout:g} s") from None
    finally:
        stop()


async def _begin(bus: LastingBus, verb: Verb, unit: str) -> str:
    try:
        answer = await bus.call(MANAGER, verb, ("(ss)", (unit, "replace")), "(o)", BEGIN_SECONDS)
    except NoAnswer:
        # It may have begun, so it is not asked for again.
        return (await read_unit(bus, unit)).job
    return str(answer[0])


async def _end(bus: LastingBus, unit: str, job: str, ends: _Ends) -> str:
    while True:
        try:
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                if result := await _result(job, ends):
                    return result
        except TimeoutError:
            if await _is_over(bus, unit, job) and ends.empty():
                return UNSEEN


async def _result(job: str, ends: _Ends) -> str | None:
    ended, result = await ends.get()
    return result if ended == job else None


async def _is_over(bus: LastingBus, unit: str, job: str) -> bool:
    try:
        return job == "/" or (await read_unit(bus, unit)).job != job
    except Unavailable:
        return False  # not known now; the time of the whole is bounded


async def read_unit(bus: LastingBus, unit: str) -> UnitState:
    """Also of a unit that is not loaded: systemd loads it to look."""
    return unit_state(unit, await read_properties(bus, unit_path(unit), f"{SYSTEMD}.Unit"))


async def read_properties(bus: LastingBus, path: str, interface: str) -> dict[str, object]:
    """All of them, which are some hundred: 3 to 6 ms."""
    remote = Remote(SYSTEMD, path, "org.freedesktop.DBus.Properties")
    (properties,) = await bus.call(remote, "GetAll", ("(s)", (interface,)), "(a{sv})")
    return dict(properties)


async def read_property(
    bus: LastingBus, path: str, interface: str, name: str, timeout: float = CALL_SECONDS
) -> object:
    """One of them: 0.4 ms."""
    remote = Remote(SYSTEMD, path, "org.freedesktop.DBus.Properties")
    (value,) = await bus.call(remote, "Get", ("(ss)", (interface, name)), "(v)", timeout)
    return value


def unit_path(unit: str) -> str:
    """As sd_bus_path_encode(3) has it."""
    encoded = "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):02x}" for c in unit)
    return f"/org/freedesktop/systemd1/unit/{encoded}"
