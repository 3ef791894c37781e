"""What a Messages API request says about the situation: who asks, which mail is in, what was tried.

Everything is read from the request, so neither a restart of the model's server nor a resumed
session changes what the scripted model knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MAX_EARLIER = 500
"""Messages of earlier wakes that are looked at."""

REMEMBERED = "remembered"
"""Key of the envelope in a summary: known mail, not to be handled again."""

_ASKER = re.compile(r"^hyperhive agent: (\S+), role: (\S+)$", re.MULTILINE)
_ENVELOPE = re.compile(r'\{\s*"(messages|remembered)"\s*:')
_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
# Claude Code's own remarks among the user's words.
_REMARK = re.compile(r"\s*(<system-reminder>|<local-command|<command-|\[Request interrupted)")
# Claude Code's words before the reason of a refusal.
_HOOK = re.compile(r"^PreToolUse:\S+ hook error: ")
_COMPACTION = re.compile(r"CRITICAL: Respond with TEXT ONLY.*summary", re.DOTALL)


@dataclass(frozen=True)
class Mail:
    """One message of a wake; a prompt that is no envelope is mail without sender."""

    body: str
    id: int | None = None
    sender: str = ""
    kind: str = ""

    @property
    def event(self) -> Mapping[str, object]:
        """The fields of a system event; empty for other mail."""
        if self.kind != "system":
            return {}
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Called:
    """A tool call of this turn and what came of it."""

    tool: str
    output: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Conversation:
    """`mail` is what this turn is about, `called` the calls made since, in order."""

    agent: str = ""
    role: str = ""
    earlier: tuple[Mail, ...] = ()
    mail: tuple[Mail, ...] = ()
    called: tuple[Called, ...] = ()
    wants_summary: bool = False
    answer_schema: Mapping[str, object] | None = None
    """JSON schema of a structured answer."""
    has_tools: bool = True


def read(body: Mapping[str, object]) -> Conversation:
    """The situation in a request body whose shape has been checked."""
    asker = _ASKER.search(text_of(body.get("system")))
    turn = _Turn()
    for message in dicts(body.get("messages")):
        if message.get("role") == "assistant":
            turn.take_assistant(message.get("content"))
        elif message.get("role") == "user":  # newer models are also sent `system` messages
            turn.take_user(message.get("content"))
    return Conversation(
        agent=asker[1] if asker else "",
        role=asker[2] if asker else "",
        earlier=tuple(turn.earlier[-MAX_EARLIER:]),
        mail=tuple(turn.mail),
        called=tuple(turn.called.values()),
        wants_summary=bool(_COMPACTION.match(turn.prompt)),
        answer_schema=_answer_schema(body.get("output_config")),
        has_tools=bool(body.get("tools")),
    )


def text_of(content: object) -> str:
    """The text of a `content` or `system` value, without Claude Code's reminders."""
    if isinstance(content, str):
        return _REMINDER.sub("", content)
    texts = (str(block.get("text", "")) for block in dicts(content))
    return _REMINDER.sub("", "\n".join(texts))


def dicts(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _answer_schema(config: object) -> Mapping[str, object] | None:
    form = config.get("format") if isinstance(config, Mapping) else None
    schema = form.get("schema") if isinstance(form, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


@dataclass
class _Turn:
    """Reads messages in order; each prompt begins a turn and ages the mail before it."""

    earlier: list[Mail] = field(default_factory=list)
    mail: list[Mail] = field(default_factory=list)
    called: dict[str, Called] = field(default_factory=dict)
    prompt: str = ""

    def take_assistant(self, content: object) -> None:
        for block in dicts(content):
            if block.get("type") == "tool_use":
                self.called[str(block.get("id"))] = Called(str(block.get("name")))

    def take_user(self, content: object) -> None:
        for block in _blocks(content):
            if block.get("type") == "tool_result":
                self._take_result(block)
            elif block.get("type") == "text" and not _REMARK.match(str(block.get("text"))):
                self._take_prompt(str(block.get("text")))

    def _take_result(self, block: Mapping[str, object]) -> None:
        identifier = str(block.get("tool_use_id"))
        if call := self.called.get(identifier):
            output = _HOOK.sub("", text_of(block.get("content")).strip())
            self.called[identifier] = Called(call.tool, output, block.get("is_error") is True)

    def _take_prompt(self, text: str) -> None:
        known, new = _mail(text)
        self.earlier += [*self.mail, *known]
        self.mail, self.called, self.prompt = new, {}, text


def _blocks(content: object) -> list[dict[str, object]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else dicts(content)


def _mail(text: str) -> tuple[list[Mail], list[Mail]]:
    """The mail that a prompt recalls and the mail that it brings."""
    start = _ENVELOPE.search(text)
    if not start:
        return [], [Mail(text)]
    try:
        envelope, _ = json.JSONDecoder().raw_decode(text, start.start())
    except (ValueError, RecursionError):
        return [], [Mail(text)]
    mail = list(_messages(envelope[start[1]]))
    return (mail, []) if start[1] == REMEMBERED else ([], mail)


def _messages(value: object) -> Iterator[Mail]:
    for item in dicts(value):
        number = item.get("id")
        yield Mail(
            body=str(item.get("body", "")),
            id=number if isinstance(number, int) else None,
            sender=str(item.get("from", "")),
            kind=str(item.get("kind", "")),
        )
