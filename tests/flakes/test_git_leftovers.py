"""A git that is killed at any moment leaves a repository that goes on."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from hyperhive.flakes.git import Repositories
from hyperhive.protocol.errors import HiveError
from tests.flakes.conftest import WHEN, Work
from tests.support.wait import let_time_pass

CHILD = """
import asyncio, sys
from pathlib import Path
from hyperhive.flakes.git import Repositories

async def main():
    repositories = Repositories(Path(sys.argv[1]))
    head = await repositories.head("alice")
    for n in range(1000):
        new = await repositories.commit(
            "alice", {"agent.nix": b"%d" % n}, parent=head, message="x", author="a", when=n
        )
        await repositories.advance("alice", head, new)
        await repositories.tag("alice", f"deployed/{n}", new, "text")
        print(new, flush=True)
        head = new

asyncio.run(main())
"""


async def test_locks_and_halves_are_removed_and_all_else_is_kept(work: Work) -> None:
    first = await work.commit({"agent.nix": b"1"})
    await work.repositories.advance("alice", None, first)
    repository = work.directory / "alice.git"
    second = await work.commit({"agent.nix": b"2"}, first)
    left = ["refs/heads/main.lock", "HEAD.lock", "packed-refs.lock", "objects/ab/tmp_obj_x"]
    for name in left:
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).touch()
    (work.directory / "bob.new/objects").mkdir(parents=True)
    (work.directory / "bob.old").mkdir()
    with pytest.raises(HiveError):
        await work.repositories.advance("alice", first, second)

    await work.repositories.adopt()
    assert os.listdir(work.directory) == ["alice.git"]
    assert not any((repository / name).exists() for name in left)
    await work.repositories.advance("alice", first, second)
    assert [c.id for c in await work.repositories.log("alice", 5)] == [second, first]


async def test_no_repositories_yet(tmp_path: Path) -> None:
    await Repositories(tmp_path / "none").adopt()


@pytest.mark.crash
@pytest.mark.root
async def test_killed_at_any_moment_it_goes_on_where_it_was(work: Work) -> None:
    """With every process of it, as the end of a unit kills them."""
    first = await work.commit({"agent.nix": b"{ }"})
    await work.repositories.advance("alice", None, first)
    for moment in range(12):
        child = await asyncio.create_subprocess_exec(
            *("unshare", "--pid", "--fork", "--kill-child"),
            *(sys.executable, "-c", CHILD, str(work.directory)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        told = [(await child.stdout.readline()).decode().strip()]
        assert told[0], "the child did not begin"
        await let_time_pass(0.013 * moment)
        child.kill()
        told += (await child.stdout.read()).decode().split()
        await child.wait()

        await work.repositories.adopt()
        work.git("alice", "fsck", "--strict")
        head = await work.repositories.head("alice")
        assert head is not None
        newest = [commit.id for commit in await work.repositories.log("alice", 2)]
        assert told[-1] in newest
        after = await work.repositories.restore(
            "alice", first, parent=head, message="x", author="operator", when=WHEN
        )
        await work.repositories.advance("alice", head, after)
        for tag in work.git("alice", "tag").split():
            work.git("alice", "tag", "-d", tag)
