"""Packs for those who have some already, as the real git takes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hyperhive.flakes import git_packs
from hyperhive.flakes.git_packs import pack
from hyperhive.protocol.errors import InvalidField, NotFound, TooLarge
from tests.flakes.clones import Clone, Proposer
from tests.flakes.conftest import Work


async def test_only_what_is_not_there_yet(work: Work, proposer: Proposer, tmp_path: Path) -> None:
    noise = {f"{n}.nix": os.urandom(20_000) for n in range(5)}
    first = await work.commit({"agent.nix": b"{ }", **noise}, proposer.base)
    second = await work.commit({"agent.nix": b"{ two = 2; }", **noise}, first)
    await work.repositories.advance("alice", proposer.base, second)
    await work.repositories.tag("alice", "failed/1", first, "a reason")
    whole = await pack(proposer.repository, [second], [])
    rest = await pack(proposer.repository, [second], [first, "1" * 40])
    assert len(whole) > 100_000
    assert len(rest) < 1_000
    other = Clone(tmp_path / "other")
    other.take(await pack(proposer.repository, [first], []), first)
    other.take(rest, second)
    assert (other.directory / "agent.nix").read_text() == "{ two = 2; }"
    other.git("fsck", "--strict")
    assert (await pack(proposer.repository, [second], [second]))[8:12] == b"\0" * 4


async def test_only_what_refs_name_is_given(work: Work, proposer: Proposer) -> None:
    beside = await work.commit({"agent.nix": b"beside"}, proposer.base)
    tree = await work.repositories.tree("alice", proposer.base)
    for id in (beside, tree, "1" * 40):
        with pytest.raises(NotFound, match="has nothing named"):
            await pack(proposer.repository, [proposer.base, id], [])
    await work.repositories.tag("alice", "failed/1", beside, "a reason")
    await pack(proposer.repository, [beside], [tree])


@pytest.mark.parametrize("id", ["main", "--all", "^" + "1" * 40, "1" * 40 + "\n--all", ""])
async def test_only_full_ids(proposer: Proposer, id: str) -> None:
    for field, lists in (("want", ([id], [])), ("have", ([], [id]))):
        with pytest.raises(InvalidField, match=f"{field}: must be a full id"):
            await pack(proposer.repository, *lists)
    with pytest.raises(InvalidField, match="have: has 1001 ids"):
        await pack(proposer.repository, [], ["1" * 40] * 1_001)


async def test_what_is_too_much_is_not_given(
    work: Work, proposer: Proposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_packs, "MAX_PACK", 10_000)
    large = await work.commit({"agent.nix": os.urandom(20_000)}, proposer.base)
    await work.repositories.advance("alice", proposer.base, large)
    with pytest.raises(TooLarge, match="more than 10000 bytes"):
        await pack(proposer.repository, [large], [])
    await pack(proposer.repository, [large], [large])
