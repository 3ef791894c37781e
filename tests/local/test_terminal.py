"""Terminals of agents that are plain processes: real shells on real pseudo-terminals."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from hyperhive.local.runtime import LocalRuntime
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.terminal import SHELL_ENVIRONMENT
from tests.local.conftest import Hive, open_files
from tests.support.terminals import Screen
from tests.support.wait import let_time_pass, wait_for


@asynccontextmanager
async def shell(runtime: LocalRuntime, rows: int = 24, columns: int = 80) -> AsyncIterator[Screen]:
    opened = await runtime.open_terminal("alice", "agent", rows, columns)
    try:
        yield Screen(opened)
    finally:
        await opened.close()


def commands(hive: Hive) -> list[str]:
    """Command lines of what runs as alice."""
    found = []
    for process in hive.processes("alice"):
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        found.append(line.replace(b"\0", b" ").decode().strip())
    return found


async def test_a_shell_is_the_agents_own(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the service")
    uid = None
    async with hive.running("wait", "alice") as runtime, shell(runtime, 31, 97) as screen:
        uid = hive.files("alice").joinpath("state").stat().st_uid
        await screen.type(
            "stty size; echo uid $(id -u):$(id -g):$(id -G) in $PWD, ${SECRET:-none}\n"
        )
        await screen.until(rb"\r31 97\r")
        here = str(hive.files("alice") / "workspace").encode()
        await screen.until(rb"uid %d:%d:[0-9 ]* in %s, none" % (uid, uid, here))
        await screen.type("echo ~ >&2; tty; echo h\N{LATIN SMALL LETTER E WITH ACUTE}\n")
        await screen.until(str(hive.files("alice") / "home").encode())
        await screen.until(rb"/dev/pts/[0-9]+")
        await screen.until(b"\nh\xc3\xa9\r")


async def test_a_resize_is_told(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime, shell(runtime) as screen:
        await screen.type("trap 'echo is $(stty size)' WINCH; echo rea''dy\n")
        await screen.until(b"ready")
        screen.terminal.resize(50, 120)
        await screen.type("\n")
        await screen.until(b"is 50 120")


async def test_it_controls_its_terminal(hive: Hive) -> None:
    """Keys become signals, and jobs can be put aside."""
    async with hive.running("wait", "alice") as runtime, shell(runtime) as screen:
        await screen.type("sleep 600\n")
        await wait_for(lambda: "sleep 600" in commands(hive) or None, 10)
        await screen.type("\x1a")
        await screen.until(b"Stopped")
        await screen.type("fg\n")
        await screen.until(b"fg\r.*sleep 600\r")
        await screen.type("\x03")
        await screen.type("echo status $?\n")
        await screen.until(b"status 130")


async def test_its_end_is_seen_though_a_job_goes_on(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime, shell(runtime) as screen:
        await screen.type("(trap '' HUP; exec sleep 601) & exit\n")
        await screen.to_end()
        with pytest.raises(Unavailable):
            await screen.type("more")
    assert not [line for line in commands(hive) if line.startswith("sleep")]


@pytest.mark.parametrize(
    "command",
    [
        "sleep 602",
        "sleep 602 & sleep 602",
        "nohup sleep 602 >/dev/null 2>&1 &",
        "trap '' HUP TERM INT; sleep 602; sleep 602",
    ],
)
async def test_closing_ends_the_whole_session(hive: Hive, command: str) -> None:
    async with hive.running("wait", "alice") as runtime:
        only = len(hive.processes("alice"))
        async with shell(runtime) as screen:
            await screen.type(f"{command}\n")
            await wait_for(lambda: "sleep 602" in commands(hive) or None, 10)
        assert len(hive.processes("alice")) == only


async def test_stopping_the_agent_ends_its_terminals(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime, shell(runtime) as screen:
        await screen.type("setsid sleep 603 & echo rea''dy\n")
        await screen.until(b"ready")
        await runtime.stop("alice")
        assert hive.processes("alice") == []
        await screen.to_end()


async def test_who_has_none(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime:
        with pytest.raises(Unavailable, match="no root shell"):
            await runtime.open_terminal("alice", "root", 24, 80)
        with pytest.raises(Unavailable, match="bob does not run"):
            await runtime.open_terminal("bob", "agent", 24, 80)
        await runtime.stop("alice")
        with pytest.raises(Unavailable, match="alice does not run"):
            await runtime.open_terminal("alice", "agent", 24, 80)


async def test_a_shell_is_not_taken_for_a_harness(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime, shell(runtime) as screen:
        await screen.type("export | grep -c HYPERHIVE_\n")
        await screen.until(b"\r0\r")


async def test_a_shell_is_told_what_the_harness_says(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime:
        told = hive.files("alice") / "state" / SHELL_ENVIRONMENT
        told.write_text("export http_proxy='http://127.0.0.1:1'\n")
        told.chmod(0o644)
        async with shell(runtime) as screen:
            await screen.type("echo by $http_proxy\n")
            await screen.until(b"by http://127.0.0.1:1\r")


async def test_nothing_leaks_over_fifty_openings(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime:
        processes = len(hive.processes("alice"))
        async with shell(runtime) as screen:
            await screen.type("echo rea''dy\n")
            await screen.until(b"ready")
        before = open_files()
        for _ in range(5):
            opened = [await runtime.open_terminal("alice", "agent", 24, 80) for _ in range(10)]
            await asyncio.gather(*(terminal.close() for terminal in opened))
        assert open_files() == before
        assert len(hive.processes("alice")) == processes


async def test_a_shell_inherits_no_descriptor(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime:
        async with shell(runtime), shell(runtime) as screen:
            await screen.type("ls -C /proc/$$/fd\n")
            found = await screen.until(rb"\r([0-9 ]+)\r\n")
        assert set(found[1].split()) <= {b"0", b"1", b"2", b"255"}  # 255 is bash's own


@pytest.mark.parametrize("free", range(4))
async def test_too_few_descriptors_are_no_leak_either(hive: Hive, free: int) -> None:
    async with hive.running("wait", "alice") as runtime:
        before = open_files()
        with descriptors_left(free), pytest.raises(Unavailable, match="alice gets no terminal"):
            await runtime.open_terminal("alice", "agent", 24, 80)
        assert open_files() == before


@contextmanager
def descriptors_left(free: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 16, limits[1]))
    filling: list[int] = []
    try:
        with suppress(OSError):
            while True:
                filling.append(os.dup(0))
        for _ in range(free):
            os.close(filling.pop())
        yield
    finally:
        for fd in filling:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_a_flood_waits_for_its_reader(hive: Hive) -> None:
    """The shell is blocked and nothing of what it writes is held here."""
    async with hive.running("wait", "alice") as runtime, shell(runtime) as screen:
        await screen.type("echo $$ is it; exec yes\n")
        pid = int((await screen.until(rb"\r([0-9]+) is it"))[1])
        await screen.until(rb"y\r\ny\r\n")
        before = _memory()
        written = [await _blocked(pid), 0]
        await let_time_pass(0.3)
        written[1] = await _blocked(pid)
        assert written[0] == written[1]
        assert _memory() - before < 4 * 1024 * 1024
        assert 0 < len(await screen.terminal.read()) <= 64 * 1024


async def _blocked(pid: int) -> int:
    """Bytes that the process has written, once it writes no more (proc(5), io)."""
    seen = -1

    async def still() -> int | None:
        nonlocal seen
        fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
        last, seen = seen, int(fields["wchar"])
        await let_time_pass(0.05)
        return seen if seen == last else None

    return await wait_for(still, 10)


def _memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
