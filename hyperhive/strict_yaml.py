"""YAML to plain data: no aliases, no double keys, no deep nesting, errors with their place."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from hyperhive.protocol.errors import InvalidFrame, TooLarge

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24


def loads(data: bytes, name: str, limit: int = MAX_BYTES) -> object:
    """Parse one YAML document of at most `limit` bytes; `name` is what errors call it.

    Raises TooLarge, or InvalidFrame with line and column.
    """
    if len(data) > limit:
        raise TooLarge(f"{name}: at most {limit} bytes are accepted")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidFrame(f"{name}: not UTF-8 at byte {error.start}") from None
    try:
        loader = _Loader(text)
        try:
            value: object = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise InvalidFrame(f"{name}: {_sentence(error)}") from None
    except yaml.reader.ReaderError as error:
        raise InvalidFrame(f"{name}: {_reader_sentence(error, text)}") from None
    return value


class _Loader(yaml.SafeLoader):
    """SafeLoader without what makes a small document large or ambiguous."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _problem("aliases are not accepted: write the value out", self._next())
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _problem(f"nested deeper than {MAX_DEPTH}", self._next())
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _next(self) -> yaml.Event:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # lacks a stub
        return event

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _problem("a key must be a single word or text", key)
            if key.value in seen:
                raise _problem(f"{key.value!r} stands twice in one mapping", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # a number of more than 4,300 digits, a 13th month
            raise _problem(str(error), node) from None


def _problem(text: str, place: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=place.start_mark)  # type: ignore[arg-type]  # the stub also allows the C parser's marks


def _sentence(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{place}{said}"


def _reader_sentence(error: yaml.reader.ReaderError, text: str) -> str:
    before = text[: error.position]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    code = f"U+{ord(text[error.position]):04X}"
    return f"line {line}, column {column}: the character {code} is not allowed"
