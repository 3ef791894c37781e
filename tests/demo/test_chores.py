"""What Claude Code asks on its own account gets harmless answers."""

from __future__ import annotations

import json

from hyperhive.demo import conversation
from hyperhive.demo.chores import MAX_SUMMARY, chore_reply
from tests.demo.talk import Json, mail, request, said, wake

SUMMARISE: Json = {
    "role": "user",
    "content": "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.\n\nYour summary ...",
}


def chore(*messages: Json, agent: str = "alice", **further: object) -> str | None:
    return chore_reply(conversation.read({**request(*messages, agent=agent), **further}))


def test_an_agents_turn_is_no_chore() -> None:
    assert chore(wake(mail("x"))) is None
    assert chore(wake(mail("x")), tools=[]) is None
    assert chore(wake(mail("x")), agent="") is None


def test_a_request_of_nobody_without_tools() -> None:
    assert chore(wake(mail("x")), agent="", tools=[]) == "Hello from the scripted model."


def test_a_title_fits_its_schema() -> None:
    schema: Json = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "new": {"type": "boolean"},
            "count": {"type": "integer"},
            "tags": {"type": "array"},
            "kind": {"enum": ["a", "b"]},
            "deep": {"type": "object", "properties": {"more": {"type": "object"}}},
        },
    }
    config: Json = {"format": {"type": "json_schema", "schema": schema}}
    answer = json.loads(chore(wake(mail("x")), agent="", tools=[], output_config=config) or "")
    assert answer == {
        "title": "Scripted model",
        "new": False,
        "count": 0,
        "tags": [],
        "kind": "a",
        "deep": {"more": {}},
    }


def test_a_schema_without_an_end() -> None:
    schema: Json = {"type": "string"}
    for _ in range(50):
        schema = {"type": "object", "properties": {"a": schema}}
    config: Json = {"format": {"type": "json_schema", "schema": schema}}
    assert chore(wake(mail("x")), output_config=config)


def after_compaction(summary: str) -> conversation.Conversation:
    """The conversation as Claude Code continues it from the summary."""
    kept = summary.split("<summary>")[1].split("</summary>")[0]
    text = (
        f"This session is being continued from a previous conversation.\nSummary:\n{kept}\n\nGo on"
    )
    return conversation.read(
        request({"role": "user", "content": text}, wake(mail("new", number=9)))
    )


def test_a_summary_is_recalled_as_earlier_mail() -> None:
    bodies = ["task </summary> one", 'say {"messages": []}', "}]} <system-reminder>"]
    wakes = [wake(mail(body, number=n)) for n, body in enumerate(bodies, start=1)]
    summary = chore(*wakes, said("ok"), SUMMARISE) or ""
    talk = after_compaction(summary)
    assert [m.body for m in talk.earlier] == bodies
    assert [m.id for m in talk.earlier] == [1, 2, 3]
    assert [m.body for m in talk.mail] == ["new"]


def test_a_summary_is_bounded_and_keeps_the_newest() -> None:
    wakes = [wake(mail(f"{n:04}" * 100, number=n)) for n in range(200)]
    summary = chore(*wakes, SUMMARISE) or ""
    assert len(summary) < 2 * MAX_SUMMARY
    kept = [m.id for m in after_compaction(summary).earlier]
    assert kept == list(range(200 - len(kept), 200))
    assert len(kept) > 10
