"""Names, recipients and keys: what is one and what is not."""

from dataclasses import dataclass

import pytest

from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.model import MAX_BODY, AgentName, Body, Key, Recipient, check_name
from hyperhive.protocol.schema import parse


@dataclass(frozen=True)
class Fields:
    name: AgentName = "x"
    to: Recipient = "x"
    key: Key = "x"
    body: Body = "x"


GOOD = ["a", "bob", "a1", "a-b", "a--b", "x" * 20, "manager", "operators"]
BAD = ["", "-a", "a-", "1a", "A", "ä", "a_b", "a.b", "a b", "a\n", "x" * 21, "\uff41", "*", "../a"]
RESERVED = ["operator", "system", "host", "all"]


@pytest.mark.parametrize("name", GOOD)
def test_a_name_is_accepted(name: str) -> None:
    assert check_name(name) == parse(Fields, {"name": name}).name == name


@pytest.mark.parametrize("name", BAD + RESERVED)
def test_no_other_name_is(name: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        check_name(name, "agents.x")
    assert refusal.value.field == "agents.x"
    with pytest.raises(InvalidField, match=r"^name: "):
        parse(Fields, {"name": name})


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_name_is_called_so(name: str) -> None:
    with pytest.raises(InvalidField, match="is reserved; choose another name"):
        check_name(name)


def test_a_recipient_is_a_name_the_operator_or_everyone() -> None:
    for to in ("bob", "operator", "*"):
        assert parse(Fields, {"to": to}).to == to
    for to in ("**", "Bob", "bob\n", "", "*\n"):
        with pytest.raises(InvalidField, match=r"^to: "):
            parse(Fields, {"to": to})


def test_a_key_is_visible_ascii() -> None:
    assert parse(Fields, {"key": "k-1:~!"}).key == "k-1:~!"
    for key in ("", "a b", "a\n", "ü", "\x7f", "k" * 101):
        with pytest.raises(InvalidField, match=r"^key: "):
            parse(Fields, {"key": key})


def test_a_body_is_bounded_in_bytes() -> None:
    assert parse(Fields, {"body": "ü" * (MAX_BODY // 2)}).body
    for body in ("", "x" * (MAX_BODY + 1), "ü" * (MAX_BODY // 2) + "x", "a\0"):
        with pytest.raises(InvalidField, match=r"^body: "):
            parse(Fields, {"body": body})
