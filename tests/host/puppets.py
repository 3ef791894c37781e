"""Agents that do what a test says, one call after the other: Claude Code is real, its model is not.

Orders come as mail of the operator; so they are leased, redelivered and settled like any other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hyperhive.demo import conversation
from hyperhive.demo.conversation import Called, Mail
from tests.support.scripted_model import Reply, Request, ScriptedModel, failure, text, tool

Json = dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """A request that a model was asked with, and which mail it was about."""

    agent: str
    model: str
    mail: tuple[int | None, ...]


@dataclass
class Puppets:
    """The model of all agents; `is_overloaded` has its API refuse everything."""

    is_overloaded: bool = False
    answered: list[Answered] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Agents that were told that it is overloaded."""
    results: dict[str, Called] = field(default_factory=dict)
    """What came of an order, by its word."""
    told: dict[str, dict[int, Json]] = field(default_factory=lambda: defaultdict(dict))
    """System events that a model was shown, by agent and message."""
    reflexes: dict[str, str] = field(default_factory=dict)
    """What the manager runs in Bash as soon as it is told: by the tag that it is told of."""

    def served(self) -> ScriptedModel:
        return ScriptedModel(self._choose)

    def models_of(self, agent: str) -> list[str]:
        return [each.model for each in self.answered if each.agent == agent]

    def events(self, agent: str, name: str) -> list[Json]:
        return [event for event in self.told[agent].values() if event["event"] == name]

    def _choose(self, request: Request) -> Reply:
        talk = conversation.read(request.body)
        if self.is_overloaded:
            self.refused.append(talk.agent)
            again = {"x-should-retry": "false"}
            return failure(529, "overloaded_error", "Overloaded", again)
        ids = tuple(mail.id for mail in talk.mail)
        self.answered.append(Answered(talk.agent, request.model, ids))
        for mail in talk.mail:
            if mail.event and mail.id is not None:
                self.told[talk.agent][mail.id] = dict(mail.event)
        orders = [order for mail in talk.mail if (order := self._order(mail))]
        for order, called in zip(orders, talk.called, strict=False):
            self.results[order["word"]] = called
        if len(talk.called) < len(orders):
            order = orders[len(talk.called)]
            return tool(order["tool"], **order["input"])
        return text("Done.")

    def _order(self, mail: Mail) -> Json | None:
        if mail.kind == "operator":
            found: Json = json.loads(mail.body)
            return found
        tag = str(mail.event.get("tag"))
        if command := self.reflexes.get(tag):
            return {"word": tag, "tool": "Bash", "input": {"command": command}}
        return None


def order(word: str, name: str, given: Json) -> str:
    """The body of a message that has an agent use this tool; `word` is like no other's."""
    return json.dumps({"word": word, "tool": name, "input": given})
