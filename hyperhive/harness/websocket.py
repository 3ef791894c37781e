"""The client's end of a WebSocket on a unix socket (RFC 6455): text alone, no extensions.

Libraries for it bring an HTTP client along: its import took 75 ms of the 470 until the host heard
from an agent, and 9 MB in each of them.
"""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import hashlib
import os
import struct
from pathlib import Path
from typing import NoReturn

CLOSE_SECONDS = 1.0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_MAX_CONTROL = 125

# Close codes (section 7.4.1)
NORMAL, GOING, PROTOCOL_ERROR, NOT_TEXT = 1000, 1001, 1002, 1003
NO_CODE, LOST, BAD_TEXT, TOO_BIG = 1005, 1006, 1007, 1009


class Closed(ConnectionError):
    """The connection is over; `code` is the other side's, or why this side ended it."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"code {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class WebSocket:
    """Made by `connect`. One task at a time receives; any may send."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        max_bytes: int,
        ping_seconds: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._max_bytes = max_bytes
        self._ping_seconds = ping_seconds

    @classmethod
    async def connect(
        cls, socket: Path, target: str, *, max_bytes: int, ping_seconds: float
    ) -> WebSocket:
        """`max_bytes` bounds a message that comes. Raises OSError, as Closed for a refusal.

        After `ping_seconds` of silence the other side is asked for a sign of life, and is given
        half of that to answer: a host that hangs closes nothing.
        """
        reader, writer = await asyncio.open_unix_connection(socket)
        made = cls(reader, writer, max_bytes, ping_seconds)
        try:
            await made._shake_hands(target)
        except BaseException:
            writer.transport.abort()
            raise
        return made

    async def _shake_hands(self, target: str) -> None:
        key = binascii.b2a_base64(os.urandom(16), newline=False)
        self._writer.write(
            b"GET %s HTTP/1.1\r\nHost: hive\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (target.encode(), key)
        )
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (EOFError, asyncio.LimitOverrunError) as error:
            raise Closed(LOST, "no answer to the handshake") from error
        status, *fields = head.decode("latin-1").split("\r\n")
        if status.split(" ")[1:2] != ["101"]:
            raise Closed(PROTOCOL_ERROR, f"the host answered {status[:100]!r}")
        digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
        accept = binascii.b2a_base64(digest, newline=False).decode()
        if ("sec-websocket-accept", accept) not in map(_field, fields):
            raise Closed(PROTOCOL_ERROR, "the host did not accept the handshake")

    async def send(self, text: str) -> None:
        """Raises OSError when the connection is over."""
        await self._send(_TEXT, text.encode())

    async def _send(self, opcode: int, data: bytes) -> None:
        self._writer.write(_frame(opcode, data))
        await self._writer.drain()

    async def receive(self) -> str:
        """The next message. Raises Closed, or another OSError."""
        data = bytearray()
        began = False
        while True:
            final, opcode, piece = await self._next_frame(self._max_bytes - len(data))
            if opcode in (_CLOSE, _PING, _PONG):
                await self._control(opcode, piece)
                continue
            if opcode == _BINARY:
                await self._fail(NOT_TEXT, "only text is understood")
            if opcode != (_CONTINUATION if began else _TEXT):
                await self._fail(PROTOCOL_ERROR, f"unexpected frame of kind {opcode}")
            data += piece
            began = True
            if final:
                break
        try:
            return data.decode()
        except UnicodeDecodeError:
            await self._fail(BAD_TEXT, "a text is no UTF-8")

    async def _next_frame(self, room: int) -> tuple[bool, int, bytes]:
        first, second = await self._read(2)
        opcode, length = first & _OPCODE, second & _LENGTH
        if first & _RESERVED or second & _MASKED:
            await self._fail(PROTOCOL_ERROR, "a frame with unknown flags")
        if opcode >= _CLOSE and (length > _MAX_CONTROL or not first & _FIN):
            await self._fail(PROTOCOL_ERROR, "a control frame that is too long")
        if length > _MAX_CONTROL:
            form = "!H" if length == _MAX_CONTROL + 1 else "!Q"
            (length,) = struct.unpack(form, await self._read(struct.calcsize(form)))
        if opcode < _CLOSE and length > room:
            await self._fail(TOO_BIG, f"a message has more than {self._max_bytes} bytes")
        return bool(first & _FIN), opcode, await self._read(length)

    async def _read(self, count: int) -> bytes:
        """Waits, and asks for a sign of life, as `connect` says; any frame is one."""
        pause, asked = self._ping_seconds, False
        while True:
            try:
                async with asyncio.timeout(pause / 2 if asked else pause):
                    return await self._reader.readexactly(count)
            except EOFError:
                raise Closed(LOST, "the host is gone") from None
            except TimeoutError:
                if asked:
                    self._writer.transport.abort()
                    raise Closed(LOST, "the host gave no sign of life") from None
            self._writer.write(_frame(_PING, b""))
            asked = True

    async def _control(self, opcode: int, data: bytes) -> None:
        if opcode == _PING:
            await self._send(_PONG, data)
        elif opcode == _CLOSE:
            code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else NO_CODE
            await self._fail(code, data[2:].decode(errors="replace"))

    async def _fail(self, code: int, reason: str) -> NoReturn:
        """Says so, or echoes what the other side said (section 5.5.1)."""
        await self.close(NORMAL if code == NO_CODE else code)
        raise Closed(code, reason)

    async def close(self, code: int = GOING) -> None:
        """Never raises; a message that is half way is lost. Repeatable."""
        with contextlib.suppress(OSError, TimeoutError):
            if not self._writer.is_closing():
                self._writer.write(_frame(_CLOSE, struct.pack("!H", code)))
                self._writer.close()
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._writer.wait_closed()
        self._writer.transport.abort()


def _frame(opcode: int, data: bytes) -> bytes:
    """Whole, and masked as a client's must be (section 5.3)."""
    length = len(data)
    if length <= _MAX_CONTROL:
        size = bytes([_MASKED | length])
    elif length < 2**16:
        size = struct.pack("!BH", _MASKED | _MAX_CONTROL + 1, length)
    else:
        size = struct.pack("!BQ", _MASKED | _MAX_CONTROL + 2, length)
    mask = os.urandom(4)
    masks = (mask * (length // 4 + 1))[:length]
    masked = int.from_bytes(data, "little") ^ int.from_bytes(masks, "little")
    return b"".join((bytes([_FIN | opcode]), size, mask, masked.to_bytes(length, "little")))


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()
