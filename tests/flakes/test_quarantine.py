"""What proposers send is held aside, and taken over when it is wanted; with the real git."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperhive.flakes import quarantine as module
from hyperhive.flakes.git import Repositories
from hyperhive.flakes.git_packs import pack as pack_of
from hyperhive.flakes.quarantine import Quarantine
from hyperhive.protocol.errors import Conflict, HiveError, InvalidField, NotFound, TooLarge
from tests.flakes.clones import Clone, Proposer
from tests.flakes.conftest import Work
from tests.flakes.forge import Forge
from tests.flakes.hostile_repositories import FILE, SUBMODULE
from tests.flakes.test_quarantine_hostile import contents
from tests.support.wait import wait_for


async def test_two_commits_go_there_and_back(
    work: Work, proposer: Proposer, tmp_path: Path
) -> None:
    proposer.clone.commit(agent="{ one = 1; }", old="old" * 1000 + "new")
    commit = proposer.clone.commit(agent="{ two = 2; }")
    before = contents(proposer.repository)
    await proposer.send(commit)
    assert contents(proposer.repository) == before
    assert proposer.held == ["alice.incoming"]
    assert await proposer.quarantine.has("alice", commit)

    tree = await proposer.pin(7, commit)
    assert tree == proposer.clone.git("rev-parse", f"{commit}^{{tree}}").decode().strip()
    assert await proposer.repositories.refs("alice") == {
        "refs/heads/main": proposer.base,
        "refs/tags/proposal/7": commit,
    }
    assert proposer.held == []
    work.git("alice", "fsck", "--strict")
    log = await proposer.repositories.log("alice", 10, commit, proposer.base)
    assert [entry.message for entry in log] == ["change ['agent']", "change ['agent', 'old']"]

    other = Clone(tmp_path / "other")
    other.take(await pack_of(proposer.repository, [commit], []), commit)
    assert (other.directory / "agent.nix").read_text() == "{ two = 2; }"
    other.git("fsck", "--strict")


async def test_the_same_again_is_fine_and_needs_no_pack(proposer: Proposer) -> None:
    commit = proposer.clone.commit(agent="{ one = 1; }")
    await proposer.send(commit)
    await proposer.send(commit)
    tree = await proposer.pin(7, commit)
    assert await proposer.pin(7, commit) == tree
    assert await proposer.pin(8, commit) == tree
    for pack in (b"", b"not looked at"):
        await proposer.quarantine.receive("alice", commit, pack)
        await proposer.quarantine.receive("alice", proposer.base, pack)
    assert proposer.held == []
    await proposer.pin(9, proposer.base)
    with pytest.raises(Conflict, match="names another commit"):
        await proposer.pin(9, commit)


async def test_one_is_held_until_the_next(proposer: Proposer) -> None:
    first = proposer.clone.commit(agent="{ one = 1; }")
    await proposer.send(first)
    proposer.clone.git("reset", "-q", "--hard", proposer.base)
    second = proposer.clone.commit(agent="{ two = 2; }")
    await proposer.send(second)
    assert proposer.held == ["alice.incoming"]
    assert not await proposer.quarantine.has("alice", first)
    with pytest.raises(NotFound, match="is not held for alice: send it again"):
        await proposer.pin(7, first)
    await proposer.pin(8, second)


async def test_a_refused_one_does_not_replace_what_is_held(proposer: Proposer) -> None:
    commit = proposer.clone.commit(agent="{ one = 1; }")
    await proposer.send(commit)
    before = contents(proposer.directory)
    forge = Forge(proposer.base)
    bad = forge.offer(forge.files((SUBMODULE, b"sub", "1" * 40)))
    with pytest.raises(InvalidField, match="is a submodule"):
        await proposer.quarantine.receive("alice", bad.commit, bad.pack)
    assert contents(proposer.directory) == before
    await proposer.pin(7, commit)


async def test_what_merely_exists_is_not_complete(work: Work, proposer: Proposer) -> None:
    """Objects without their parents, and commits that no ref leads to."""
    forge = Forge(proposer.base)
    lost = forge.commit(forge.tree((FILE, b"agent.nix", forge.blob(b"x"))), "1" * 40)
    work.git("alice", "unpack-objects", given=forge.offer(lost).pack)
    beside = await work.commit({"agent.nix": b"beside"}, proposer.base)
    for commit in (lost, beside):
        assert not await proposer.quarantine.has("alice", commit)
        with pytest.raises(NotFound):
            await proposer.pin(7, commit)
    above = forge.commit(forge.tree((FILE, b"agent.nix", forge.blob(b"y"))), lost)
    with pytest.raises(InvalidField, match="is refused"):
        await proposer.quarantine.receive("alice", above, forge.offer(above).pack)


async def test_a_commit_on_the_way_is_checked_like_one_that_was_sent(proposer: Proposer) -> None:
    forge = Forge(proposer.base)
    earlier = forge.files((SUBMODULE, b"sub", "1" * 40))
    last = forge.commit(forge.tree((FILE, b"agent.nix", forge.blob(b"x"))), earlier)
    offer = forge.offer(last)
    await proposer.quarantine.receive("alice", last, offer.pack)
    await proposer.pin(7, last)
    for call in (
        proposer.pin(8, earlier),
        proposer.quarantine.receive("alice", earlier, offer.pack),
    ):
        with pytest.raises(InvalidField, match="is a submodule"):
            await call
    assert await proposer.repositories.tagged("alice", "proposal/8") is None


async def test_an_agent_without_a_configuration_may_get_its_first(work: Work) -> None:
    forge = Forge()
    offer = forge.offer(forge.files())
    held = Quarantine(work.repositories)
    assert not await held.has("bob", offer.commit)
    with pytest.raises(NotFound):
        await held.pin("bob", "proposal/1", offer.commit)
    await held.receive("bob", offer.commit, offer.pack)
    await held.pin("bob", "proposal/1", offer.commit)
    assert await work.repositories.head("bob") is None


# --- limits, and the end of things ---


async def test_a_repository_does_not_grow_without_end(
    proposer: Proposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REPOSITORY", 300_000)
    commits = [proposer.base]
    for number in range(10):
        commits.append(proposer.clone.commit(noise=os.urandom(20_000).hex()))
        await proposer.send(commits[-1], commits[-2])
        await proposer.pin(number, commits[-1])
    last = proposer.clone.commit(noise=os.urandom(80_000).hex())
    with pytest.raises(TooLarge, match="no room for it in 300000 bytes"):
        await proposer.send(last, commits[-1])
    assert proposer.held == []
    assert await proposer.quarantine.has("alice", commits[-1])


async def test_what_is_never_wanted_does_not_add_up(proposer: Proposer) -> None:
    sizes = []
    for _ in range(5):
        proposer.clone.git("reset", "-q", "--hard", proposer.base)
        await proposer.send(proposer.clone.commit(noise=os.urandom(20_000).hex()))
        sizes.append(sum(map(len, contents(proposer.directory).values())))
    assert max(sizes) < min(sizes) + 1_000


async def test_a_check_that_takes_too_long_is_ended(
    proposer: Proposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = proposer.clone.commit(agent="{ one = 1; }")
    before = contents(proposer.directory)
    monkeypatch.setattr(module, "SECONDS", 0.001)
    with pytest.raises(TooLarge, match="takes too long"):
        await proposer.send(commit)
    assert contents(proposer.directory) == before


@pytest.mark.parametrize("stage", ["alice.incoming.new", "alice.incoming.new/objects/pack"])
async def test_a_cancelled_one_leaves_nothing(proposer: Proposer, stage: str) -> None:
    commit = proposer.clone.commit(agent="{ one = 1; }")
    before = contents(proposer.directory)
    sending = asyncio.create_task(proposer.send(commit))
    await wait_for((proposer.directory / stage).exists)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert contents(proposer.directory) == before
    await proposer.send(commit)
    await proposer.pin(7, commit)


async def test_many_at_once_take_turns(work: Work, proposer: Proposer) -> None:
    commits = []
    for n in range(6):
        proposer.clone.git("reset", "-q", "--hard", proposer.base)
        commits.append(proposer.clone.commit(agent=f"{{ n = {n}; }}"))
    await asyncio.gather(*(proposer.send(commit) for commit in commits))
    held = [commit for commit in commits if await proposer.quarantine.has("alice", commit)]
    assert len(held) == 1
    await proposer.pin(7, held[0])
    work.git("alice", "fsck", "--strict")


async def test_what_is_held_outlives_the_service_but_not_the_repository(
    proposer: Proposer,
) -> None:
    commit = proposer.clone.commit(agent="{ one = 1; }")
    await proposer.send(commit)
    (proposer.directory / "alice.incoming.new").mkdir()
    (proposer.directory / "bob.incoming").mkdir()
    orphan = proposer.repository / "objects/pack" / f"pack-{'1' * 40}.pack"
    orphan.touch()
    later = Repositories(proposer.directory)
    await later.adopt()
    assert proposer.held == ["alice.incoming"]
    assert not orphan.exists()
    assert await Quarantine(later).has("alice", commit)
    await later.remove("alice")
    assert os.listdir(proposer.directory) == []


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    "damage",
    [
        lambda held: (held / "HEAD").write_bytes(b""),
        lambda held: (held / "refs/heads/main").write_bytes(b""),
        lambda held: [path.unlink() for path in (held / "objects/pack").glob("*.idx")],
    ],
    ids=["no head", "no ref", "no index"],
)
async def test_what_a_power_cut_left_of_it_is_sent_again(
    proposer: Proposer, damage: Damage
) -> None:
    commit = proposer.clone.commit(agent="{ one = 1; }")
    await proposer.send(commit)
    damage(proposer.directory / "alice.incoming")
    with pytest.raises(HiveError):
        await proposer.pin(7, commit)
    assert await proposer.repositories.tagged("alice", "proposal/7") is None
    await proposer.send(commit)
    await proposer.pin(7, commit)
