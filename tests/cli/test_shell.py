"""`hyperhive shell` in a real terminal and in pipes, against a service whose agent runs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hyperhive.cli.keyboard import Escape
from hyperhive.pty_stream import PtyStream, window
from tests.support.real_service import IDLE_AGENTS, Swarm, short_directory
from tests.support.terminals import Screen
from tests.support.wait import wait_for

PROMPT = rb"[#$] "


@pytest.fixture(scope="module")
def running() -> Iterator[Swarm]:
    """Alice runs, the manager does not."""
    with short_directory() as root:
        config = {"agents": {"alice": {"autoStart": True}}}
        swarm = Swarm(root, ("alice",), program=IDLE_AGENTS, config=config)
        swarm.prepare()
        swarm.start()
        try:
            swarm.wait_ready()
            asyncio.run(wait_for(lambda: "alice" in swarm.harness_pids() or None, 20))
            yield swarm
        finally:
            swarm.kill(signal.SIGINT)
        assert "Traceback" not in swarm.log.read_text()


def argv(swarm: Swarm, *arguments: str) -> list[str]:
    socket = f"--socket={swarm.root / 'run' / 'admin.sock'}"
    return [sys.executable, "-m", "hyperhive.cli", socket, "shell", *arguments]


class Person:
    """Sits at a terminal in which `hyperhive shell` runs."""

    def __init__(self, swarm: Swarm, *arguments: str) -> None:
        master, self.slave = os.openpty()
        termios.tcsetwinsize(self.slave, (30, 90))
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            argv(swarm, *arguments), stdin=self.slave, stdout=self.slave, stderr=self.slave
        )
        self.stream = PtyStream(master, self._nothing)
        self.screen = Screen(self.stream)

    async def _nothing(self) -> None:
        pass

    def resize(self, rows: int, columns: int) -> None:
        """As the kernel does for a program that this is the controlling terminal of."""
        termios.tcsetwinsize(self.slave, (rows, columns))
        self.process.send_signal(signal.SIGWINCH)

    async def code(self) -> int:
        return await asyncio.to_thread(self.process.wait, 15)

    @property
    def mended(self) -> bool:
        return termios.tcgetattr(self.slave) == self.before


@asynccontextmanager
async def sitting(swarm: Swarm, *arguments: str) -> AsyncIterator[Person]:
    person = Person(swarm, *arguments)
    try:
        yield person
    finally:
        person.process.kill()
        person.process.wait()
        await person.stream.close()
        os.close(person.slave)


async def test_a_shell_that_ends_by_itself(running: Swarm) -> None:
    async with sitting(running, "alice") as person:
        await person.screen.until(PROMPT)
        assert not person.mended
        await person.screen.type("stty size; echo $PWD\r")
        await person.screen.until(rb"30 90.*agents/alice/workspace")
        await person.screen.type("echo h\N{LATIN SMALL LETTER E WITH ACUTE}''llo\r")
        await person.screen.until(b"\nh\xc3\xa9llo\r|\rh\xc3\xa9llo\r")
        await person.screen.type("exit\r")
        assert await person.code() == 0
        assert person.mended


async def test_a_resized_window_is_told(running: Swarm) -> None:
    async with sitting(running, "alice") as person:
        await person.screen.until(PROMPT)
        person.resize(40, 120)

        async def told() -> bool:
            await person.screen.type("stty size\r")
            return (await person.screen.until(rb"\r(\d+ \d+)\r"))[1] == b"40 120"

        await wait_for(told, 10)
        await person.screen.type("exit\r")
        assert await person.code() == 0


async def test_a_tilde_and_a_dot_close_it(running: Swarm) -> None:
    async with sitting(running, "alice") as person:
        await person.screen.until(PROMPT)
        await person.screen.type("sleep 600\r")
        await person.screen.until(b"sleep 600")
        await person.screen.type("\r~.")
        assert await person.code() == 0
        assert person.mended


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
async def test_a_signal_mends_the_terminal(running: Swarm, number: signal.Signals) -> None:
    async with sitting(running, "alice") as person:
        await person.screen.until(PROMPT)
        person.process.send_signal(number)
        await person.code()
        assert person.mended


async def test_an_agent_that_stops_mends_the_terminal(running: Swarm) -> None:
    async with sitting(running, "alice") as person:
        await person.screen.until(PROMPT)
        async with running.admin as admin:
            await admin.call("kill", name="alice")
            assert await person.code() == 0
            assert person.mended
            await wait_for(lambda: "alice" not in running.harness_pids() or None, 20)
            await admin.call("start", name="alice")
            await wait_for(lambda: "alice" in running.harness_pids() or None, 20)


def in_pipes(swarm: Swarm, typed: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        argv(swarm, *arguments), input=typed, capture_output=True, timeout=30, check=False
    )


def test_in_pipes_what_comes_in_is_typed(running: Swarm) -> None:
    for typed in (b"echo se''en\n", b"echo se''en"):
        done = in_pipes(running, typed, "alice")
        assert done.returncode == 0
        if typed.endswith(b"\n"):
            assert b"\rseen\r" in done.stdout
        assert done.stderr == b""


def test_a_flood_arrives_whole(running: Swarm) -> None:
    done = in_pipes(running, b"yes | head -c 3000000; exit\n", "alice")
    assert done.returncode == 0
    assert done.stdout.count(b"y\r\n") >= 1_500_000


def test_a_file_is_typed_too(running: Swarm, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo from''file\n")
    with script.open("rb") as file:
        done = subprocess.run(argv(running, "alice"), stdin=file, capture_output=True, timeout=30)
    assert (done.returncode, b"fromfile" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody",), b"hyperhive: there is no agent 'nobody'\n"),
        (("manager",), b"hyperhive: manager does not run\n"),
        (("alice", "--user", "root"), b"hyperhive: the local runtime has no root shell\n"),
        (("../x",), b"hyperhive: name: must be"),
    ],
)
def test_a_refusal_is_told(running: Swarm, arguments: tuple[str, ...], said: bytes) -> None:
    done = in_pipes(running, b"", *arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(said)


async def test_it_is_audited_with_who(running: Swarm) -> None:
    in_pipes(running, b"exit\n", "alice")
    async with running.admin as admin:
        entries = (await admin.call("audit"))["entries"]
    newest = next(e for e in entries if e["action"] == "terminal_opened")
    assert (newest["actor"], newest["subject"]) == ("operator", "alice")
    assert newest["detail"] == f"as agent, admin socket, uid {os.geteuid()}"


@pytest.mark.parametrize(
    ("typed", "passed", "closing"),
    [
        (b"~.", b"", True),
        (b"ab\r~.c", b"ab\r", True),
        (b"ab~.", b"ab~.", False),
        (b"~~.", b"~.", False),
        (b"~x", b"~x", False),
        (b"x\n~\n~.", b"x\n~\n", True),
    ],
)
def test_the_escape_is_only_one_at_the_beginning_of_a_line(
    typed: bytes, passed: bytes, closing: bool
) -> None:
    assert Escape().take(typed) == (passed, closing)
    one_by_one, escape, told = b"", Escape(), False
    for key in typed:
        if not told:
            part, told = escape.take(bytes([key]))
            one_by_one += part
    assert (one_by_one, told) == (passed, closing)


def test_a_window_is_what_the_kernel_takes() -> None:
    assert window(24, 80) == b"\x18\0\x50\0\0\0\0\0"
