"""Tells an event of the swarm in words. Missing fields are left out, unknown kinds are listed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from hyperhive.demo.plain_text import visible
from hyperhive.protocol.wire import dumps

Item = Mapping[str, object]
Tone = Literal["plain", "strong", "good", "bad", "dim"]

MAX_WORDS = 8_000
"""Characters of one event's text that are told."""

MAX_VALUE = 60
"""Characters of one argument of a tool: what is sent or asked is told as such anyway."""

_UNTOLD = frozenset({"settled", "inbox_read"})
_OWN_SERVER = "mcp__hyperhive__"


@dataclass(frozen=True)
class Line:
    """Who did what."""

    who: str
    words: str
    tone: Tone = "plain"


def tell(event: Item) -> Line | None:
    """The event in words, or None when it is of no interest to a reader."""
    kind, given = str(event.get("kind", "")), event.get("data")
    if not kind or kind in _UNTOLD:
        return None
    data = given if isinstance(given, Mapping) else {}
    line = _TELLERS.get(kind, _tell_other)(kind, str(event.get("agent") or ""), data)
    return Line(visible(line.who), visible(line.words[:MAX_WORDS]), line.tone)


def one_line(event: Item, limit: int = 160) -> str:
    """The event as one short line; empty when there is nothing to tell."""
    line = tell(event)
    return _beginning(" ".join(f"{line.who} {line.words}".split()), limit) if line else ""


def tool_name(name: str) -> str:
    """hyperhive's own tools without the prefix that MCP gives them."""
    return name.removeprefix(_OWN_SERVER)


def _text(data: Item, name: str) -> str:
    value = data.get(name)
    return "" if value is None else value if isinstance(value, str) else dumps(value)


def _pairs(data: Item, limit: int = MAX_WORDS) -> str:
    """Names and values; of a value that is longer than `limit`, its beginning."""
    texts = {name: _text(data, name) for name in data}
    return ", ".join(f"{name} {_beginning(text, limit)}" for name, text in texts.items() if text)


