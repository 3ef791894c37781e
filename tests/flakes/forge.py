"""Forges objects and packs of git byte by byte, as no honest program would write them."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field

KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
OFS_DELTA, REF_DELTA = 6, 7
NIX = b"{ }"
WHO = b"x <x@x> 1800000000 +0000"


@dataclass(frozen=True)
class Offer:
    """What is sent: a pack that is said to complete a commit."""

    commit: str
    pack: bytes


def packed(kind: int, size: int, data: bytes) -> bytes:
    """One entry of a pack, whatever its size is said to be; `data` is compressed here."""
    byte, size, head = kind << 4 | size & 15, size >> 4, bytearray()
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    head.append(byte)
    return bytes(head) + zlib.compress(data, 1)


def sealed(entries: list[bytes], count: int | None = None, version: int = 2) -> bytes:
    number = len(entries) if count is None else count
    head = b"PACK" + version.to_bytes(4, "big") + number.to_bytes(4, "big")
    body = head + b"".join(entries)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def copies(base: int, times: int, less: int = 0) -> bytes:
    """A delta that repeats a base of so many bytes (below 2**24), or all but the last few."""
    one = b"\xf0" + (base - less).to_bytes(3, "little")
    return varint(base) + varint((base - less) * times) + one * times


def ref_delta(base: str, delta: bytes, size: int | None = None) -> bytes:
    entry = packed(REF_DELTA, len(delta) if size is None else size, delta)
    at = next(n for n, byte in enumerate(entry) if not byte & 0x80) + 1
    return entry[:at] + bytes.fromhex(base) + entry[at:]


@dataclass
class Forge:
    """Objects by id; `base` is a commit that the receiver has, with its files."""

    base: str = ""
    objects: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def put(self, kind: str, data: bytes) -> str:
        whole = b"%s %d\0" % (kind.encode(), len(data)) + data
        id = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        self.objects[id] = kind, data
        return id

    def blob(self, data: bytes = b"") -> str:
        return self.put("blob", data)

    def tree(self, *entries: tuple[str, bytes, str], order: bool = True) -> str:
        """Of (mode, name, id)."""
        if order:  # directories as if their names ended in a slash
            entries = tuple(sorted(entries, key=lambda e: e[1] + b"/" * e[0].startswith("4")))
        lines = (
            mode.encode() + b" " + name + b"\0" + bytes.fromhex(id) for mode, name, id in entries
        )
        return self.put("tree", b"".join(lines))

    def commit(
        self,
        tree: str,
        *parents: str,
        author: bytes = WHO,
        more: bytes = b"",
        message: bytes = b"a change\n",
    ) -> str:
        above = b"".join(b"parent %s\n" % id.encode() for id in parents)
        by = b"author " + author + b"\ncommitter " + WHO + b"\n"
        data = b"tree " + tree.encode() + b"\n" + above + by + more + b"\n" + message
        return self.put("commit", data)

    def files(self, *entries: tuple[str, bytes, str], order: bool = True) -> str:
        """A commit on top of `base` of these and an honest `agent.nix`."""
        nix = ("100644", b"agent.nix", self.blob(NIX))
        return self.commit(self.tree(nix, *entries, order=order), *self.above)

    @property
    def above(self) -> list[str]:
        return [self.base] if self.base else []

    def entries(self, *without: str) -> list[bytes]:
        of = [value for id, value in self.objects.items() if id not in without]
        return [packed(KINDS[kind], len(data), data) for kind, data in of]

    def offer(self, commit: str, *without: str) -> Offer:
        return Offer(commit, sealed(self.entries(*without)))
