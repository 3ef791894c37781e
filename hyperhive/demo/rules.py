"""The rules of a scenario: which message is meant, and the steps by which it is handled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from hyperhive.demo.fields import Input, Milliseconds, Pattern, Patterns, Phrase, Said, ToolName
from hyperhive.protocol.model import AgentName, MessageKind, Role
from hyperhive.protocol.schema import Check, Items, Range, Text


@dataclass(frozen=True, kw_only=True)
class MailMatch:
    """Which message is meant; everything given must hold. `fields` looks into a system event."""

    sender: Phrase | None = None
    kind: MessageKind | None = None
    event: Phrase | None = None
    contains: Phrase | None = None
    matches: Pattern | None = None
    fields: Patterns = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class When(MailMatch):
    """When a rule applies. `earlier` wants older messages of the same conversation.

    `times`: only for the first so many messages that match, as far as the conversation remembers.
    """

    role: Role | None = None
    agent: AgentName | None = None
    earlier: Annotated[tuple[MailMatch, ...], Items(max=10)] = ()
    times: Annotated[int, Range(1, 1_000)] | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of the last call (of `tool`, if given) since the message arrived.

    `values` compares what patterns have captured so far.
    """

    tool: ToolName | None = None
    failed: bool | None = None
    output: Pattern | None = None
    values: Patterns = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One use of a tool."""

    tool: ToolName
    input: Input = field(default_factory=dict)


FailureKind = Literal["rate_limited", "overloaded", "server_error", "prompt_too_long", "cut"]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The API fails `times` times for each agent (null: always), then the step is passed over."""

    kind: FailureKind
    times: Annotated[int, Range(1, 1_000)] | None = 1
    retry_after: Annotated[int, Range(0, 86_400)] = 30
    """Seconds, for `rate_limited`."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One reply of the model: words, a tool call with `also` further ones beside it, or a failure.

    Words without a call are said together with the next call, or at the turn's end.
    """

    when: Outcome | None = None
    unless: Outcome | None = None
    say: Said | None = None
    tool: ToolName | None = None
    input: Input = field(default_factory=dict)
    also: Annotated[tuple[Call, ...], Items(max=10)] = ()
    fail: Failure | None = None
    delay_ms: Milliseconds = 0

    @property
    def calls(self) -> tuple[Call, ...]:
        return (Call(tool=self.tool, input=self.input), *self.also) if self.tool else ()


def _step_problem(step: Step) -> str | None:
    if not (step.say or step.tool or step.fail):
        return "must have at least one of say, tool, fail"
    if step.fail and (step.say or step.tool):
        return "fail stands alone, without say and tool"
    if not step.tool and (step.input or step.also):
        return "input and also belong to a tool, which is missing"
    return None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The first rule whose `when` fits a message handles it."""

    name: Annotated[str, Text(max=100)]
    when: When
    steps: Annotated[tuple[Annotated[Step, Check(_step_problem)], ...], Items(min=1, max=50)]
