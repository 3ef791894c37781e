"""A bus that goes away and comes back."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from hyperhive.nspawn.bus import Remote, Signal
from hyperhive.nspawn.failures import NoAnswer
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.protocol.errors import Unavailable
from tests.nspawn.private_bus import CONTROL, PrivateBus
from tests.support.wait import wait_for

SAID = Signal(CONTROL.service, CONTROL.interface, "Said")


BUS = Remote("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


async def ask(bus: LastingBus, timeout: float = 5) -> object:
    """The bus itself: it is there before the services on it."""
    return await bus.call(BUS, "NameHasOwner", ("(s)", ("no.such.name",)), "(b)", timeout)


async def test_subscriptions_outlive_the_connection(
    private_bus: PrivateBus, bus: LastingBus
) -> None:
    heard: list[tuple[object, ...]] = []
    again: list[float] = []
    unwanted: list[object] = []
    bus.on_reconnect(lambda: again.append(time.monotonic()))
    bus.on_reconnect(lambda: unwanted.append(1))()
    bus.subscribe(SAID, lambda path, values: heard.append(values))
    end = bus.subscribe(SAID, lambda path, values: unwanted.append(values))
    end()
    for number in (1, 2):
        heard.clear()
        again.clear()
        private_bus.kill()
        private_bus.start()
        await wait_for(lambda: again, 10)
        await bus.call(CONTROL, "Emit", ("(os)", ("/here", str(number))))
        await wait_for(lambda: heard)
        assert (heard, len(again)) == ([(str(number),)], 1)
    assert unwanted == []


async def test_a_call_waits_for_the_bus_to_come_back(
    private_bus: PrivateBus, bus: LastingBus
) -> None:
    private_bus.kill()
    await wait_for(lambda: not bus._connected.is_set())
    call = asyncio.create_task(ask(bus))
    await asyncio.to_thread(private_bus.start)
    assert await call == (False,)


async def test_a_call_does_not_wait_longer_than_it_may(
    private_bus: PrivateBus, bus: LastingBus
) -> None:
    private_bus.kill()
    await wait_for(lambda: not bus._connected.is_set())
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="message bus") as raised:
        await ask(bus, 0.3)
    assert not isinstance(raised.value, NoAnswer)  # nothing was sent, so nothing was done
    assert time.monotonic() - begun < 1


async def test_it_is_closed_while_the_bus_is_away(private_bus: PrivateBus) -> None:
    bus = LastingBus(private_bus.address)
    await bus.open()
    private_bus.kill()
    await wait_for(lambda: not bus._connected.is_set())
    await bus.close()
    await bus.close()
    assert "glib" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(Unavailable):
        await ask(bus, 0.1)


async def test_without_a_bus_nothing_is_left(private_bus: PrivateBus) -> None:
    private_bus.kill()
    bus = LastingBus(private_bus.address)
    with pytest.raises(Unavailable, match="connecting"):
        await bus.open()
    assert "glib" not in [thread.name for thread in threading.enumerate()]
