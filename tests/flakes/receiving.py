"""Receives one pack in a process of its own, so that the memory it takes is no other test's.

`python -m tests.flakes.receiving DIRECTORY COMMIT <PACK`
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from hyperhive.flakes.git import Repositories
from hyperhive.flakes.quarantine import Quarantine
from hyperhive.protocol.errors import InvalidField, TooLarge
from tests.flakes.forge import Offer

CLONE = Path(__file__).parents[2]
TOO_LONG = 120.0


@dataclass(frozen=True)
class Received:
    """`problem` is empty where the pack is held; `peak` is of bytes, of the largest program."""

    problem: str
    seconds: float
    peak: int


async def received(directory: Path, offer: Offer) -> Received:
    """Into the repository of alice below `directory`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.flakes.receiving", str(directory), offer.commit),
        cwd=CLONE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        answer, _ = await asyncio.wait_for(process.communicate(offer.pack), TOO_LONG)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return Received(**json.loads(answer))


async def _receive(directory: Path, offer: Offer) -> Received:
    begun, problem = time.monotonic(), ""
    try:
        await Quarantine(Repositories(directory)).receive("alice", offer.commit, offer.pack)
    except (InvalidField, TooLarge) as error:
        problem = error.message
    took = time.monotonic() - begun
    programs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Received(problem, took, max(programs, _own_peak()) * 1024)


def _own_peak() -> int:
    """KiB. getrusage(2) would count what the parent had before this program took its place."""
    (line,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.M)
    return int(line)


def main() -> None:
    directory, commit = sys.argv[1:]
    found = asyncio.run(_receive(Path(directory), Offer(commit, sys.stdin.buffer.read())))
    sys.stdout.write(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
