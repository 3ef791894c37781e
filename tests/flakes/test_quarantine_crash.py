"""The service killed at any step of taking a proposal in: refs are as before or done, none half."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hyperhive.flakes.git import Repositories
from hyperhive.flakes.quarantine import Quarantine
from hyperhive.protocol.errors import NotFound
from tests.flakes.clones import Proposer
from tests.flakes.conftest import Work
from tests.support.wait import let_time_pass

# Ends itself, as by kill -9, at the step that is asked for: before a git, a link, or a rename.
CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from hyperhive.flakes import git_program
from hyperhive.flakes.git import Repositories
from hyperhive.flakes.quarantine import Quarantine

directory, commit, pack, step = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
steps = 0

def passing(function):
    def call(*arguments, **named):
        global steps
        steps += 1
        if steps == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call

git_program.run = passing(git_program.run)
for name in ("link", "rename", "fsync"):
    setattr(os, name, passing(getattr(os, name)))

async def main():
    print("ready", flush=True)
    held = Quarantine(Repositories(directory))
    await held.receive("alice", commit, pack.read_bytes())
    print("received", flush=True)
    await held.pin("alice", "proposal/7", commit)
    print("pinned", flush=True)

asyncio.run(main())
"""


async def child(
    proposer: Proposer, commit: str, pack: Path, step: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        # As the first of its processes it could not kill itself.
        *(() if step else ("unshare", "--pid", "--fork", "--kill-child")),
        *(sys.executable, "-c", CHILD, str(proposer.directory), commit, str(pack), str(step)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def converge(
    work: Work, proposer: Proposer, commit: str, pack: bytes, told: list[str]
) -> None:
    """What a service does that starts then, with a proposer that sends again what it must."""
    before = await proposer.repositories.refs("alice")
    pinned = {"refs/tags/proposal/7": commit}
    assert before in (
        {"refs/heads/main": proposer.base},
        {"refs/heads/main": proposer.base, **pinned},
    )
    assert "pinned" not in told or before.items() > pinned.items()
    work.git("alice", "fsck", "--strict")

    repositories = Repositories(proposer.directory)
    await repositories.adopt()
    work.git("alice", "fsck", "--strict")
    held = Quarantine(repositories)
    assert "received" not in told or await held.has("alice", commit)
    try:
        await held.pin("alice", "proposal/7", commit)
    except NotFound:
        await held.receive("alice", commit, pack)
        await held.pin("alice", "proposal/7", commit)
    after = await repositories.refs("alice")
    assert after == {"refs/heads/main": proposer.base, **pinned}
    work.git("alice", "fsck", "--strict")
    await held.receive("alice", commit, b"")
    leftovers = [path for path in proposer.directory.rglob("*") if "tmp_" in path.name]
    assert leftovers == []
    assert set(proposer.held) <= {"alice.incoming"}


@pytest.fixture
def sent(proposer: Proposer, tmp_path: Path) -> tuple[str, Path]:
    commit = proposer.clone.commit(agent="{ one = 1; }", noise=os.urandom(100_000).hex())
    pack = tmp_path / "pack"
    pack.write_bytes(proposer.clone.pack(commit, proposer.base))
    return commit, pack


def forget(work: Work, proposer: Proposer) -> None:
    """As it was before the proposal."""
    work.git("alice", "update-ref", "-d", "refs/tags/proposal/7")
    for path in (proposer.repository / "objects/pack").iterdir():
        path.unlink()


@pytest.mark.crash
async def test_killed_before_each_step(
    work: Work, proposer: Proposer, sent: tuple[str, Path]
) -> None:
    commit, pack = sent
    told, step = [""], 0
    while "pinned" not in told:
        step += 1
        process = await child(proposer, commit, pack, step)
        out, err = await asyncio.wait_for(process.communicate(), 30)
        told = out.decode().split()
        assert err == b"", err.decode()
        assert process.returncode == (0 if "pinned" in told else -signal.SIGKILL)
        await converge(work, proposer, commit, pack.read_bytes(), told)
        forget(work, proposer)
    assert step > 25


@pytest.mark.crash
@pytest.mark.root
async def test_killed_at_any_moment(work: Work, proposer: Proposer, sent: tuple[str, Path]) -> None:
    """With every git that runs, as the end of a unit kills them."""
    commit, pack = sent
    for moment in range(15):
        process = await child(proposer, commit, pack, 0)
        assert process.stdout is not None
        assert (await process.stdout.readline()) == b"ready\n"
        await let_time_pass(0.009 * moment)
        with suppress(ProcessLookupError):
            process.kill()
        told = (await process.stdout.read()).decode().split()
        await process.wait()
        await converge(work, proposer, commit, pack.read_bytes(), told)
        forget(work, proposer)
