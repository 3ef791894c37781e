"""Pytest plugin: a test that leaves tasks, threads, processes or mounts behind fails."""

import asyncio
import contextlib
import ctypes
import inspect
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
GRACE = 1.0  # seconds that what was told to end may take to be gone


def pytest_configure() -> None:
    """Makes orphans ours: a grandchild whose parent died shows up among the children (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    children, threads, mounts = _children(), set(threading.enumerate()), _mounts()
    yield
    left = [
        *(f"process {pid}: {line}" for pid, line in _end_children(children).items()),
        *(f"thread {thread.name}" for thread in _join_threads(threads)),
        *(f"mount {point}" for number, point in _mounts().items() if number not in mounts),
    ]
    if left:
        pytest.fail("the test left behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture(autouse=True)
def no_task_left_behind(request: pytest.FixtureRequest, nothing_left_behind: None) -> None:
    """Asks for a loop only where the test has one; being first, it is torn down after all else."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("settled_loop")


@pytest.fixture
async def settled_loop() -> AsyncIterator[None]:
    loop, before = asyncio.get_running_loop(), asyncio.all_tasks()
    lost: list[str] = []
    loop.set_exception_handler(lambda _, context: lost.append(_describe(context)))
    yield
    await _let_finished_tasks_end()
    tasks = asyncio.all_tasks() - before - {asyncio.current_task()}
    left = [f"task {task.get_name()}: {task.get_coro()}" for task in tasks] + lost
    if left:
        pytest.fail("the test left behind:\n  " + "\n  ".join(left), pytrace=False)


def _describe(context: dict[str, object]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"


async def _let_finished_tasks_end() -> None:
    """A cancelled task, or one past its last await, needs a few rounds of the loop, not time."""
    for _ in range(10):
        await asyncio.sleep(0)


def _children() -> set[int]:
    """Pids whose parent is this process, whichever of its threads started them."""
    found: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            found.update(int(pid) for pid in file.read_text().split())
    return found


def _end_children(before: set[int]) -> dict[int, str]:
    """Gives new children `GRACE` to end, kills the others and returns their command lines."""
    deadline = time.monotonic() + GRACE
    while alive := {pid for pid in _children() - before if not _reap(pid)}:
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    lines = {pid: _command_line(pid) for pid in alive}
    for pid in alive:
        # A thread of asyncio may be waiting for it too, and be first to hear that it is dead.
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return lines


def _reap(pid: int) -> bool:
    """Whether the child is dead; takes its status, as nobody else can still be waiting for it."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return "ended meanwhile"


def _join_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    """Daemon threads are left alone: they cannot keep the process from ending."""
    new = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    for thread in new:
        thread.join(GRACE)
    return [thread for thread in new if thread.is_alive()]


def _mounts() -> dict[str, str]:
    """Mount id to mount point (proc_pid_mountinfo(5)); only root can leave one behind.

    Of this run's own temporary directory where it has one: other runs mount, too.
    """
    if os.geteuid() != 0:
        return {}
    root = os.environ.get("HIVE_TEST_ROOT", "/")
    lines = [line.split(" ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return {fields[0]: fields[4] for fields in lines if fields[4].startswith(root)}
