"""Bytes to JSON and back, strictly: what one side accepts no other parser may read differently."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from hyperhive.protocol.errors import InvalidFrame, TooLarge

MAX_DOCUMENT = 512 * 1024
"""Bytes of the largest document or frame either side accepts."""

MAX_DEPTH = 32


def dumps(value: object) -> str:
    """Compact JSON; NaN and infinities are refused."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def loads(data: bytes | str, *, limit: int = MAX_DOCUMENT) -> Any:
    """Parse one JSON document (RFC 8259).

    Raises TooLarge over `limit` bytes; InvalidFrame for anything that is not JSON in UTF-8, for
    duplicate keys, NaN, numbers beyond a double's exact range, and nesting beyond MAX_DEPTH.
    """
    _check_size(data, limit)
    text = data if isinstance(data, str) else _decode(data)
    _check_depth(text)
    return _parse(_decoder, text)


def loads_foreign(data: bytes) -> Any:
    """Like loads, for large documents of a foreign schema that are passed on byte for byte.

    Their numbers may have any size, and only the parser's own recursion limit bounds the nesting.
    The caller bounds bytes and values.
    """
    return _parse(_foreign_decoder, _decode(data))


def values_at_most(data: bytes) -> int:
    """How many JSON values the document has, from above: commas in strings count as well.

    They, not the bytes, decide what parsing costs in time and memory.
    """
    return 1 + data.count(b",") + data.count(b"[") + data.count(b"{")


def loads_object(data: bytes | str, *, limit: int = MAX_DOCUMENT) -> dict[str, Any]:
    """Like loads, for documents that must be an object."""
    value = loads(data, limit=limit)
    if not isinstance(value, dict):
        raise InvalidFrame("a JSON object is expected")
    return value


def _check_size(data: bytes | str, limit: int) -> None:
    if len(data) > limit:
        raise TooLarge(f"at most {limit} bytes are accepted")


def _parse(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoder.decode(text)
    except ValueError as error:
        raise InvalidFrame(f"not acceptable JSON: {error}") from None
    except RecursionError:
        raise InvalidFrame("nested too deeply") from None


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidFrame("not UTF-8") from None


def _check_depth(text: str) -> None:
    """Bound the nesting before the recursive parser runs; brackets inside strings do not count."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth, in_string, escaped = 0, False, False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidFrame(f"nested deeper than {MAX_DEPTH}")
        elif char in "]}":
            depth -= 1


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return value


def _read_int(text: str) -> int:
    if len(text) > 17 or abs(value := int(text)) >= 2**53:
        raise ValueError("a number is out of range")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


_decoder = json.JSONDecoder(
    parse_constant=_refuse_constant,
    parse_float=_read_float,
    parse_int=_read_int,
    object_pairs_hook=_unique,
)

_foreign_decoder = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)
