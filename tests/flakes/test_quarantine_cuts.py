"""Packs that arrive cut or changed, and what is no id, leave everything as it was."""

from __future__ import annotations

import os

import pytest

from hyperhive.protocol.errors import InvalidField, TooLarge
from tests.flakes.clones import Proposer
from tests.flakes.conftest import Work
from tests.flakes.forge import Forge
from tests.flakes.test_quarantine_hostile import contents


@pytest.mark.parametrize("tenth", range(10))
async def test_cut_at_every_tenth(work: Work, proposer: Proposer, tenth: int) -> None:
    noise = os.urandom(20_000).hex()
    commit = proposer.clone.commit(agent="{ one = 1; }", noise=noise)
    pack = proposer.clone.pack(commit, proposer.base)
    before = contents(proposer.directory)
    with pytest.raises(InvalidField, match=r"pack: (ends early|is not what|does not end)"):
        await proposer.quarantine.receive("alice", commit, pack[: len(pack) * tenth // 10])
    assert contents(proposer.directory) == before
    await proposer.quarantine.receive("alice", commit, pack)
    await proposer.pin(7, commit)
    work.git("alice", "fsck", "--strict")


async def test_with_one_byte_changed_at_any_place(proposer: Proposer) -> None:
    commit = proposer.clone.commit(agent="{ one = 1; }", noise=os.urandom(200).hex())
    pack = proposer.clone.pack(commit, proposer.base)
    before = contents(proposer.directory)
    for at in range(0, len(pack), max(1, len(pack) // 40)):
        changed = pack[:at] + bytes([pack[at] ^ 0x41]) + pack[at + 1 :]
        with pytest.raises((InvalidField, TooLarge)):
            await proposer.quarantine.receive("alice", commit, changed)
        assert contents(proposer.directory) == before


@pytest.mark.parametrize("commit", ["HEAD", "main", "--all", "1" * 39, "A" * 40, "1" * 40 + "\n"])
async def test_only_full_ids_are_taken(proposer: Proposer, commit: str) -> None:
    for call in (
        proposer.quarantine.receive("alice", commit, b""),
        proposer.quarantine.has("alice", commit),
        proposer.pin(1, commit),
    ):
        with pytest.raises(InvalidField, match="full id"):
            await call


async def test_an_id_of_another_length_is_of_no_commit_here(proposer: Proposer) -> None:
    forge = Forge(proposer.base)
    pack = forge.offer(forge.files()).pack
    with pytest.raises(InvalidField):
        await proposer.quarantine.receive("alice", "1" * 64, pack)
    assert proposer.held == []
