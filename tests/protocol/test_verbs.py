"""The table of verbs, and the frames they travel in."""

from dataclasses import asdict
from typing import Any, get_args

import pytest

from hyperhive.protocol.answers import TurnStart, Welcome
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.link import HEARTBEAT_SECONDS, LEASE_SECONDS, Heartbeat, Hello, Request
from hyperhive.protocol.model import MAX_BATCH, MAX_QUESTION_TTL, MAX_WAIT, Capability
from hyperhive.protocol.schema import fields_of, parse
from hyperhive.protocol.verbs import (
    FILLED_IN_BY_HARNESS,
    VERBS,
    Ask,
    AskOperator,
    Recv,
    TurnEnd,
    TurnEvent,
    TurnEvents,
)
from hyperhive.protocol.wire import dumps, loads

APPLY = "request_apply_commit"
MANAGERS = {
    APPLY,
    *("ask_operator", "list_agents", "request_spawn", "request_destroy"),
    *("start", "kill", "restart", "update", "get_logs"),
}
TURNS = {"turn_begin", "turn_events", "turn_end", "self_check"}


def test_who_may_call_what() -> None:
    assert {name for name, verb in VERBS.items() if "manage" in verb.capabilities} == MANAGERS
    assert {n for n, verb in VERBS.items() if "propose" in verb.capabilities} == {APPLY}
    assert {name for name, verb in VERBS.items() if verb.link_only} == TURNS
    assert {c for verb in VERBS.values() for c in verb.capabilities} == set(get_args(Capability))


def test_every_argument_that_changes_something_has_a_key_or_is_repeatable() -> None:
    keyed = {name for name, verb in VERBS.items() if "key" in fields_of(verb.arguments)}
    assert keyed == {
        "send",
        "recv",
        "ask",
        "ask_operator",
        "request_spawn",
        "request_destroy",
        APPLY,
    }
    for name in ("turn_begin", "turn_events", "turn_end"):
        assert "turn" in fields_of(VERBS[name].arguments)


def test_asking_the_operator_is_asking_without_a_choice_of_whom() -> None:
    ask, ask_operator = fields_of(Ask), fields_of(AskOperator)
    assert ask.keys() - ask_operator.keys() == {"to"}
    assert all(ask[name][0] == hint for name, (hint, _) in ask_operator.items())


def test_what_the_harness_fills_in_no_model_sees() -> None:
    assert {"key", "turn", "instance", "ack"} == FILLED_IN_BY_HARNESS


@pytest.mark.parametrize(
    ("cls", "values", "field"),
    [
        (Recv, {"wait_seconds": MAX_WAIT + 1}, "wait_seconds"),
        (Recv, {"wait_seconds": -1}, "wait_seconds"),
        (Recv, {"max": MAX_BATCH + 1}, "max"),
        (Recv, {"max": 0}, "max"),
        (Recv, {"ack": [0]}, "ack[0]"),
        (Recv, {"instance": "SHORT"}, "instance"),
        (Ask, {"question": "q", "key": "k", "ttl_seconds": MAX_QUESTION_TTL + 1}, "ttl_seconds"),
        (Ask, {"question": "q", "key": "k", "options": ["x"] * 21}, "options"),
        (TurnEnd, {"turn": "turn-0001", "result": "deferred"}, "result"),
        (TurnEnd, {"turn": "../turn-1", "result": "clean"}, "turn"),
        (TurnEvents, {"turn": "turn-0001", "first": 1, "events": []}, "events"),
        (
            TurnEvents,
            {"turn": "turn-0001", "first": 0, "events": [{"kind": "text"}]},
            "first",
        ),
        (
            TurnEvents,
            {"turn": "turn-0001", "first": 1, "events": [{"kind": "turn_ended"}]},
            "events[0].kind",
        ),
        (Hello, {"protocol": 1, "instance": "instance-1", "type": "request"}, "type"),
        (Request, {"type": "request", "id": 0, "verb": "send", "args": {}}, "id"),
        (Request, {"type": "request", "id": 1, "verb": "send", "args": []}, "args"),
    ],
)
def test_bounds_are_kept(cls: type, values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        parse(cls, values)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    "frame",
    [
        Hello(protocol=1, instance="instance-1", turn="turn-0001", version="1.0"),
        Heartbeat(),
        Request(type="request", id=7, verb="send", args={"to": "bob"}),
        TurnEvents(turn="turn-0001", first=1, events=(TurnEvent(kind="text", text="hi"),)),
        Welcome(
            agent="bob",
            role="worker",
            settings={"model": None},
            settings_version=1,
            heartbeat_seconds=15,
        ),
        TurnStart(messages=({"id": 1, "body": "x"},), model="big", retry_after=None),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_a_frame_arrives_as_it_was_sent(frame: Any) -> None:
    assert parse(type(frame), loads(dumps(asdict(frame)))) == frame


def test_a_lease_outlives_some_lost_heartbeats() -> None:
    assert LEASE_SECONDS >= 3 * HEARTBEAT_SECONDS
