"""Programs run to their end, or to ours: bounded in time and output, gone with all they started."""

import asyncio
import os
from pathlib import Path

import pytest

from hyperhive.harness.programs import Ended, run
from hyperhive.protocol.errors import TooLarge, Unavailable
from tests.support.wait import wait_for

ENVIRONMENT = {"PATH": os.environ["PATH"], "WORD": "x"}


async def shell(script: str, given: bytes = b"", seconds: float = 10, limit: int = 1_000) -> Ended:
    return await run(
        ["sh", "-c", script], environment=ENVIRONMENT, seconds=seconds, limit=limit, given=given
    )


async def test_output_complaints_and_status_come_back() -> None:
    script = "cat; echo $WORD $HOME; echo no >&2; exit 3"
    assert await shell(script, b"in\n") == Ended(3, b"in\nx\n", b"no\n")


async def test_input_that_nobody_reads_holds_nobody_up() -> None:
    assert (await shell("exit 0", bytes(10**7))).status == 0


@pytest.mark.parametrize("stream", [1, 2])
async def test_too_much_output_ends_it(stream: int) -> None:
    with pytest.raises(TooLarge, match="sh wrote more than 1000 bytes"):
        await shell(f"while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaa >&{stream}; done")


async def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"sh took longer than 0\.3 s"):
        await shell(f"sleep 60 & echo $! > {tmp_path}/pid; wait", seconds=0.3)
    pid = int((tmp_path / "pid").read_text())
    await wait_for(lambda: not Path(f"/proc/{pid}/cwd").exists() or ended(pid), 5, "its child")


def ended(pid: int) -> bool:
    """Also one that nobody has waited for yet."""
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


async def test_a_call_that_is_cancelled_ends_it(tmp_path: Path) -> None:
    task = asyncio.create_task(shell(f"touch {tmp_path}/begun; exec sleep 60"))
    await wait_for((tmp_path / "begun").exists, 5, "the program")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_is_not_there_is_said() -> None:
    with pytest.raises(Unavailable, match="no-such-program cannot be started: No such file"):
        await run(["no-such-program"], environment={"PATH": "/"}, seconds=1, limit=1)
