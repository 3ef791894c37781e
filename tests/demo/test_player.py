"""The next reply follows from the conversation alone, whatever it went through."""

from __future__ import annotations

from hyperhive.demo import conversation
from hyperhive.demo.player import MAX_OUTPUT, Reply, ToolUse, next_reply
from hyperhive.demo.rules import Failure
from tests.demo.talk import called, event, mail, reply, request, result, rules, said, wake

SCENARIO = rules("""
- name: work
  when: {contains: work, matches: 'work on (?P<what>\\w+)'}
  steps:
    - say: 'I begin with {{what}}.'
      tool: Bash
      input: {command: 'make {{what}}', depth: {list: ['{{id}}']}}
    - when: {failed: true}
      say: 'It failed: {{output}}'
    - unless: {failed: true}
      tool: Read
      input: {file_path: '{{what}}.txt'}
      also: [{tool: Read, input: {file_path: other.txt}}]
    - when: {tool: Read, output: 'size (?P<size>\\d+)'}
      say: It has {{size}}.
    - tool: mcp__hyperhive__send
      input: {to: '{{from}}', in_reply_to: '{{id}}', body: '{{agent}} {{role}} {{size}}'}
    - say: 'Sent {{size}}.'
- name: words only
  when: {contains: chat}
  steps: [{say: One., delay_ms: 5}, {say: Two., delay_ms: 3}]
- name: spawned
  when: {event: spawned}
  steps: [{say: '{{event.agent}} is {{event.ok}} {{event.absent}}'}]
""")


def test_steps_follow_the_calls_that_were_made() -> None:
    talk = [wake(mail("work on cake", number=7))]
    command = ToolUse("Bash", {"command": "make cake", "depth": {"list": [7]}})
    assert reply(SCENARIO, *talk) == Reply("I begin with cake.", (command,))
    talk += [called("Bash"), result("ok")]
    reads = tuple(ToolUse("Read", {"file_path": name}) for name in ("cake.txt", "other.txt"))
    assert reply(SCENARIO, *talk) == Reply("", reads)
    talk += [called("Read", "Read", first=2), result("size 12", 3), result("size 99", 2)]
    sent = {"to": "operator", "in_reply_to": 7, "body": "alice worker 12"}
    assert reply(SCENARIO, *talk) == Reply("It has 12.", (ToolUse("mcp__hyperhive__send", sent),))
    talk += [called("mcp__hyperhive__send", first=4), result("{}", 4)]
    assert reply(SCENARIO, *talk) == Reply("Sent 12.")
    assert reply(SCENARIO, *talk).stop_reason == "end_turn"


def test_a_failed_call_takes_the_other_way() -> None:
    answer = reply(SCENARIO, wake(mail("work on x")), called("Bash"), result("no", failed=True))
    assert answer.text == "It failed: no"
    assert [use.name for use in answer.uses] == ["mcp__hyperhive__send"]
    assert answer.stop_reason == "tool_use"


def test_the_same_request_gets_the_same_answer() -> None:
    talk = [wake(mail("work on x")), called("Bash"), result("fine")]
    assert reply(SCENARIO, *talk) == reply(SCENARIO, *talk)


def test_words_alone_end_the_turn() -> None:
    assert reply(SCENARIO, wake(mail("chat"))) == Reply("One.\nTwo.", delay_ms=5)


def test_every_message_of_a_wake_is_handled_in_order() -> None:
    talk = [wake(mail("chat", number=1), mail("work on x", number=2), mail("chat", number=3))]
    first = reply(SCENARIO, *talk)
    assert (first.text, len(first.uses)) == ("One.\nTwo.\nI begin with x.", 1)
    talk += [called("Bash"), result("no", failed=True)]
    talk += [called("mcp__hyperhive__send", first=2), result("{}", 2)]
    assert reply(SCENARIO, *talk).text == "Sent .\nOne.\nTwo."


def test_a_message_later_in_the_wake_begins_with_no_result() -> None:
    talk = [wake(mail("work on x", number=1), mail("work on y", number=2))]
    talk += [called("Bash", "Send"), result("no", failed=True), result("{}", 2)]
    answer = reply(SCENARIO, *talk)
    assert answer.text == "Sent .\nI begin with y."
    assert answer.uses[0].input["command"] == "make y"


def test_a_call_without_its_sister_is_not_asked_for_again() -> None:
    talk = [wake(mail("work on x")), called("Bash"), result("ok")]
    talk += [called("Read", first=2), result("size 1", 2)]
    assert [use.name for use in reply(SCENARIO, *talk).uses] == ["mcp__hyperhive__send"]


def test_an_unknown_situation_ends_the_turn_politely() -> None:
    answer = reply(SCENARIO, wake(mail("dance", "bob", "agent")))
    assert answer == Reply(
        "The scripted model has no rule for this: alice got agent from bob: dance"
    )
    assert len(reply(SCENARIO, wake(mail("x" * 10_000))).text) < 400
    assert "got a prompt from nobody" in reply(SCENARIO, said("hm"), wake({"body": "?"})).text


def test_a_turn_without_closing_words() -> None:
    silent = rules("[{name: a, when: {}, steps: [{tool: Bash}]}]")
    assert reply(silent, wake(mail("x")), called("Bash"), result("ok")) == Reply("Done.")


def test_nothing_to_handle() -> None:
    assert reply(SCENARIO, wake()).text == "Nothing is left to do."


def test_event_fields_can_be_told() -> None:
    assert reply(SCENARIO, wake(event("spawned", agent="bob", ok=True))).text == "bob is true "


def test_output_is_bounded() -> None:
    scenario = rules("""
    - name: run
      when: {}
      steps: [{tool: Bash}, {say: '{{output}}'}]
    """)
    talk = [wake(mail("x")), called("Bash"), result("y" * 100_000)]
    assert reply(scenario, *talk).text == "y" * MAX_OUTPUT


FAILING = rules("""
- name: shaky
  when: {}
  steps:
    - tool: Bash
    - fail: {kind: overloaded, times: 2}
    - say: survived
""")


def test_a_failing_step_is_asked_about_only_when_it_is_next() -> None:
    asked: list[str] = []

    def should_fail(key: str, failure: Failure) -> bool:
        asked.append(key)
        return len(asked) <= 2

    def answer(*messages: dict[str, object]) -> Reply:
        return next_reply(FAILING, conversation.read(request(*messages)), should_fail)

    talk = [wake(mail("x"))]
    assert answer(*talk).uses
    assert asked == []
    talk += [called("Bash"), result("ok")]
    assert answer(*talk).failure == Failure(kind="overloaded", times=2)
    assert answer(*talk).failure == Failure(kind="overloaded", times=2)
    assert answer(*talk) == Reply("survived")
    assert set(asked) == {"alice/shaky/1"}
