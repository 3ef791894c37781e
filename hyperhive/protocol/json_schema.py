"""Describes the dataclasses of `protocol` as JSON Schema, for tools that models fill in."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hyperhive.protocol.schema import Doc, Items, Range, Text, fields_of, is_required


def json_schema(cls: type, *, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """JSON Schema (2020-12) of a dataclass; `leave_out` names fields the caller fills in itself."""
    fields = {n: spec for n, spec in fields_of(cls).items() if n not in leave_out}
    return {
        "type": "object",
        "properties": {name: _schema(hint) for name, (hint, _) in fields.items()},
        "required": [name for name, (_, field) in fields.items() if is_required(field)],
        "additionalProperties": False,
    }


def _schema(hint: Any) -> dict[str, Any]:
    metadata: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        metadata = tuple(rest)
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = [a for a in get_args(hint) if a is not type(None)]
    schema = _plain(hint)
    for item in metadata:
        schema |= _bounds(item, schema)
    return schema


def _plain(hint: Any) -> dict[str, Any]:
    origin, args = get_origin(hint), get_args(hint)
    if get_origin(hint) is Annotated:
        return _schema(hint)
    if origin is Literal:
        return {"type": "string", "enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": _schema(args[0])}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object"}
    names = {str: "string", int: "integer", float: "number", bool: "boolean"}
    return {"type": names[hint]}


def _bounds(item: object, schema: dict[str, Any]) -> dict[str, Any]:
    match item:
        case Doc(text):
            return {"description": text}
        case Text() if schema["type"] == "string":
            return {"minLength": item.min, "maxLength": item.max_bytes or item.max}
        case Range(low, high):
            whole = schema["type"] == "integer"
            return {"minimum": int(low) if whole else low, "maximum": int(high) if whole else high}
        case Items(low, high):
            return {"minItems": low, "maxItems": high} if schema["type"] == "array" else {}
    return {}
