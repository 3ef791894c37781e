"""Every kind of event is told in words, whatever is missing from it."""

from __future__ import annotations

import json

import pytest

from hyperhive.demo.narration import Line, one_line, tell

SPAWNED = json.dumps({"event": "spawned", "agent": "bob", "ok": True, "note": ""})


def event(kind: str, agent: str | None = "alice", /, **data: object) -> dict[str, object]:
    return {"seq": 1, "at": "2026-01-01T00:00:00Z", "kind": kind, "agent": agent, "data": data}


def message(body: object, kind: str = "agent") -> dict[str, object]:
    return event("message", id=4, **{"from": "bob"}, to="alice", kind=kind, body=body)


@pytest.mark.parametrize(
    ("happened", "line"),
    [
        (message("hello"), Line("bob", "-> alice: hello", "strong")),
        (message(None), Line("bob", "-> alice: message 4", "strong")),
        (message(SPAWNED, "system"), Line("bob", "-> alice: spawned: agent bob, ok true", "dim")),
        (message('{"event": "x"}', "system"), Line("bob", "-> alice: x", "dim")),
        (message("no JSON", "system"), Line("bob", "-> alice: no JSON", "dim")),
        (message("[" * 100_000, "system"), Line("bob", f"-> alice: {'[' * 7_990}", "dim")),
        (
            event("turn_began", turn="t", model="m-1", messages=[4]),
            Line("alice", "wakes for 1 message (m-1)", "dim"),
        ),
        (event("turn_began", messages=2), Line("alice", "wakes for 2 messages", "dim")),
        (event("turn_text", text="I see."), Line("alice", "I see.")),
        (
            event("turn_tool_use", tool="mcp__hyperhive__send", text='{"to":"bob", "id": 3}'),
            Line("alice", "> send to bob, id 3"),
        ),
        (
            event("turn_tool_use", tool="Bash", text='{"command":"ls", "timeout":1}'),
            Line("alice", "> Bash ls"),
        ),
        (event("turn_tool_use", tool="X", text='{"half": '), Line("alice", '> X {"half":')),
        (
            event("turn_tool_refused", tool="Bash", text="Refused: awk is not listed"),
            Line("alice", "x Bash refused: awk is not listed", "bad"),
        ),
        (
            event("turn_tool_use", tool="mcp__hyperhive__ask", text=f'{{"q": "{"x" * 99}"}}'),
            Line("alice", f"> ask q {'x' * 57}..."),
        ),
        (
            event("turn_tool_result", tool="mcp__hyperhive__send", text='{"id": 5, "to": []}'),
            Line("alice", "= id 5, to []", "dim"),
        ),
        (
            event("turn_tool_result", tool="Bash", text='{"a": 1}'),
            Line("alice", '= {"a": 1}', "dim"),
        ),
        (event("turn_tool_result", text="43"), Line("alice", "= 43", "dim")),
        (event("turn_tool_result", text="no", is_error=True), Line("alice", "= no", "bad")),
        (event("turn_notice", text="compacted"), Line("alice", "note: compacted", "dim")),
        (
            event(
                "turn_ended", result="clean", duration_ms=1234, usd=0.0123, tokens=4321, error=""
            ),
            Line("alice", "turn clean, 1.2 s, $0.0123, 4,321 tokens", "good"),
        ),
        (
            event("turn_ended", result="failed", error="overloaded"),
            Line("alice", "turn failed: overloaded", "bad"),
        ),
        (
            event("question", id=3, state="open", asker="alice", target="operator", question="?"),
            Line("alice", "asks operator (question 3): ?", "strong"),
        ),
        (
            event("question", id=3, state="answered", answer="yes", answerer="operator"),
            Line("operator", "question 3 is answered: yes", "strong"),
        ),
        (
            event("question", id=3, state="expired", target="bob"),
            Line("bob", "question 3 is expired", "strong"),
        ),
        (
            event("approval", "bob", id=2, kind="spawn", state="denied", requester="m", note="no"),
            Line("m", "approval 2 (spawn bob) is denied: no", "strong"),
        ),
        (event("agent", state="present"), Line("alice", "state present", "dim")),
        (
            event("crash", reason="killed", exit=-9),
            Line("alice", "crashed: reason killed, exit -9", "bad"),
        ),
        (
            event("operation", operation="spawn", state="done", error=""),
            Line("alice", "spawn done", "dim"),
        ),
        (
            event("operation", operation="start", state="failed", error="no room"),
            Line("alice", "start failed: no room", "bad"),
        ),
        (
            event("deploy", deploy=3, kind="change", state="building", commit="c" * 40, error=""),
            Line("alice", f"deploy 3 of {'c' * 12}: building", "dim"),
        ),
        (
            event("deploy", deploy=3, state="rolled_back", commit="c" * 40, error="not fit"),
            Line("alice", f"deploy 3 of {'c' * 12}: rolled back: not fit", "bad"),
        ),
        (event("unheard_of", None), Line("", "unheard_of", "dim")),
        (event("settled", deliveries=[1]), None),
        (event("inbox_read"), None),
        ({"reset": True}, None),
    ],
)
def test_tell(happened: dict[str, object], line: Line | None) -> None:
    assert tell(happened) == line


KINDS = [
    *("message", "turn_began", "turn_text", "turn_tool_use", "turn_tool_refused"),
    *("turn_tool_result", "turn_notice", "turn_ended", "question", "approval", "agent", "crash"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [{}, None, "text", {"text": None, "id": [], "usd": "much"}])
def test_anything_may_be_missing(kind: str, data: object) -> None:
    assert tell({"kind": kind, "data": data}) is not None
    assert tell({"kind": kind}) is not None


def test_escapes_of_others_do_not_come_through() -> None:
    line = tell(event("turn_text", "a\x1b", text="\x1b[2J"))
    assert line == Line("a\ufffd", "\ufffd[2J")


def test_one_line_is_short() -> None:
    assert one_line(event("turn_text", text="two\nlines")) == "alice two lines"
    assert len(one_line(event("turn_text", text="x" * 1_000))) == 160
    assert one_line(event("settled")) == ""


def test_what_the_operator_looked_at() -> None:
    data = {
        "approval": {"id": 4},
        "changes": {"files": [{"path": "agent.nix"}, {"path": "notes\x1b.md"}]},
        "privileges": [{"option": "allowedBash", "what": "awk *", "effect": "wider"}],
    }
    line = tell({"kind": "looked", "data": data})
    assert line == Line(
        "operator",
        "looks at approval 4, which changes agent.nix, notes\N{REPLACEMENT CHARACTER}.md\n"
        "wider: allowedBash awk *",
        "strong",
    )
    nothing = tell({"kind": "looked", "data": {"changes": None, "privileges": None}})
    assert nothing is not None
    assert nothing.words.endswith("which changes no file")
