"""Every field of a schema wrong in turn: documents made from a complete and right one."""

from __future__ import annotations

import copy
import dataclasses
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from hyperhive.protocol.schema import Items, Range, Text, camel, fields_of, is_required, join

T = TypeVar("T")
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mistake:
    """A document with one mistake in it; `field` is the path that the refusal must name."""

    field: str
    what: str
    document: Any

    def __str__(self) -> str:
        return f"{self.field} {self.what}"


@dataclass(frozen=True)
class _Fault:
    """A wrong value and the place it goes to; `gone` takes the place itself away."""

    path: Path
    field: str
    what: str
    value: object = None
    gone: bool = False


def mistakes(cls: type, right: Mapping[str, object], *, camel_case: bool = False) -> list[Mistake]:
    """`right` must show every field of `cls`, and of the classes within, at least once."""
    return [
        Mistake(fault.field, fault.what, _plant(right, fault))
        for fault in _class_faults(cls, right, (), "", camel_case)
        if fault.path
    ]


def _plant(right: Mapping[str, object], fault: _Fault) -> Any:
    document: Any = copy.deepcopy(dict(right))
    place, last = document, fault.path[-1]
    for step in fault.path[:-1]:
        place = place[step]
    if fault.gone:
        del place[last]
    else:
        place[last] = fault.value
    return document


def _class_faults(
    cls: type, right: Any, path: Path, where: str, camel_case: bool
) -> Iterator[_Fault]:
    for value, what in (("text", "a text"), ([1], "a list"), (None, "null")):
        yield _Fault(path, where, f"is {what}", value)
    yield _Fault((*path, "surplus"), join(where, "surplus"), "is not known", 1)
    for name, (hint, field) in fields_of(cls).items():
        key = camel(name) if camel_case else name
        assert key in right, f"the complete document lacks {join(where, key)}"
        place, full = (*path, key), join(where, key)
        if is_required(field):
            yield _Fault(place, full, "is missing", gone=True)
        yield from _faults(hint, right[key], place, full, camel_case)


def _faults(hint: Any, right: Any, path: Path, where: str, camel_case: bool) -> Iterator[_Fault]:
    """Wrong values for one annotation, and for what is within it."""
    metadata: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        metadata = tuple(rest)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = [a for a in args if a is not type(None)]
        inner = Annotated[(inner, *metadata)] if metadata else inner
        found = _faults(inner, right, path, where, camel_case)
        yield from (f for f in found if f.path != path or f.value is not None)
    elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield from _class_faults(hint, right, path, where, camel_case)
    elif origin is tuple:
        yield from _list_faults(args[0], metadata, right, path, where, camel_case)
    elif origin is dict:
        yield from _mapping_faults(args, metadata, right, path, where, camel_case)
    else:
        for value, what in _wrong_values(hint, metadata):
            yield _Fault(path, where, what, value)


def _list_faults(
    each: Any, metadata: tuple[Any, ...], right: Any, path: Path, where: str, camel_case: bool
) -> Iterator[_Fault]:
    rule = _find(metadata, Items, Items())
    assert right, f"the complete document has no entry in {where}"
    yield _Fault(path, where, "is a text", "text")
    yield _Fault(path, where, "is a mapping", {"a": right[0]})
    yield _Fault(path, where, "is null", None)
    yield _Fault(path, where, "has too many entries", [right[0]] * (rule.max + 1))
    if rule.min:
        yield _Fault(path, where, "is empty", [])
    yield from _faults(each, right[0], (*path, 0), f"{where}[0]", camel_case)


def _mapping_faults(
    args: tuple[Any, ...],
    metadata: tuple[Any, ...],
    right: Any,
    path: Path,
    where: str,
    camel: bool,
) -> Iterator[_Fault]:
    rule = _find(metadata, Items, Items())
    assert right, f"the complete document has no entry in {where}"
    name, value = next(iter(right.items()))
    yield _Fault(path, where, "is a text", "text")
    yield _Fault(path, where, "is a list", [value])
    yield _Fault(path, where, "is null", None)
    many = {f"a{i}": value for i in range(rule.max + 1)}
    yield _Fault(path, where, "has too many entries", many)
    if rule.min:
        yield _Fault(path, where, "is empty", {})
    for key, what in _wrong_values(str, getattr(args[0], "__metadata__", ())):
        shown = key[:80] if isinstance(key, str) else str(key)
        yield _Fault((*path, key), join(where, shown), f"key {what}", value)  # type: ignore[arg-type]  # not a key by intent
    yield from _faults(args[1], value, (*path, name), join(where, name), camel)


def _wrong_values(hint: Any, metadata: tuple[Any, ...]) -> Iterator[tuple[object, str]]:
    yield None, "is null"
    if get_origin(hint) is Literal:
        yield from (("nonsense", "is another word"), (1, "is a number"), ([1], "is a list"))
    elif hint is bool:
        yield from (("true", "is a text"), (1, "is a number"), ([True], "is a list"))
    elif hint is str:
        yield from _wrong_texts(_find(metadata, Text, Text()))
    elif hint in (int, float):
        yield from _wrong_numbers(hint, _find(metadata, Range, Range(-(2**53) + 1, 2**53 - 1)))


def _wrong_texts(rule: Text) -> Iterator[tuple[object, str]]:
    yield 7, "is a number"
    yield True, "is true"
    yield "a\0b", "has a NUL"
    if rule.min:
        yield "", "is empty"
    yield "a" * ((rule.max_bytes or rule.max) + 1), "is too long"
    if rule.max_bytes:
        yield "\u20ac" * (rule.max_bytes // 3 + 1), "has too many bytes"
    if rule.pattern:
        yield "a\n", "has a line feed"
        yield "\u00e4\u00df /..", "has odd characters"


def _wrong_numbers(kind: type, rule: Range) -> Iterator[tuple[object, str]]:
    yield "1", "is a text"
    yield True, "is true"
    yield [1], "is a list"
    yield rule.max + 1, "is too large"
    yield rule.min - 1, "is too small"
    if kind is int:
        yield (rule.min + 0.5), "is a fraction"


def _find(metadata: tuple[Any, ...], kind: type[T], default: T) -> T:
    return next((m for m in metadata if isinstance(m, kind)), default)
