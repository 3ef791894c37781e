"""What models are told of a tool's arguments agrees with what the host accepts."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jsonschema  # type: ignore[import-untyped]  # has no types
import pytest

from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.json_schema import json_schema
from hyperhive.protocol.schema import Doc, Items, Range, Text, fields_of, is_required, parse
from hyperhive.protocol.verbs import FILLED_IN_BY_HARNESS, VERBS, Send

TOOLS = {name: verb.arguments for name, verb in VERBS.items() if not verb.link_only}


@dataclass(frozen=True, slots=True, kw_only=True)
class Some:
    """Every kind of annotation."""

    word: Annotated[str, Text(min=2, max=5), Doc("A word.")]
    size: Annotated[str, Text(max_bytes=8)] = "x"
    kind: Literal["a", "b"] = "a"
    count: Annotated[int, Range(1, 10)] = 1
    share: Annotated[float, Range(0, 0.5)] = 0
    on: Annotated[bool, Doc("Whether.")] = False
    maybe: Annotated[int | None, Range(1, 10)] = None
    many: Annotated[tuple[Annotated[str, Text(max=3)], ...], Items(max=2)] = ()
    named: dict[str, str] | None = None


def test_every_annotation_is_described() -> None:
    assert json_schema(Some) == {
        "type": "object",
        "properties": {
            "word": {"type": "string", "minLength": 2, "maxLength": 5, "description": "A word."},
            "size": {"type": "string", "minLength": 1, "maxLength": 8},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "count": {"type": "integer", "minimum": 1, "maximum": 10},
            "share": {"type": "number", "minimum": 0, "maximum": 0.5},
            "on": {"type": "boolean", "description": "Whether."},
            "maybe": {"type": "integer", "minimum": 1, "maximum": 10},
            "many": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": 3},
                "minItems": 0,
                "maxItems": 2,
            },
            "named": {"type": "object"},
        },
        "required": ["word"],
        "additionalProperties": False,
    }


def test_fields_may_be_left_out() -> None:
    schema = json_schema(Send, leave_out=FILLED_IN_BY_HARNESS)
    assert list(schema["properties"]) == ["to", "body", "in_reply_to", "ttl_seconds"]
    assert schema["required"] == ["to", "body"]


@pytest.mark.parametrize("name", TOOLS)
def test_each_tools_schema_is_valid_and_every_argument_explained(name: str) -> None:
    schema = json_schema(TOOLS[name], leave_out=FILLED_IN_BY_HARNESS)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert all(field.get("description") for field in schema["properties"].values())
    assert (TOOLS[name].__doc__ or "").strip()


CANDIDATES: list[Any] = [
    *(None, True, False, 0, 1, -1, 7, 10**9, 2**53, 0.5, 1e300, "", "a", "bob", "operator", "*"),
    *("x" * 300, "x" * 70_000, [], ["yes", "no"], [""], ["x"] * 50, [1], {}, {"a": 1}),
]


REQUIRED: dict[str, Any] = {
    "to": "bob",
    "body": "hello",
    "key": "k",
    "question": "why?",
    "id": 1,
    "answer": "so",
    "agent": "bob",
    "name": "bob",
    "commit_ref": "1e92a80d539d",
}


@pytest.mark.parametrize("name", TOOLS)
def test_what_the_schema_refuses_the_host_refuses_too(name: str) -> None:
    """Not the other way round: patterns and bytes are told in words."""
    cls = TOOLS[name]
    validator = jsonschema.Draft202012Validator(json_schema(cls))
    fields = fields_of(cls)
    valid = {name: REQUIRED[name] for name, (_, field) in fields.items() if is_required(field)}
    validator.validate(valid)
    parse(cls, valid)
    for field in fields:
        for candidate in CANDIDATES:
            document = {**valid, field: candidate}
            if not validator.is_valid(document) and candidate is not None:
                with pytest.raises(InvalidField) as refusal:
                    parse(cls, document)
                assert refusal.value.field.split("[")[0] == field
    with pytest.raises(InvalidField):
        parse(cls, {**valid, "unheard_of": 1})
