"""Programs are run to their end, and not beyond their bounds."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

import pytest

from hyperhive.flakes.process import Kept, TookTooLong, run
from hyperhive.protocol.errors import TooLarge, Unavailable
from tests.support.wait import wait_for

CHILD = "import os,sys,time; os.fork(); open(sys.argv[1],'a').write(f'{os.getpid()}\\n')\n"
WAITS = CHILD + "time.sleep(100)"


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-c", code, *arguments]


async def ran(
    code: str, *arguments: str, seconds: float = 20.0, given: bytes = b""
) -> tuple[int, bytes, bytes]:
    output, errors = Kept(1_000), Kept(1_000)
    status = await run(
        python(code, *arguments),
        environment={"A": "b"},
        seconds=seconds,
        output=output,
        errors=errors,
        given=given,
    )
    return status, output.data, errors.data


def alive(file: Path) -> list[str]:
    """Of the processes that wrote their number down, those that still run."""
    return [pid for pid in file.read_text().split() if Path("/proc", pid, "exe").exists()]


async def test_what_it_wrote_and_how_it_ended() -> None:
    code = "import sys; print(sys.stdin.read()); print('no', file=sys.stderr); sys.exit(3)"
    assert await ran(code, given=b"yes") == (3, b"yes\n", b"no\n")


async def test_it_gets_the_environment_that_it_is_given_and_no_input() -> None:
    code = "import os,sys; print(sorted(set(os.environ) - {'LC_CTYPE'}), sys.stdin.read())"
    assert (await ran(code))[1] == b"['A'] \n"


async def test_a_signal_is_a_negative_status() -> None:
    assert (await ran("import os; os.kill(os.getpid(), 9)"))[0] == -9


async def test_what_does_not_read_its_input_is_no_error() -> None:
    assert (await ran("pass", given=b"x" * 1_000_000))[0] == 0


async def test_it_is_killed_with_its_children_when_it_takes_too_long(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with pytest.raises(TookTooLong, match="longer than 2 s"):
        await ran(WAITS, str(file), seconds=2.0)
    assert len(file.read_text().split()) == 2
    await wait_for(lambda: not alive(file), what="no process")


async def test_it_is_killed_when_it_writes_too_much(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with pytest.raises(TooLarge, match="more than 1000 bytes"):
        await ran(CHILD + "while True: print('x' * 100, flush=True)", str(file))
    await wait_for(lambda: not alive(file), what="no process")


async def test_it_is_killed_while_more_is_written_than_is_read(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    writes = "import os\nwhile True: os.write(1, b'x' * 65536)"
    with pytest.raises(TooLarge):
        await ran(CHILD + writes, str(file))
    await wait_for(lambda: not alive(file), what="no process")


async def test_what_escapes_from_it_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    escape = "if os.getpid() != first: os.setsid()\n"
    code = f"import os; first = os.getpid()\n{CHILD}{escape}time.sleep(3)"
    with pytest.raises(TookTooLong):
        await ran(code, str(file), seconds=1.0)
    assert len(alive(file)) == 1
    await wait_for(lambda: not alive(file), what="no process")


async def test_it_is_killed_when_nobody_waits_any_more(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    task = asyncio.create_task(ran(WAITS, str(file)))
    await wait_for(lambda: file.exists() and len(file.read_text().split()) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_for(lambda: not alive(file), what="no process")


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("steps", range(4))
async def test_nothing_is_left_however_early_and_often_it_is_cancelled(
    steps: int, again: bool
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    task = asyncio.create_task(ran("import time; time.sleep(100)"))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    if again:
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    await wait_for(lambda: len(list(Path("/proc/self/fd").iterdir())) == before)


async def test_a_program_that_is_not_there() -> None:
    with pytest.raises(Unavailable, match="no-such-program cannot be started"):
        await run(["no-such-program"], environment={}, seconds=1, output=Kept(1), errors=Kept(1))


async def test_it_has_no_more_than_its_limits() -> None:
    read = "import resource,sys,time\nwhile resource.getrlimit(resource.RLIMIT_AS)[0] < 0: pass\n"
    read += "print(resource.getrlimit(resource.RLIMIT_CPU))\nbytearray(2**30)"
    output, errors = Kept(1_000), Kept(10_000)
    limits = {resource.RLIMIT_CPU: 7, resource.RLIMIT_AS: 2**29}
    status = await run(
        python(read), environment={}, seconds=20.0, output=output, errors=errors, limits=limits
    )
    assert (status, output.data) == (1, b"(7, 7)\n")
    assert b"MemoryError" in errors.data
