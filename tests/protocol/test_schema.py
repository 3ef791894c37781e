"""Plain data to dataclasses: every wrong value is one error that names its field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.schema import (
    Check,
    Items,
    Range,
    Text,
    camel,
    fields_of,
    is_required,
    join,
    parse,
)


def _odd(value: str) -> str | None:
    return None if len(value) % 2 else "must have an odd length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    deep_value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: Annotated[str, Text(min=2, max=5)]
    kind: Literal["a", "b"] = "a"
    count: Annotated[int, Range(1, 10)] = 1
    share: Annotated[float, Range(0, 1)] = 0.5
    on: bool = False
    word: Annotated[str, Text(max_bytes=8)] = "x"
    code: Annotated[str, Text(pattern="[a-z]+", problem="must be a-z")] = "x"
    odd: Annotated[str, Check(_odd)] = "x"
    maybe: Annotated[int, Range(1, 10)] | None = None
    also: Annotated[int | None, Range(1, 10)] = None
    many: Annotated[tuple[Annotated[str, Text(max=3)], ...], Items(max=2)] = ()
    named: Annotated[
        dict[Annotated[str, Text(max=3)], Annotated[int, Range(0, 9)]], Items(max=2)
    ] = field(default_factory=dict)
    inner: Inner = Inner()
    anything: object = None


def read(**values: object) -> Outer:
    return parse(Outer, {"name": "abc", **values}, "top")


def problem(**values: object) -> str:
    with pytest.raises(InvalidField) as refusal:
        read(**values)
    assert refusal.value.details() == {"field": refusal.value.field}
    return str(refusal.value)


def test_what_is_left_out_has_its_default() -> None:
    assert read() == Outer(name="abc")


def test_values_become_what_the_annotations_say() -> None:
    outer = read(
        share=1, many=["a", "b"], named={"x": 1}, inner={"deep_value": 7}, maybe=3, also=None
    )
    assert (outer.share, type(outer.share)) == (1.0, float)
    assert (outer.many, outer.named, outer.inner) == (("a", "b"), {"x": 1}, Inner(deep_value=7))
    assert (outer.maybe, outer.also) == (3, None)
    assert read(anything=[{1: 2}]).anything == [{1: 2}]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": 7}, "top.name: must be a string"),
        ({"name": None}, "top.name: must be a string"),
        ({"name": "a"}, "top.name: must have at least 2 characters"),
        ({"name": "abcdef"}, "top.name: must have at most 5 characters"),
        ({"name": "a\0b"}, "top.name: must not contain NUL"),
        ({"name": "a\ud800"}, "top.name: must not contain lone surrogates"),
        ({"word": "ü" * 5}, "top.word: must have at most 8 bytes"),
        ({"word": "x" * 9}, "top.word: must have at most 8 characters"),
        ({"code": "a1"}, "top.code: must be a-z"),
        ({"code": "a\n"}, "top.code: must be a-z"),
        ({"odd": "xx"}, "top.odd: must have an odd length"),
        ({"kind": "c"}, "top.kind: must be one of a, b"),
        ({"kind": ["a"]}, "top.kind: must be one of a, b"),
        ({"count": 0}, "top.count: must be from 1 to 10"),
        ({"count": 10**400}, "top.count: must be from 1 to 10"),
        ({"count": 1.0}, "top.count: must be a whole number"),
        ({"count": True}, "top.count: must be a number"),
        ({"count": "1"}, "top.count: must be a number"),
        ({"share": float("nan")}, "top.share: must be from 0 to 1"),
        ({"share": float("inf")}, "top.share: must be from 0 to 1"),
        ({"on": 1}, "top.on: must be true or false"),
        ({"maybe": 11}, "top.maybe: must be from 1 to 10"),
        ({"also": 11}, "top.also: must be from 1 to 10"),
        ({"many": "ab"}, "top.many: must be a list"),
        ({"many": ["a", "b", "c"]}, "top.many: must have from 0 to 2 entries"),
        ({"many": ["a", "long"]}, "top.many[1]: must have at most 3 characters"),
        ({"named": [1]}, "top.named: must be a mapping of names to values"),
        ({"named": {"x": 10}}, "top.named.x: must be from 0 to 9"),
        ({"named": {"long": 1}}, "top.named.long: must have at most 3 characters"),
        ({"named": {7: 1}}, "top.named.7: must be a string"),
        ({"named": {"a": 1, "b": 1, "c": 1}}, "top.named: must have from 0 to 2 entries"),
        ({"inner": 1}, "top.inner: must be a mapping of names to values"),
        ({"inner": {"deep_value": "x"}}, "top.inner.deep_value: must be a number"),
        ({"inner": {"deep": 1}}, "top.inner.deep: is not known here; known are deep_value"),
    ],
    ids=str,
)
def test_a_wrong_value_is_named_with_its_remedy(values: dict[str, Any], message: str) -> None:
    assert problem(**values) == message


def test_what_is_missing_or_unknown_is_named() -> None:
    with pytest.raises(InvalidField, match=r"^name: is missing$"):
        parse(Outer, {})
    with pytest.raises(InvalidField, match=r"^nmae: is not known here; known are also, anything,"):
        parse(Outer, {"nmae": "abc"})
    with pytest.raises(InvalidField, match=r"^x{80}: is not known here"):
        parse(Outer, {"x" * 1_000: 1})
    with pytest.raises(InvalidField, match="must be a mapping"):
        parse(Outer, [])


def test_in_camel_case_the_errors_speak_it_too() -> None:
    assert parse(Inner, {"deepValue": 7}, camel_case=True) == Inner(deep_value=7)
    with pytest.raises(InvalidField, match=r"^deep_value: is not known here; known are deepValue"):
        parse(Inner, {"deep_value": 7}, camel_case=True)
    assert [camel(name) for name in ("a", "allowed_bash", "a_b_c")] == ["a", "allowedBash", "aBC"]


def test_an_annotation_that_nobody_understands_is_a_mistake_of_ours() -> None:
    @dataclass(frozen=True)
    class Odd:
        value: bytes

    with pytest.raises(TypeError, match="bytes"):
        parse(Odd, {"value": b""})


def test_fields_are_described_for_others() -> None:
    fields = fields_of(Outer)
    assert list(fields)[:2] == ["name", "kind"]
    assert [name for name, (_, f) in fields.items() if is_required(f)] == ["name"]
    assert (join("", "a"), join("a", "b")) == ("a", "a.b")


def test_an_error_is_seen_from_the_document_that_contains_it() -> None:
    inner = InvalidField("model", "is missing")
    assert inner.within("agents.alice").field == "agents.alice.model"
    assert InvalidField("", "is missing").within("agents").field == "agents"


def test_the_parsed_data_is_not_changed() -> None:
    data: Mapping[str, object] = {"name": "abc", "named": {"x": 1}, "many": ["a"]}
    before = repr(data)
    parse(Outer, data)
    assert repr(data) == before
