"""Answers to what Claude Code asks on its own account: summaries, session titles, probes."""

from __future__ import annotations

from collections.abc import Mapping

from hyperhive.demo.conversation import REMEMBERED, Conversation
from hyperhive.protocol.wire import dumps

MAX_SUMMARY = 16 * 1024
"""Characters of mail, about, that a summary recalls."""

_MAX_DEPTH = 8


def chore_reply(talk: Conversation) -> str | None:
    """The text to answer with, or None when an agent's turn is asked for."""
    if talk.wants_summary:
        return f"<analysis>Nothing else matters.</analysis>\n<summary>{_summary(talk)}</summary>"
    if talk.answer_schema is not None:
        return dumps(_sample(talk.answer_schema))
    if not (talk.agent or talk.has_tools):
        return "Hello from the scripted model."
    return None


def _summary(talk: Conversation) -> str:
    """The newest mail in a form that `conversation.read` recalls, without handling it again."""
    room = MAX_SUMMARY
    kept: list[dict[str, object]] = []
    for mail in reversed(talk.earlier):
        room -= len(mail.body) + 100
        if room < 0:
            break
        kept.insert(0, {"id": mail.id, "from": mail.sender, "kind": mail.kind, "body": mail.body})
    # What a mail says cannot end the summary.
    recalled = dumps({REMEMBERED: kept}).replace("<", "\\u003c")
    return f"Mail handled so far: {recalled}"


def _sample(schema: object, depth: int = 0) -> object:
    """A value that fits a JSON schema of the simple kind that structured answers use."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    choices, properties = schema.get("enum"), schema.get("properties")
    if isinstance(choices, list) and choices:
        return choices[0]
    if isinstance(properties, Mapping):
        return {str(name): _sample(each, depth + 1) for name, each in properties.items()}
    return {"boolean": False, "integer": 0, "number": 0, "array": [], "object": {}}.get(
        str(schema.get("type")), "Scripted model"
    )
