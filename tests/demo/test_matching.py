"""Rules are found by who asks, by the message, and by what came before it."""

from __future__ import annotations

import json
import time

import pytest

from hyperhive.demo.conversation import Called, Conversation, Mail
from hyperhive.demo.matching import MAX_SEARCHED, find_rule, match_mail, match_outcome
from hyperhive.demo.rules import MailMatch, Outcome
from hyperhive.protocol.schema import parse
from tests.demo.talk import rules

TALK = Conversation(agent="alice", role="worker")
HELLO = Mail("Hello\nyou there", 1, "bob", "agent")


def system(number: int, event: str, **fields: object) -> Mail:
    return Mail(json.dumps({"event": event, **fields}), number, "system", "system")


@pytest.mark.parametrize(
    ("match", "captured"),
    [
        ({}, {}),
        ({"sender": "bob"}, {}),
        ({"sender": "bo"}, None),
        ({"kind": "agent"}, {}),
        ({"kind": "operator"}, None),
        ({"contains": "hello"}, {}),
        ({"contains": "hullo"}, None),
        ({"matches": "^hello.(?P<who>.+)$"}, {"who": "you there"}),
        ({"matches": "(?P<a>x)|(?P<b>you)"}, {"a": "", "b": "you"}),
        ({"matches": "^there"}, None),
        ({"event": "spawned"}, None),
        ({"fields": {"agent": "."}}, None),
        ({"sender": "bob", "kind": "agent", "contains": "you", "matches": "ere$"}, {}),
        ({"sender": "bob", "matches": "nothing"}, None),
    ],
)
def test_match_mail(match: object, captured: object) -> None:
    assert match_mail(parse(MailMatch, match), HELLO) == captured


@pytest.mark.parametrize(
    ("match", "captured"),
    [
        ({"event": "spawned"}, {}),
        ({"event": "Spawned"}, None),
        ({"event": "spawned", "fields": {"agent": "(?P<who>.+)", "ok": "^true$"}}, {"who": "bob"}),
        ({"fields": {"ok": "false"}}, None),
        ({"fields": {"absent": ".*"}}, None),
        ({"fields": {"note": "^null$"}}, {}),
    ],
)
def test_match_events(match: object, captured: object) -> None:
    mail = system(1, "spawned", agent="bob", ok=True, note=None)
    assert match_mail(parse(MailMatch, match), mail) == captured


@pytest.mark.parametrize(
    ("outcome", "captured"),
    [
        ({}, {}),
        ({"tool": "Bash"}, {}),
        ({"tool": "Write"}, None),
        ({"failed": True}, {}),
        ({"failed": False}, None),
        ({"tool": "Bash", "failed": False}, {}),
        ({"output": "(?P<n>[0-9])"}, {"n": "5"}),
        ({"tool": "Bash", "output": "(?P<n>[0-9])"}, {"n": "2"}),
        ({"values": {"order": "amount"}}, {}),
        ({"values": {"order": "^(?P<o>by) "}}, {"o": "by"}),
        ({"values": {"order": "name"}}, None),
        ({"values": {"absent": "^$"}}, {}),
        ({"values": {"order": "amount"}, "failed": False}, None),
    ],
)
def test_match_outcome(outcome: object, captured: object) -> None:
    done = [Called("Bash", "1"), Called("Bash", "2"), Called("Read", "5", failed=True)]
    found = match_outcome(parse(Outcome, outcome), done, {"order": "by amount"})
    assert found == captured


@pytest.mark.parametrize("outcome", [{"tool": "Bash"}, {"failed": False}, {"output": ".*"}])
def test_nothing_came_of_nothing(outcome: object) -> None:
    assert match_outcome(parse(Outcome, outcome), [], {}) is None


SCENARIO = rules("""
- name: of a manager
  when: {role: manager}
  steps: [{say: a}]
- name: of zoe
  when: {agent: zoe}
  steps: [{say: a}]
- name: recalling
  when:
    matches: 'go ?(?P<how>\\w+)?'
    earlier:
      - {kind: operator, matches: 'task (?P<task>\\d) ?(?P<how>\\w*)'}
      - {event: started, fields: {agent: '(?P<who>.+)'}}
  steps: [{say: a}]
- name: twice
  when: {contains: again, times: 2}
  steps: [{say: a}]
- name: any
  when: {}
  steps: [{say: a}]
""")


def found(mail: Mail, *before: Mail, talk: Conversation = TALK) -> tuple[str, object]:
    match = find_rule(SCENARIO.rules, talk, mail, before)
    assert match is not None
    return match[0].name, match[1]


def test_the_first_rule_that_fits_is_taken() -> None:
    assert found(HELLO) == ("any", {})
    assert found(HELLO, talk=Conversation("zoe", "manager")) == ("of a manager", {})
    assert found(HELLO, talk=Conversation("zoe", "worker")) == ("of zoe", {})
    assert find_rule(SCENARIO.rules[:2], TALK, HELLO, ()) is None


def test_all_earlier_messages_are_wanted_and_the_newest_counts() -> None:
    go = Mail("go", 9, "bob", "agent")
    started = system(3, "started", agent="carl")
    tasks = [Mail(f"task {n} slowly", n, "operator", "operator") for n in (1, 2)]
    assert found(go, *tasks) == ("any", {})
    assert found(go, started) == ("any", {})
    assert found(go, *tasks, started) == (
        "recalling",
        {"task": "2", "how": "slowly", "who": "carl"},
    )
    fast = Mail("go fast", 9, "bob", "agent")
    assert found(fast, *tasks, started)[1] == {"task": "2", "how": "fast", "who": "carl"}


def test_a_rule_may_be_used_up() -> None:
    again = [Mail("again", n) for n in range(1, 6)]
    assert found(again[0])[0] == "twice"
    assert found(again[1], again[0], HELLO)[0] == "twice"
    assert found(again[2], *again[:2])[0] == "any"


def test_a_message_that_comes_again_is_counted_once() -> None:
    again = [Mail("again", n) for n in (1, 2)]
    assert found(again[1], again[0], again[0], again[1])[0] == "twice"
    prompts = [Mail("again"), Mail("again")]  # plain prompts have no number to tell them apart
    assert found(prompts[0], *prompts)[0] == "any"


def test_a_long_text_does_not_hold_up_the_server() -> None:
    match = parse(MailMatch, {"matches": r"(\w+) \d+, (\w+) \d+"})
    began = time.process_time()
    assert match_mail(match, Mail("a" * 1_000_000)) is None
    assert time.process_time() - began < 2
    assert match_mail(match, Mail("-" * MAX_SEARCHED + "a 1, b 2")) is None
