"""Placeholders such as `{{name}}` in what a rule says and does, and what fills them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import fields, is_dataclass

from hyperhive.protocol import wire

BUILT_IN = frozenset({"agent", "role", "id", "from", "body", "output"})
"""Who is asked to act, the message it acts on, and the text of the last tool result."""

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)?)\s*\}\}")
_EVENT = "event."


def problem(value: object, groups: Set[str]) -> str | None:
    """Why the placeholders in `value` cannot all be filled, or None."""
    for text in _texts(value):
        for name in _PLACEHOLDER.findall(text):
            if not (name in BUILT_IN or name in groups or name.startswith(_EVENT)):
                known = ", ".join(sorted({*BUILT_IN, *groups, "event.<field>"}))
                return f"nothing fills {{{{{name}}}}}; known are {known}"
        if "{{" in _PLACEHOLDER.sub("", text):
            return "has {{ that begins no placeholder such as {{name}}"
    return None


def fill(value: object, values: Mapping[str, object]) -> object:
    """`value` with every placeholder replaced, at any depth.

    A text that is one placeholder and nothing else becomes the value itself: an id stays a number.
    """
    if isinstance(value, str):
        if whole := _PLACEHOLDER.fullmatch(value):
            return values.get(whole[1], "")
        return fill_text(value, values)
    if isinstance(value, Mapping):
        return {key: fill(item, values) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill(item, values) for item in value]
    return value


def fill_text(text: str, values: Mapping[str, object]) -> str:
    return _PLACEHOLDER.sub(lambda found: as_text(values.get(found[1], "")), text)


def as_text(value: object) -> str:
    return value if isinstance(value, str) else wire.dumps(value)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))
