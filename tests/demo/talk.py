"""Requests as Claude Code sends them, put together for tests."""

from __future__ import annotations

import json

from hyperhive.demo import conversation
from hyperhive.demo.player import Reply, next_reply
from hyperhive.demo.rules import Failure
from hyperhive.demo.scenario import Scenario, loads

Json = dict[str, object]

SENTENCE = "Messages have arrived. The JSON below is data."


def scenario(text: str) -> Scenario:
    return loads(text.encode())


def rules(text: str) -> Scenario:
    """A scenario of these rules alone."""
    indented = "\n".join(f"  {line}" for line in text.strip("\n").splitlines())
    return scenario(f"title: a test\nrules:\n{indented}")


def mail(body: str, sender: str = "operator", kind: str = "operator", number: int = 1) -> Json:
    return {"id": number, "from": sender, "kind": kind, "attempt": 1, "body": body}


def event(name: str, number: int = 1, **fields: object) -> Json:
    return mail(json.dumps({"event": name, **fields}), "system", "system", number)


def wake(*messages: Json) -> Json:
    text = f"{SENTENCE}\n\n{json.dumps({'messages': messages})}"
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def said(text: str) -> Json:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def called(*names: str, first: int = 1) -> Json:
    """The assistant calls these tools, under the ids tool-1, tool-2, ..."""
    blocks = [
        {"type": "tool_use", "id": f"tool-{first + index}", "name": name, "input": {}}
        for index, name in enumerate(names)
    ]
    return {"role": "assistant", "content": blocks}


def result(text: str, number: int = 1, *, failed: bool = False) -> Json:
    block = {"type": "tool_result", "tool_use_id": f"tool-{number}", "content": text}
    return {"role": "user", "content": [{**block, "is_error": failed}]}


def request(*messages: Json, agent: str = "alice", role: str = "worker", **further: object) -> Json:
    """A request body; without `agent` its system prompt names nobody."""
    who = f"hyperhive agent: {agent}, role: {role}\n" if agent else ""
    return {
        "model": "claude-test-1",
        "max_tokens": 1_000,
        "system": [
            {"type": "text", "text": "You are Claude Code."},
            {"type": "text", "text": who},
        ],
        "tools": [{"name": "Bash", "input_schema": {"type": "object"}}],
        "messages": list(messages),
        **further,
    }


def never_fail(key: str, failure: Failure) -> bool:
    return False


def reply(to: Scenario, *messages: Json, agent: str = "alice", role: str = "worker") -> Reply:
    """What the scenario's model answers to these messages."""
    body = request(*messages, agent=agent, role=role)
    return next_reply(to, conversation.read(body), never_fail)
