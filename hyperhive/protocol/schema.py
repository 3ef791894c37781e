"""Turns untrusted plain data into frozen dataclasses, or into one error that names the field."""

from __future__ import annotations

import dataclasses
import functools
import re
import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from hyperhive.protocol.errors import InvalidField

T = TypeVar("T")
Reader = Callable[[object, str], Any]

_MAX_SAFE_INT = 2**53 - 1


@dataclass(frozen=True)
class Text:
    """Bounds of a string: length in characters, size in UTF-8 bytes, and a pattern it must match.

    `problem` replaces the generic sentence when the pattern does not match.
    """

    min: int = 1
    max: int = 1_000
    max_bytes: int | None = None
    pattern: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Range:
    """Inclusive bounds of a number."""

    min: float
    max: float


@dataclass(frozen=True)
class Items:
    """Bounds of a list's or mapping's length."""

    min: int = 0
    max: int = 100


@dataclass(frozen=True)
class Doc:
    """What the field means, for the people and models that fill it in."""

    text: str


@dataclass(frozen=True)
class Check:
    """A further check of the parsed value; returns the problem, or None."""

    problem: Callable[[Any], str | None]


def camel(name: str) -> str:
    """`allowed_bash` as configuration files spell it: `allowedBash`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def parse(cls: type[T], data: object, where: str = "", *, camel_case: bool = False) -> T:
    """Build `cls` (a dataclass) from plain data; `where` prefixes field names in errors.

    Raises InvalidField. Unknown keys are errors: a typing mistake must not pass in silence.
    """
    read = _class_reader(cast(Hashable, cls), camel_case)
    return cast(T, read(data, where))


def fields_of(cls: type) -> dict[str, tuple[Any, dataclasses.Field[Any]]]:
    """Field name -> (annotation with its metadata, field)."""
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: (hints[f.name], f) for f in dataclasses.fields(cls)}


def is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


@functools.cache
def _class_reader(cls: Any, camel_case: bool) -> Reader:
    specs = []
    for name, (hint, field) in fields_of(cls).items():
        key = camel(name) if camel_case else name
        specs.append((key, name, is_required(field), _reader(hint, camel_case)))
    known = {key for key, *_ in specs}

    def read(data: object, where: str) -> object:
        if not isinstance(data, Mapping):
            raise InvalidField(where, "must be a mapping of names to values")
        for key in data:
            if key not in known:
                raise InvalidField(
                    join(where, _shown(key)), f"is not known here; known are {_names(known)}"
                )
        values = {}
        for key, name, required, reader in specs:
            if key in data:
                values[name] = reader(data[key], join(where, key))
            elif required:
                raise InvalidField(join(where, key), "is missing")
        return cls(**values)

    return read


def _shown(key: object) -> str:
    """A name that nobody checked: it may hold lone surrogates, which no answer could carry."""
    return str(key)[:80].encode(errors="backslashreplace").decode()


def _names(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _reader(hint: Any, camel_case: bool) -> Reader:
    """The function that checks one value against one annotation."""
    metadata: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        metadata = tuple(rest)
    read = _plain_reader(hint, metadata, camel_case)
    checks = [m for m in metadata if isinstance(m, Check)]
    if not checks:
        return read

    def checked(value: object, where: str) -> object:
        result = read(value, where)
        for check in checks:
            if problem := check.problem(result):
                raise InvalidField(where, problem)
        return result

    return checked


def _plain_reader(hint: Any, metadata: tuple[Any, ...], camel_case: bool) -> Reader:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional_reader(args, metadata, camel_case)
    if origin is Literal:
        return functools.partial(_read_literal, args)
    if origin is tuple:
        return _list_reader(_reader(args[0], camel_case), _find(metadata, Items, Items()))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_reader(
            _reader(args[0], camel_case),
            _reader(args[1], camel_case),
            _find(metadata, Items, Items()),
        )
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _class_reader(hint, camel_case)
    if hint is str:
        return _text_reader(_find(metadata, Text, Text()))
    if hint in (int, float):
        return _number_reader(hint, _find(metadata, Range, Range(-_MAX_SAFE_INT, _MAX_SAFE_INT)))
    if hint is bool:
        return _read_bool
    if hint is object:
        return lambda value, where: value
    raise TypeError(f"schema does not know the annotation {hint!r}")


def _find(metadata: tuple[Any, ...], kind: type[T], default: T) -> T:
    return next((m for m in metadata if isinstance(m, kind)), default)


def _optional_reader(args: tuple[Any, ...], metadata: tuple[Any, ...], camel_case: bool) -> Reader:
    (inner,) = [a for a in args if a is not type(None)]
    read = _reader(Annotated[(inner, *metadata)] if metadata else inner, camel_case)
    return lambda value, where: None if value is None else read(value, where)


def _read_literal(choices: tuple[Any, ...], value: object, where: str) -> object:
    if not isinstance(value, str) or value not in choices:
        raise InvalidField(where, f"must be one of {', '.join(map(str, choices))}")
    return value


def _read_bool(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidField(where, "must be true or false")
    return value


def _text_reader(rule: Text) -> Reader:
    pattern = re.compile(rule.pattern) if rule.pattern else None
    # One UTF-8 character has at most 4 bytes, so a byte limit also bounds the characters.
    max_chars = rule.max if rule.max_bytes is None else rule.max_bytes

    def read(value: object, where: str) -> str:
        if not isinstance(value, str):
            raise InvalidField(where, "must be a string")
        if len(value) < rule.min:
            least = (
                "must not be empty"
                if rule.min == 1
                else f"must have at least {rule.min} characters"
            )
            raise InvalidField(where, least)
        if len(value) > max_chars:
            raise InvalidField(where, f"must have at most {max_chars} characters")
        if not value.isascii() or "\0" in value:
            _check_unicode(value, where, rule.max_bytes)
        if pattern and not pattern.fullmatch(value):
            raise InvalidField(where, rule.problem or f"must match {rule.pattern}")
        return value

    return read


def _check_unicode(value: str, where: str, max_bytes: int | None) -> None:
    if "\0" in value:
        raise InvalidField(where, "must not contain NUL")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidField(where, "must not contain lone surrogates") from None
    if max_bytes is not None and size > max_bytes:
        raise InvalidField(where, f"must have at most {max_bytes} bytes")


def _number_reader(kind: type, rule: Range) -> Reader:
    def read(value: object, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InvalidField(where, "must be a number")
        if kind is int and not isinstance(value, int):
            raise InvalidField(where, "must be a whole number")
        if not rule.min <= value <= rule.max:  # false for NaN as well
            raise InvalidField(where, f"must be from {rule.min:,} to {rule.max:,}")
        return float(value) if kind is float else value

    return read


def _list_reader(each: Reader, rule: Items) -> Reader:
    def read(value: object, where: str) -> tuple[object, ...]:
        if not isinstance(value, (list, tuple)):
            raise InvalidField(where, "must be a list")
        _check_length(len(value), rule, where)
        return tuple(each(item, f"{where}[{i}]") for i, item in enumerate(value))

    return read


def _mapping_reader(key_reader: Reader, each: Reader, rule: Items) -> Reader:
    def read(value: object, where: str) -> Mapping[str, object]:
        if not isinstance(value, Mapping):
            raise InvalidField(where, "must be a mapping of names to values")
        _check_length(len(value), rule, where)
        entries = {}
        for key, item in value.items():
            name = key_reader(key, join(where, _shown(key)))
            entries[name] = each(item, join(where, name))
        return entries

    return read


def _check_length(length: int, rule: Items, where: str) -> None:
    if not rule.min <= length <= rule.max:
        raise InvalidField(where, f"must have from {rule.min} to {rule.max} entries")