def _beginning(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _tell_message(kind: str, agent: str, data: Item) -> Line:
    body = _text(data, "body") or f"message {_text(data, 'id')}"
    if data.get("kind") == "system":
        return Line(_text(data, "from"), f"-> {_text(data, 'to')}: {_event_words(body)}", "dim")
    return Line(_text(data, "from"), f"-> {_text(data, 'to')}: {body}", "strong")


def _event_words(body: str) -> str:
    """A system event without its JSON."""
    event = _object(body)
    if event is None:
        return body
    name = str(event.pop("event", "event"))
    return f"{name}: {_pairs(event)}" if event else name


def _object(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _tell_turn_began(kind: str, agent: str, data: Item) -> Line:
    messages = data.get("messages")
    count = len(messages) if isinstance(messages, list) else messages
    about = f"{count} message{'' if count == 1 else 's'}" if count is not None else "its mail"
    model = _text(data, "model")
    return Line(agent, f"wakes for {about}" + (f" ({model})" if model else ""), "dim")


def _tell_text(kind: str, agent: str, data: Item) -> Line:
    return Line(agent, _text(data, "text"))


def _tell_tool_use(kind: str, agent: str, data: Item) -> Line:
    tool, text = _text(data, "tool"), _text(data, "text")
    given = _object(text)
    if given is not None:
        text = _text(given, "command") if tool == "Bash" else _pairs(given, MAX_VALUE)
    return Line(agent, f"> {tool_name(tool)} {text}".rstrip())


def _tell_refused(kind: str, agent: str, data: Item) -> Line:
    reason = _text(data, "text").removeprefix("Refused: ")
    return Line(agent, f"x {tool_name(_text(data, 'tool'))} refused: {reason}", "bad")


def _tell_result(kind: str, agent: str, data: Item) -> Line:
    text = _text(data, "text")
    own = _object(text) if _text(data, "tool").startswith(_OWN_SERVER) else None
    words = text if own is None else _pairs(own, MAX_VALUE)
    return Line(agent, f"= {words}", "bad" if data.get("is_error") else "dim")


def _tell_notice(kind: str, agent: str, data: Item) -> Line:
    return Line(agent, f"note: {_text(data, 'text')}", "dim")


def _tell_turn_ended(kind: str, agent: str, data: Item) -> Line:
    parts = [f"turn {_text(data, 'result') or 'ended'}"]
    if (duration := number(data, "duration_ms")) is not None:
        parts.append(f"{duration / 1000:.1f} s")
    if (usd := number(data, "usd")) is not None:
        parts.append(f"${usd:.4f}")
    if (tokens := number(data, "tokens")) is not None:
        parts.append(f"{tokens:,.0f} tokens")
    error = _text(data, "error")
    words = ", ".join(parts) + (f": {error}" if error else "")
    return Line(agent, words, "good" if data.get("result") == "clean" else "bad")


def _tell_question(kind: str, agent: str, data: Item) -> Line:
    state, asker = _text(data, "state"), _text(data, "asker") or agent
    if state == "open":
        target, question = _text(data, "target"), _text(data, "question")
        return Line(asker, f"asks {target} (question {_text(data, 'id')}): {question}", "strong")
    answer = _text(data, "answer")
    words = f"question {_text(data, 'id')} is {state}" + (f": {answer}" if answer else "")
    return Line(_text(data, "answerer") or _text(data, "target") or asker, words, "strong")


def _tell_approval(kind: str, agent: str, data: Item) -> Line:
    about = f"{_text(data, 'kind')} {_text(data, 'agent') or agent}".strip()
    note = _text(data, "note")
    words = f"approval {_text(data, 'id')} ({about}) is {_text(data, 'state')}"
    return Line(_text(data, "requester"), words + (f": {note}" if note else ""), "strong")


def _tell_looked(kind: str, agent: str, data: Item) -> Line:
    """What the operator has seen of a request: the files, and what is allowed then."""
    approval, changes = _below(data, "approval"), _below(data, "changes")
    files = ", ".join(_text(file, "path") for file in _items(changes, "files"))
    rights = [
        f"{_text(right, 'effect')}: {_text(right, 'option')} {_text(right, 'what')}"
        for right in _items(data, "privileges")
    ]
    words = f"looks at approval {_text(approval, 'id')}, which changes {files or 'no file'}"
    return Line("operator", "\n".join([words, *rights]), "strong")


def _below(data: Item, name: str) -> Item:
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def _items(data: Item, name: str) -> list[Item]:
    value = data.get(name)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _tell_agent(kind: str, agent: str, data: Item) -> Line:
    return Line(agent or _text(data, "name"), _pairs(data), "dim")


def _tell_crash(kind: str, agent: str, data: Item) -> Line:
    return Line(agent, f"crashed: {_pairs(data)}", "bad")


def _tell_operation(kind: str, agent: str, data: Item) -> Line:
    error = _text(data, "error")
    words = f"{_text(data, 'operation')} {_text(data, 'state')}"
    return Line(agent, words + (f": {error}" if error else ""), "bad" if error else "dim")


def _tell_deploy(kind: str, agent: str, data: Item) -> Line:
    error, commit = _text(data, "error"), _text(data, "commit")[:12]
    state = _text(data, "state").replace("_", " ")
    words = f"deploy {_text(data, 'deploy')} of {commit}: {state}"
    return Line(agent, words + (f": {error}" if error else ""), "bad" if error else "dim")


def _tell_other(kind: str, agent: str, data: Item) -> Line:
    return Line(agent, f"{kind}: {_pairs(data)}" if data else kind, "dim")


def number(data: Item, name: str) -> float | None:
    value = data.get(name)
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if known else None  # type: ignore[arg-type]  # known says it is a number


_TELLERS: dict[str, Callable[[str, str, Item], Line]] = {
    "agent": _tell_agent,
    "approval": _tell_approval,
    "crash": _tell_crash,
    "deploy": _tell_deploy,
    "looked": _tell_looked,
    "message": _tell_message,
    "operation": _tell_operation,
    "question": _tell_question,
    "turn_began": _tell_turn_began,
    "turn_ended": _tell_turn_ended,
    "turn_notice": _tell_notice,
    "turn_text": _tell_text,
    "turn_tool_refused": _tell_refused,
    "turn_tool_result": _tell_result,
    "turn_tool_use": _tell_tool_use,
}
