"""Reads tokens and errors off an answer of the Messages API while it passes by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hyperhive.hive.records import Usage

_FIELDS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
}
CHARACTERS_PER_TOKEN = 3
"""For estimates from above; English text has about 4."""
_MAX_EVENT = 8 * 1024 * 1024
"""Bytes of one event; what is larger passes uncounted."""


class Meter:
    """Counts one answer.

    The counts of a stream are cumulative: first in `message_start`, last in `message_delta`.
    """

    def __init__(self) -> None:
        self.started = False
        """Whether any counts were seen."""
        self.complete = False
        self.error: Mapping[str, Any] | None = None
        """The `error` of an event `error`, once seen."""
        self._counts: dict[str, int] = {}
        self._characters = 0

    @property
    def used(self) -> Usage:
        """What was used, as counted by the model's servers; of an answer cut off, what is sure.

        The output of an answer cut off was never counted: it is estimated from what came.
        """
        usage = Usage(**{ours: self._counts.get(theirs, 0) for theirs, ours in _FIELDS.items()})
        if self.complete:
            return usage
        estimate = -(-self._characters // CHARACTERS_PER_TOKEN)
        return replace(usage, output_tokens=max(usage.output_tokens, estimate))

    def see_message(self, message: object) -> None:
        """A whole message, as the answer to a request without a stream."""
        if isinstance(message, dict):
            self._count(message.get("usage"))
        self.complete = True

    def see_event(self, data: bytes) -> None:
        """The data of one event of a stream; what cannot be read is left alone."""
        try:
            event = json.loads(data)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        match event.get("type"):
            case "message_start":
                message = event.get("message")
                self._count(message.get("usage") if isinstance(message, dict) else None)
            case "message_delta":
                self._count(event.get("usage"))
            case "content_block_delta":
                self._measure(event.get("delta"))
            case "message_stop":
                self.complete = True
            case "error":
                error = event.get("error")
                self.error = error if isinstance(error, dict) else {}

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        self.started = True
        rounds = usage.get("iterations")
        # A compaction on the server is billed, but only shows among the iterations.
        sums = [usage, *([_sum(rounds)] if isinstance(rounds, list) else [])]
        for counts in sums:
            for name in _FIELDS:
                self._counts[name] = max(self._counts.get(name, 0), _number(counts.get(name)))

    def _measure(self, delta: object) -> None:
        if isinstance(delta, dict):
            texts = (value for key, value in delta.items() if key != "type")
            self._characters += sum(len(text) for text in texts if isinstance(text, str))


def _sum(rounds: list[Any]) -> dict[str, int]:
    entries = [entry for entry in rounds if isinstance(entry, dict)]
    return {name: sum(_number(entry.get(name)) for entry in entries) for name in _FIELDS}


def _number(value: object) -> int:
    """0 for what is no count."""
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0


class EventReader:
    """Cuts a stream of server-sent events into the data of each (WHATWG HTML, section 9.2)."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that ends in this chunk."""
        *lines, self._rest = _lines(self._rest + chunk)
        if len(self._rest) > _MAX_EVENT:
            self._rest = b""
        events = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                events.append(b"\n".join(self._data))
                self._data, self._size = [], 0
        return events

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data" and self._size + len(value) <= _MAX_EVENT:
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)


def _lines(data: bytes) -> list[bytes]:
    """Lines end with LF, CR LF or CR; the last entry is what has not ended yet."""
    if data.endswith(b"\r"):
        # The LF of this line's end may be in the next chunk.
        *lines, rest = _lines(data[:-1])
        return [*lines, rest + b"\r"]
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
