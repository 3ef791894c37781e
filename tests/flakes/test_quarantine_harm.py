"""Nothing acts when a proposal is taken in, whatever is set up to; a full disk is named as that."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperhive.flakes.git_packs import pack
from hyperhive.protocol.errors import StorageFull
from tests.flakes.clones import Proposer
from tests.flakes.conftest import WHEN, Work
from tests.flakes.forge import Forge
from tests.flakes.hostile_repositories import FILE
from tests.flakes.test_quarantine_hostile import contents

ACTING = [
    "alias.log",
    "core.alternateRefsCommand",
    "core.askPass",
    "core.editor",
    "core.fsmonitor",
    "core.gitProxy",
    "core.pager",
    "core.sshCommand",
    "credential.helper",
    "diff.evil.command",
    "diff.evil.textconv",
    "diff.external",
    "filter.evil.clean",
    "filter.evil.process",
    "filter.evil.smudge",
    "gpg.program",
    "gpg.ssh.program",
    "interactive.diffFilter",
    "pager.log",
    "remote.origin.uploadpack",
    "sequence.editor",
    "trailer.evil.command",
    "uploadpack.packObjectsHook",
]
HOOKS = [
    "post-receive",
    "post-update",
    "pre-receive",
    "proc-receive",
    "reference-transaction",
    "update",
]


def set_up(repository: Path, act: Path) -> None:
    """Every setting and every hook that runs a program, to run this one."""
    for key in ACTING:
        subprocess.run(
            ["git", f"--git-dir={repository}", "config", key, str(act)], check=True, timeout=20
        )
    (repository / "hooks").mkdir(exist_ok=True)
    for hook in HOOKS:
        (repository / "hooks" / hook).symlink_to(act)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """Is there when something has acted."""
    act = tmp_path / "act"
    act.write_text(f"#!/bin/sh\ntouch {tmp_path}/mark\n")
    act.chmod(0o755)
    return tmp_path / "mark"


async def test_nothing_acts(
    work: Work, proposer: Proposer, tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = mark.with_name("act")
    home = tmp_path / "home"
    home.mkdir()
    set_up(proposer.repository, act)
    (home / ".gitconfig").write_bytes((proposer.repository / "config").read_bytes())
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(proposer.repository))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nowhere")
    monkeypatch.setenv("GIT_TRACE", str(mark))
    forge = Forge(proposer.base)
    attributes = forge.blob(b"* filter=evil diff=evil merge=evil export-subst text=auto ident\n")
    commit = forge.files((FILE, b".gitattributes", attributes), (FILE, b"x", forge.blob(b"$Id$")))
    offer = forge.offer(commit)

    await proposer.quarantine.receive("alice", commit, offer.pack)
    await proposer.pin(7, commit)
    await pack(proposer.repository, [commit], [proposer.base])
    (entry,) = await proposer.repositories.log("alice", 5, commit, proposer.base)
    assert entry.at == WHEN
    await proposer.repositories.export("alice", commit, tmp_path / "out")
    assert (tmp_path / "out/x").read_bytes() == b"$Id$"
    await proposer.repositories.advance("alice", proposer.base, commit)
    assert not mark.exists()

    monkeypatch.delenv("GIT_OBJECT_DIRECTORY")
    work.git("alice", "tag", "-m", "x", "by-hand")
    assert mark.exists(), "what is set up does act on a git that is not held back"


async def test_what_a_commit_is_replaced_by_is_not_looked_at(
    work: Work, proposer: Proposer
) -> None:
    commit = proposer.clone.commit(agent="{ one = 1; }")
    await proposer.send(commit)
    evil = await work.commit({"agent.nix": b"{ evil = 1; }"})
    honest = proposer.clone.git("rev-parse", f"{commit}^{{tree}}").decode().strip()
    work.git("alice", "update-ref", f"refs/replace/{commit}", evil)
    proposer.clone.git("replace", "--graft", commit)
    assert await proposer.pin(7, commit) == honest
    assert await proposer.repositories.read("alice", commit, "agent.nix", 100) == b"{ one = 1; }"
    (entry,) = await proposer.repositories.log("alice", 5, commit, proposer.base)
    assert entry.parents == (proposer.base,)


# --- a full disk ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Four megabytes, where the repositories are."""
    disk = tmp_path / "applied"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True, timeout=20)
    yield disk
    subprocess.run(["umount", disk], check=True, timeout=20)


@pytest.mark.root
@pytest.mark.parametrize("free", [0, 4, 16, 40, 60, 100])
async def test_on_a_full_disk_nothing_is_left_and_later_it_works(
    small_disk: Path, work: Work, proposer: Proposer, free: int
) -> None:
    """`free` is in KiB; the proposal itself needs about 120."""
    commit = proposer.clone.commit(agent="{ one = 1; }", noise=os.urandom(80_000).hex())
    before = contents(proposer.directory)
    fill(small_disk, free)
    with pytest.raises(StorageFull, match="no space is left for alice"):
        await proposer.send(commit)
    (small_disk / "fill").unlink()
    assert contents(proposer.directory) == before
    await proposer.send(commit)
    fill(small_disk, 0)
    with pytest.raises(StorageFull, match="no space is left for alice"):
        await proposer.pin(7, commit)
    assert await proposer.repositories.tagged("alice", "proposal/7") is None
    (small_disk / "fill").unlink()
    await proposer.pin(7, commit)
    work.git("alice", "fsck", "--strict")


def fill(disk: Path, free: int) -> None:
    room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with (disk / "fill").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room - free * 1024)
