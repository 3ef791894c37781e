"""Calls, signals and descriptors over a real message bus, and everything that can go wrong."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hyperhive.nspawn.bus import Connection, GLibThread, Signal
from hyperhive.nspawn.failures import AlreadySo, Denied, NoAnswer, NoSuch
from hyperhive.protocol.errors import Unavailable
from tests.nspawn.private_bus import CONTROL, PrivateBus, open_descriptors
from tests.support.wait import let_time_pass, wait_for

SAID = Signal(CONTROL.service, CONTROL.interface, "Said")


@pytest.fixture
async def glib() -> AsyncIterator[GLibThread]:
    made = GLibThread()
    yield made
    await made.close()


@pytest.fixture
async def connection(private_bus: PrivateBus, glib: GLibThread) -> AsyncIterator[Connection]:
    made = await Connection.open(glib, private_bus.address, 5)
    yield made
    await made.close()


async def emit(connection: Connection, path: str, text: str) -> None:
    await connection.call(CONTROL, "Emit", ("(os)", (path, text)), "()")


async def test_a_call_brings_its_answer(connection: Connection) -> None:
    assert await connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(s)") == ("text",)


async def test_many_calls_at_once_each_bring_their_own(connection: Connection) -> None:
    texts = [str(number) for number in range(200)]
    answers = await asyncio.gather(
        *(connection.call(CONTROL, "Echo", ("(s)", (text,)), "(s)") for text in texts)
    )
    assert [text for (text,) in answers] == texts


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("org.freedesktop.DBus.Error.AccessDenied", Denied, "polkit rule"),
        ("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", Denied, "polkit rule"),
        ("org.freedesktop.systemd1.NoSuchUnit", NoSuch, "what it says"),
        ("org.freedesktop.machine1.NoSuchMachine", NoSuch, "what it says"),
        ("org.freedesktop.systemd1.AlreadySubscribed", AlreadySo, "what it says"),
        ("org.freedesktop.DBus.Error.NoReply", NoAnswer, "in time"),
        ("org.freedesktop.DBus.Error.ServiceUnknown", Unavailable, "not on the bus"),
        ("org.freedesktop.systemd1.UnitMasked", Unavailable, "what it says .*UnitMasked"),
        ("com.example.Unheard", Unavailable, "what it says .*Unheard"),
    ],
)
async def test_errors_of_the_far_side_are_ours(
    connection: Connection, name: str, kind: type[Unavailable], says: str
) -> None:
    with pytest.raises(Unavailable, match=says) as raised:
        await connection.call(CONTROL, "Fail", ("(s)", (name,)), "()")
    assert type(raised.value) is kind
    assert "GDBus" not in raised.value.message


async def test_an_answer_of_another_form_is_an_error(connection: Connection) -> None:
    with pytest.raises(Unavailable, match="expected"):
        await connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(u)")


async def test_wrong_arguments_are_a_programming_error(connection: Connection) -> None:
    with pytest.raises(TypeError):
        await connection.call(CONTROL, "Echo", ("(s)", (5,)), "(s)")


async def test_no_answer_in_time_and_others_do_not_wait(connection: Connection) -> None:
    begun = time.monotonic()
    never = asyncio.create_task(connection.call(CONTROL, "Never", ("()", ()), "()", timeout=0.5))
    assert await connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(s)") == ("text",)
    assert time.monotonic() - begun < 0.4
    with pytest.raises(NoAnswer):
        await never
    assert 0.4 < time.monotonic() - begun < 2


async def test_a_bus_that_hangs_does_not_hold_the_loop(
    private_bus: PrivateBus, connection: Connection
) -> None:
    private_bus.freeze()
    call = asyncio.create_task(
        connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(s)", timeout=0.5)
    )
    longest, last = 0.0, time.monotonic()
    while not call.done():
        await asyncio.sleep(0)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    with pytest.raises(NoAnswer):
        await call
    assert longest < 0.3
    private_bus.resume()
    assert await connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(s)") == ("text",)


async def test_a_bus_that_dies_ends_what_waits(
    private_bus: PrivateBus, connection: Connection
) -> None:
    never = asyncio.create_task(connection.call(CONTROL, "Never", ("()", ()), "()"))
    await connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(s)")
    assert not connection.lost.is_set()
    private_bus.kill()
    with pytest.raises(NoAnswer):
        await asyncio.wait_for(never, 2)
    await asyncio.wait_for(connection.lost.wait(), 2)
    with pytest.raises(NoAnswer, match="connection"):
        await connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(s)")


async def test_without_a_bus(glib: GLibThread, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="connecting"):
        await Connection.open(glib, f"unix:path={tmp_path}/nothing", 5)


async def test_a_bus_that_does_not_shake_hands(private_bus: PrivateBus, glib: GLibThread) -> None:
    private_bus.freeze()
    with pytest.raises(NoAnswer):
        await Connection.open(glib, private_bus.address, 0.2)


# --- descriptors ---


async def test_descriptors_are_the_callers(connection: Connection) -> None:
    answer, descriptors = await connection.call_for_descriptors(
        CONTROL, "Descriptors", ("(uu)", (3, 0)), "(b)"
    )
    assert answer == (True,)
    assert len(set(descriptors)) == 3
    for descriptor in descriptors:
        os.fstat(descriptor)
        os.close(descriptor)


@pytest.mark.parametrize("when", ["late", "cancelled", "unasked"])
async def test_descriptors_for_nobody_are_closed(connection: Connection, when: str) -> None:
    await connection.call(CONTROL, "Descriptors", ("(uu)", (3, 0)), "(b)")
    before = open_descriptors()
    ask = ("(uu)", (3, 0 if when == "unasked" else 300))
    if when == "unasked":
        assert await connection.call(CONTROL, "Descriptors", ask, "(b)") == (True,)
    elif when == "late":
        with pytest.raises(NoAnswer):
            await connection.call_for_descriptors(CONTROL, "Descriptors", ask, "(b)", 0.1)
    else:
        call = asyncio.create_task(
            connection.call_for_descriptors(CONTROL, "Descriptors", ask, "(b)")
        )
        await connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(s)")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    await let_time_pass(0.4)  # until the answer is here
    await connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(s)")
    gc.collect()
    await wait_for(lambda: open_descriptors() <= before, what="descriptors to be closed")


async def test_descriptors_do_not_leak_however_the_task_is_cancelled(
    connection: Connection,
) -> None:
    async def ask(pause: float) -> None:
        call = asyncio.create_task(
            connection.call_for_descriptors(CONTROL, "Descriptors", ("(uu)", (2, 1)), "(b)")
        )
        await asyncio.wait([call], timeout=pause)
        if not call.cancel():
            for descriptor in call.result()[1]:
                os.close(descriptor)
        else:
            try:
                for descriptor in (await call)[1]:
                    os.close(descriptor)
            except asyncio.CancelledError:
                pass

    await ask(1)
    before = open_descriptors()
    for step in range(200):
        await ask(step / 50_000)
    await connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(s)")
    await wait_for(lambda: open_descriptors() <= before, what="descriptors to be closed")


# --- signals ---


async def test_signals_come_on_the_loop_until_they_are_not_wanted(connection: Connection) -> None:
    heard: list[tuple[str, tuple[object, ...], str]] = []
    end = connection.subscribe(
        SAID, lambda path, values: heard.append((path, values, threading.current_thread().name))
    )
    await emit(connection, "/some/where", "one")
    await wait_for(lambda: heard)
    assert heard == [("/some/where", ("one",), threading.current_thread().name)]
    end()
    await emit(connection, "/some/where", "two")
    await emit(connection, "/some/where", "three")
    assert len(heard) == 1


async def test_only_signals_that_are_asked_for(connection: Connection) -> None:
    heard: list[tuple[str, tuple[object, ...]]] = []
    wanted = Signal(SAID.service, SAID.interface, SAID.member, "yes", "/here/")
    connection.subscribe(wanted, lambda *signal: heard.append(signal))
    for path, text in [
        ("/here/a", "no"),
        ("/there/a", "yes"),
        ("/here", "yes"),
        ("/here/b", "yes"),
    ]:
        await emit(connection, path, text)
    await wait_for(lambda: heard)
    assert heard == [("/here/b", ("yes",))]


# --- the end ---


async def test_closing_ends_what_waits_and_the_thread(private_bus: PrivateBus) -> None:
    glib = GLibThread()
    connection = await Connection.open(glib, private_bus.address, 5)
    never = asyncio.create_task(connection.call(CONTROL, "Never", ("()", ()), "()"))
    await connection.call(CONTROL, "Echo", ("(s)", ("text",)), "(s)")
    await connection.close()
    with pytest.raises(NoAnswer):
        await asyncio.wait_for(never, 2)
    await connection.close()
    await glib.close()
    assert "glib" not in [thread.name for thread in threading.enumerate()]


def test_what_comes_after_the_loop_is_closed_harms_nobody(
    private_bus: PrivateBus, capsys: pytest.CaptureFixture[str]
) -> None:
    async def begin() -> tuple[GLibThread, Connection]:
        glib = GLibThread()
        connection = await Connection.open(glib, private_bus.address, 5)
        connection.subscribe(SAID, lambda *_: None)
        return glib, connection

    glib, _ = asyncio.run(begin())
    private_bus.kill()
    asyncio.run(glib.close())
    assert capsys.readouterr().err == ""
