"""What a pack says of itself is read as git itself means it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hyperhive.flakes import pack_scan
from hyperhive.flakes.pack_scan import check_pack
from hyperhive.protocol.errors import InvalidField, TooLarge
from tests.flakes.clones import Clone
from tests.flakes.forge import Forge, copies, packed, ref_delta, sealed

ID = 20


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """With files that make git write deltas of both kinds, and empty and large objects."""
    clone = Clone(tmp_path / "clone")
    text = os.urandom(50_000).hex()
    for n in range(10):
        clone.commit(agent=text + str(n), empty="", large="x" * n * 200_000)
    return clone


def test_what_git_packs_is_read_to_its_end(clone: Clone) -> None:
    head = clone.git("rev-parse", "HEAD").decode().strip()
    third = clone.git("rev-parse", "HEAD~3").decode().strip()
    for option in ("--thin", "--delta-base-offset", "--no-reuse-delta"):
        for have in ("", f"^{third}\n"):
            asked = f"{head}\n{have}".encode()
            pack = clone.git("pack-objects", "--revs", "--stdout", "-q", option, given=asked)
            check_pack(pack, ID)
    check_pack(clone.git("pack-objects", "--stdout", "-q"), ID)


def test_ids_may_be_longer(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "clone")
    clone.git("init", "-q", "--object-format=sha256", "other")
    clone.directory /= "other"
    head = clone.commit(agent="{ }")
    assert len(head) == 64
    pack = clone.pack(head)
    check_pack(pack, 32)
    with pytest.raises(InvalidField, match="does not end where it should"):
        check_pack(pack, ID)


def test_what_is_unpacked_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delta as itself, and as what comes out of it."""
    base = Forge().blob(b"x" * 100)
    delta = copies(100, 5)
    pack = sealed([packed(3, 100, b"x" * 100), ref_delta(base, delta)])
    for limit, fits in ((600 + len(delta), True), (599 + len(delta), False)):
        monkeypatch.setattr(pack_scan, "MAX_UNPACKED", limit)
        if fits:
            check_pack(pack, ID)
        else:
            with pytest.raises(TooLarge, match="unpacked, the pack has more than"):
                check_pack(pack, ID)


@pytest.mark.parametrize(("size", "fits"), [(1_000, True), (1_001, False)])
def test_the_largest_object(monkeypatch: pytest.MonkeyPatch, size: int, fits: bool) -> None:
    monkeypatch.setattr(pack_scan, "MAX_OBJECT", 1_000)
    base = Forge().blob(b"x" * 7)
    head = b"\x07" + bytes([size & 0x7F | 0x80, size >> 7])
    for entry in (packed(3, size, b"x" * size), ref_delta(base, head + b"\x01x")):
        if fits:
            check_pack(sealed([entry]), ID)
        else:
            with pytest.raises(TooLarge, match="an object of 1001 bytes"):
                check_pack(sealed([entry]), ID)


@pytest.mark.parametrize("size", [0, 99, 101, 2**60])
def test_sizes_that_are_not_so(size: int) -> None:
    with pytest.raises((InvalidField, TooLarge)):
        check_pack(sealed([packed(3, size, b"x" * 100)]), ID)


def test_a_header_without_an_end() -> None:
    with pytest.raises(InvalidField, match="size has no end"):
        check_pack(sealed([b"\xff" * 1_000_000], 1), ID)


def test_the_worst_pack_takes_seconds_at_most() -> None:
    """As many objects and as many bytes as are accepted."""
    small = [packed(3, 10, b"0123456789")] * 19_000
    large = [packed(3, 2**20, b"\0" * 2**20)] * 120
    pack = sealed([*small, *large])
    begun = time.monotonic()
    check_pack(pack, ID)
    assert time.monotonic() - begun < 5
