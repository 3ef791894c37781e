"""Reads what a pack says of itself, so that none is unpacked that would come to too much.

The format is that of gitformat-pack(5). All that is unpacked here is counted and thrown away.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from hyperhive.protocol.errors import InvalidField, TooLarge

MAX_PACK = 32 * 2**20
MAX_OBJECTS = 20_000
MAX_OBJECT = 8 * 2**20
MAX_UNPACKED = 128 * 2**20
"""All objects together, in bytes."""

_OFS_DELTA, _REF_DELTA = 6, 7
_CHUNK = 16 * 1024
_SIZE_BITS = 64
_BEGIN = 32
"""Of what is unpacked this much is kept: the two sizes that a delta begins with."""


def check_pack(pack: bytes, id_bytes: int) -> None:
    """Raises TooLarge; InvalidField for what is no whole pack. Objects have ids of `id_bytes`."""
    if len(pack) > MAX_PACK:
        raise TooLarge(f"the pack has {len(pack)} bytes, more than {MAX_PACK}")
    if len(pack) < 12 or pack[:4] != b"PACK":
        raise InvalidField("pack", "is not what git calls a pack")
    count = int.from_bytes(pack[8:12], "big")
    if count > MAX_OBJECTS:
        raise TooLarge(f"the pack has {count} objects, more than {MAX_OBJECTS}")
    reader, unpacked = _Reader(pack, id_bytes), 0
    for _ in range(count):
        unpacked += reader.object()
        if unpacked > MAX_UNPACKED:
            raise TooLarge(f"unpacked, the pack has more than {MAX_UNPACKED} bytes")
    if len(pack) - reader.at != id_bytes:
        raise InvalidField("pack", "does not end where it should")


@dataclass(slots=True)
class _Reader:
    pack: bytes
    id_bytes: int
    at: int = 12

    def object(self) -> int:
        """How many bytes the next one comes to."""
        kind, size = self._header()
        if kind == _OFS_DELTA:
            while self._byte() & 0x80:
                pass
        elif kind == _REF_DELTA:
            self.at += self.id_bytes
        _check_size(size)
        begin = self._inflate(size)
        if kind in (_OFS_DELTA, _REF_DELTA):
            result = _result_size(begin)
            _check_size(result)
            return size + result
        return size

    def _header(self) -> tuple[int, int]:
        byte = self._byte()
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            if shift >= _SIZE_BITS:
                raise InvalidField("pack", "has an object whose size has no end")
            byte = self._byte()
            size |= (byte & 0x7F) << shift
            shift += 7
        return kind, size

    def _byte(self) -> int:
        if self.at >= len(self.pack):
            raise _early()
        self.at += 1
        return self.pack[self.at - 1]

    def _inflate(self, size: int) -> bytes:
        """Skip a compressed stream of exactly so many bytes; how they begin."""
        stream, begin, done = zlib.decompressobj(), b"", 0
        while not stream.eof:
            given = stream.unconsumed_tail
            if not given:
                given = self.pack[self.at : self.at + _CHUNK]
                self.at += len(given)
            if not given:
                raise _early()
            try:
                got = stream.decompress(given, _CHUNK)
            except zlib.error:
                raise InvalidField("pack", "is damaged") from None
            begin += got[: _BEGIN - len(begin)]
            done += len(got)
            if done > size:
                break
        if done != size:
            raise InvalidField("pack", "has an object of another size than it says")
        self.at -= len(stream.unused_data)
        return begin


def _result_size(delta: bytes) -> int:
    sizes, size, shift = [], 0, 0
    for byte in delta:
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            sizes.append(size)
            size = shift = 0
    if len(sizes) < 2:
        raise InvalidField("pack", "has a delta without sizes")
    return sizes[1]


def _check_size(size: int) -> None:
    if size > MAX_OBJECT:
        raise TooLarge(f"the pack has an object of {size} bytes, more than {MAX_OBJECT}")


def _early() -> InvalidField:
    return InvalidField("pack", "ends early")
