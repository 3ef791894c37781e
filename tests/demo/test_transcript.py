"""A transcript lines up who said what and when, in the width there is, and adds it all up."""

from __future__ import annotations

from hyperhive.demo.plain_text import columns
from hyperhive.demo.transcript import MAX_LINES, Transcript

TURN = {"result": "clean", "duration_ms": 1500, "usd": 0.01, "tokens": 1000}


def event(kind: str, at: object, agent: str = "alice", /, **data: object) -> dict[str, object]:
    return {"kind": kind, "at": at, "agent": agent, "data": data}


def play(transcript: Transcript) -> list[str]:
    body = "Please add up this year's honey and send me the total."
    events = [
        event("message", "2026-01-01T00:00:00Z", **{"from": "operator"}, to="manager", body=body),
        event("turn_began", "2026-01-01T00:00:01.5Z", "manager", messages=[1], model="m-1"),
        event("settled", "2026-01-01T00:00:01.5Z"),
        event("turn_tool_use", "2026-01-01T00:00:02Z", "clerk", tool="Bash", text="ls"),
        event("turn_tool_use", "2026-01-01T00:00:02Z", "clerk", tool="Bash", text="awk"),
        event("turn_tool_refused", "2026-01-01T00:00:02Z", "clerk", tool="Bash", text="awk: no"),
        event("turn_ended", "2026-01-01T00:00:03Z", "clerk", **TURN),
        event("turn_ended", "2026-01-01T00:01:40Z", "manager", **{**TURN, "result": "failed"}),
    ]
    return [line for each in events for line in transcript.lines(each)]


def test_lines() -> None:
    assert play(Transcript(width=50)) == [
        "     0s  operator  -> manager: Please add up this",
        "                   year's honey and send me the",
        "                   total.",
        "   1.5s  manager   wakes for 1 message (m-1)",
        "     2s  clerk     > Bash ls",
        "     2s  clerk     > Bash awk",
        "     2s  clerk     x Bash refused: awk: no",
        "     3s  clerk     turn clean, 1.5 s, $0.0100,",
        "                   1,000 tokens",
        "   100s  manager   turn failed, 1.5 s, $0.0100,",
        "                   1,000 tokens",
    ]


def test_no_line_is_wider_than_asked_for() -> None:
    for width in range(40, 120, 7):
        transcript = Transcript(width=width)
        lines = [*play(transcript), *transcript.summary()]
        assert max(columns(line) for line in lines) <= width


def test_colours_only_when_asked_for() -> None:
    assert not any("\x1b" in line for line in play(Transcript()))
    coloured = play(Transcript(colour=True))
    assert any("\x1b[31mx Bash refused: awk: no\x1b[0m" in line for line in coloured)
    assert "\x1b[32m" in "".join(coloured)


def test_colours_take_no_room() -> None:
    plain, coloured = play(Transcript(width=50)), play(Transcript(width=50, colour=True))
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"):
        coloured = [line.replace(code, "") for line in coloured]
    assert plain == coloured


def test_summary() -> None:
    transcript = Transcript(width=120)
    play(transcript)
    assert transcript.summary() == [
        "clerk     1 turn, 1 tool call allowed, 1 refused, 1.5 s, $0.0100, 1,000 tokens",
        "manager   1 turn, 0 tool calls allowed, 0 refused, 1.5 s, $0.0100, 1,000 tokens",
        "in all    2 turns, 1 tool call allowed, 1 refused, 3.0 s, $0.0200, 2,000 tokens, "
        "1 message",
    ]


def test_a_summary_of_nothing() -> None:
    (line,) = Transcript(width=120).summary()
    assert line.startswith("in all    0 turns")


def test_a_flood_is_shortened() -> None:
    lines = Transcript().lines(event("turn_tool_result", 5, text="x\n" * 1_000))
    assert len(lines) == MAX_LINES
    assert lines[-1].endswith("... (989 more lines)")


def test_times_may_be_numbers_or_missing() -> None:
    transcript = Transcript()
    kinds = [transcript.lines(event("turn_text", at, text="x")) for at in (None, 100, "?", 101.25)]
    assert [lines[0][:9] for lines in kinds] == ["         ", "     0s  ", "         ", "   1.2s  "]


def test_an_event_of_no_interest_is_no_line() -> None:
    assert Transcript().lines(event("settled", 1)) == []
    assert Transcript().lines({}) == []
