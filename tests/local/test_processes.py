"""Processes as /proc shows them, also while they come and go."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hyperhive.local import processes
from hyperhive.local.processes import Process, descendants, end_all, every_process, look_up
from tests.local.conftest import open_files
from tests.support.processes import Child, child
from tests.support.wait import wait_for


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Child]:
    """A process with an odd name and an odd environment."""
    environment = {"MARK": "a=b", "EMPTY": "", "PATH": os.environ["PATH"]}
    code = "import ctypes,time; ctypes.CDLL(None).prctl(15, b') R 1 (', 0, 0, 0); time.sleep(600)"
    with child([sys.executable, "-c", code], tmp_path / "log", env=environment) as started:
        yield started


async def named(pid: int) -> Process:
    """Once it has taken its odd name."""
    comm = Path(f"/proc/{pid}/comm")
    await wait_for(lambda: comm.read_text() == ") R 1 (\n", 20)
    found = look_up(pid)
    assert found is not None
    return found


async def test_a_process_is_seen_as_it_is(sleeper: Child) -> None:
    found = await named(sleeper.pid)
    assert (found.pid, found.parent, found.session) == (sleeper.pid, os.getpid(), sleeper.pid)
    assert found.uids == {os.geteuid()}
    assert (found.environment["MARK"], found.environment["EMPTY"]) == ("a=b", "")
    assert found in list(every_process())


async def test_what_has_ended_is_not_seen(sleeper: Child) -> None:
    sleeper.process.kill()
    await wait_for(lambda: look_up(sleeper.pid) is None)  # a zombie: nobody has waited for it
    assert Path(f"/proc/{sleeper.pid}").exists()
    sleeper.process.wait()
    assert look_up(sleeper.pid) is None
    assert look_up(2**22 + 1) is None


@pytest.mark.parametrize("step", ["stat", "status", "environ"])
async def test_one_may_vanish_at_any_step(
    sleeper: Child, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def vanish(path: Path, *args: object, **options: object) -> object:
        if path == Path(f"/proc/{sleeper.pid}/{step}") and sleeper.process.poll() is None:
            sleeper.process.kill()
            sleeper.process.wait()
        return real(path, *args, **options)  # type: ignore[call-overload]  # passed on as it came

    monkeypatch.setattr(Path, "open", vanish)
    found = [p for p in every_process() if p.pid == sleeper.pid]
    assert found == [] or (step == "environ" and found[0].environment == {})
    assert sleeper.process.returncode is not None


async def test_while_processes_come_and_go(tmp_path: Path) -> None:
    """Listing them finds what stays, and breaks over nothing."""
    churn = "for i in $(seq 300); do (true & true & wait); done; exec sleep 600"
    with child(["sh", "-c", churn], tmp_path / "log") as busy:
        for _ in range(30):
            pids = {p.pid for p in await asyncio.to_thread(lambda: list(every_process()))}
            assert {os.getpid(), busy.pid} <= pids


async def test_descendants_are_all_generations(tmp_path: Path) -> None:
    script = "sh -c 'sleep 600 & wait' & wait"
    with child(["sh", "-c", script], tmp_path / "log") as top:
        found = await wait_for(lambda: f if len(f := descendants(top.pid)) == 2 else None)
        for pid, started in found:
            process = look_up(pid)
            assert process is not None
            assert process.started == started
        assert descendants(2**22 + 1) == frozenset()


async def test_term_comes_before_kill(tmp_path: Path) -> None:
    script = "trap 'echo told; exit' TERM; echo up; while :; do sleep 0.01; done"
    with child(["sh", "-c", script], tmp_path / "log") as polite:
        polite.wait_for_output("up")
        before = open_files()
        assert await end_all(lambda p: p.pid == polite.pid, 5)
        assert polite.output == "up\ntold\n"
        assert open_files() == before


async def test_kill_comes_in_the_end(tmp_path: Path) -> None:
    with child(["sh", "-c", "trap '' TERM; echo up; sleep 600"], tmp_path / "log") as deaf:
        deaf.wait_for_output("up")
        assert await end_all(lambda p: p.session == deaf.pid, 0.1)
        assert deaf.process.wait() == -signal.SIGKILL


async def test_what_cannot_be_ended_is_told(
    sleeper: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_GIVE_UP", 0.1)
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
    assert not await end_all(lambda p: p.pid == sleeper.pid, 0.1)


async def test_a_pid_given_to_another_is_not_hit(sleeper: Child) -> None:
    """What was picked has ended, and its number is in use again."""
    found = await named(sleeper.pid)
    older = Process(found.pid, found.parent, found.session, found.started - 1, found.uids, {})
    processes._signal(older, signal.SIGKILL)
    processes._signal(Process(2**22 + 1, 1, 1, 1, found.uids, {}), signal.SIGKILL)
    assert sleeper.process.poll() is None
    processes._signal(found, signal.SIGKILL)
    assert sleeper.process.wait(10) == -signal.SIGKILL


@pytest.mark.root
async def test_a_user_is_killed_whole_and_nobody_else(sleeper: Child) -> None:
    first, second = 1_900_000_001, 1_900_000_002
    start = partial(subprocess.Popen, ["sleep", "600"])
    with start(user=first) as one, start(user=first) as two, start(user=second) as other:
        await asyncio.to_thread(processes.kill_user, first)
        assert one.wait(10) == two.wait(10) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()
    assert sleeper.process.poll() is None


_KILLS_ITS_OWN = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    if os.fork():
        os._exit(0)
    os.kill(-1, signal.SIGKILL)
"""


@pytest.mark.root
async def test_a_user_cannot_kill_what_is_to_kill_it() -> None:
    """It forks for ever, and each time kills all others of its uid, the executioner too."""
    uid = 1_900_000_001
    argv = [sys.executable, "-I", "-S", "-c", _KILLS_ITS_OWN]
    start = partial(subprocess.Popen, argv, user=uid, group=uid, extra_groups=[])
    for _ in range(5):
        held, hold = os.pipe()
        try:
            with start(stdout=hold) as first:
                os.close(hold)
                assert await asyncio.to_thread(os.read, held, 3) == b"up\n"
                first.wait(10)
            await asyncio.to_thread(processes.kill_user, uid)
            ended, _, _ = select.select([held], [], [], 5)
            assert ended  # the last one that could write has gone
            assert os.read(held, 1) == b""
        finally:
            os.close(held)
