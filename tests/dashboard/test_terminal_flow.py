"""What flows through the browser's terminal: both ways, in pieces, and no more than is taken."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from hyperhive.protocol.terminal import ENDED, MAX_FRAME, REFUSED, WINDOW
from tests.support.swarm import Swarm
from tests.support.viewing import PATH, PROMPT, Client, viewing
from tests.support.wait import let_time_pass


@pytest.fixture(autouse=True)
async def running(hive: Swarm) -> Swarm:
    await hive.start("alice")
    return hive


async def test_typing_and_seeing(running: Swarm, browser: Client) -> None:
    async with viewing(browser, f"{PATH}?rows=33&columns=111") as viewer:
        await viewer.type("stty size\n")
        await viewer.until(rb"\r33 111\r")
        await viewer.control(resize=[50, 120])
        await viewer.type("stty size; exit\n")
        await viewer.until(rb"\r50 120\r")
        assert await viewer.end() == (ENDED, "the shell has ended")


async def test_a_character_in_two_frames_arrives_whole(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        await viewer.until(PROMPT)
        await viewer.socket.send_bytes(b"echo seen-h\xc3")
        await viewer.socket.send_bytes(b"\xa9\n")
        await viewer.until(b"\rseen-h\xc3\xa9\r")
        await viewer.type(r"printf 'a\303'; sleep 0.2; printf '\251z\n'" + "\n")
        await viewer.until(b"\ra\xc3\xa9z\r")


async def test_a_flood_waits_for_who_does_not_acknowledge(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        viewer.acknowledges = False
        await viewer.type("yes\n")
        with suppress(TimeoutError):
            async with asyncio.timeout(1.5):
                while await viewer.next():
                    pass
        assert WINDOW - MAX_FRAME < viewer.owed <= WINDOW
        await viewer.acknowledge()
        viewer.acknowledges = True
        assert await viewer.next()
        await viewer.type("\x03echo th''ere\n")
        await viewer.until(b"there")


async def test_a_flood_is_not_held_for_who_does_not_read(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        before = memory()
        await viewer.type("yes\n")
        await let_time_pass(1.0)
        assert memory() - before < 8 * 2**20


async def test_what_is_typed_while_nobody_reads_is_held_within_bounds(
    running: Swarm, browser: Client
) -> None:
    async with viewing(browser) as viewer:
        await viewer.type("stty raw -echo; echo rea''dy; exec sleep 600\n")
        await viewer.until(b"ready")
        for _ in range(8):
            await viewer.socket.send_bytes(b"x" * (MAX_FRAME - 100))
        code, reason = await viewer.end()
    assert (code, "typed ahead" in reason) == (REFUSED, True)


async def test_a_big_paste_through_what_echoes_it(running: Swarm, browser: Client) -> None:
    """Both directions are full at once, and neither waits for the other for ever."""
    total, piece = 2 * 2**20, 32 * 1024
    async with viewing(browser) as viewer:
        await viewer.type("stty raw -echo; echo rea''dy; exec head -c 2097152\n")
        await viewer.until(b"ready\r?\n")
        viewer.taken = 0
        sent = 0
        while sent < total:
            await viewer.socket.send_bytes(b"%07d\n" % (sent // piece) * (piece // 8))
            sent += piece
            while sent - viewer.taken > WINDOW - piece:
                assert await viewer.next()
        while await viewer.next():
            pass
        assert viewer.socket.close_code == ENDED
        assert len(viewer.shown) == total
        numbers = re.findall(rb"(?:(\d{7})\n){%d}" % (piece // 8), viewer.shown)
        assert [int(number) for number in numbers] == list(range(total // piece))


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ('{"ack": 262144}', "ack: "),
        ('{"ack": -1}', "ack: "),
        ('{"resize": [0, 5]}', "resize"),
        ('{"resize": [5]}', "resize"),
        ("[]", "control frame: must be a JSON object with `ack` or `resize`"),
        ('"x"', "control frame: "),
        ("{", "JSON"),
        ('{"a": 1}', "a: "),
    ],
)
async def test_a_wrong_frame_ends_it_with_the_reason(
    running: Swarm, browser: Client, frame: str, said: str
) -> None:
    async with viewing(browser) as viewer:
        await viewer.until(PROMPT)
        await viewer.control(resize=[10, 10])
        await viewer.socket.send_str(frame)
        code, reason = await viewer.end()
    assert code == REFUSED
    assert said in reason


async def test_a_frame_too_long_ends_it(running: Swarm, browser: Client) -> None:
    async with viewing(browser) as viewer:
        await viewer.socket.send_bytes(b"x" * (MAX_FRAME + 1))
        assert (await viewer.end())[0] == 1009


def memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
