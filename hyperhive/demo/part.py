"""The operator's part in a scenario: what a person would do, written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from hyperhive.demo.fields import Pattern
from hyperhive.protocol.model import AgentName, Body, Recipient
from hyperhive.protocol.schema import Items, Range, Text


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the operator writes first."""

    body: Body
    to: Recipient = "manager"


@dataclass(frozen=True, kw_only=True)
class Answering:
    """The operator answers every open question that matches."""

    question: Pattern
    answer: Body


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """The operator decides every pending approval of this kind."""

    kind: Literal["spawn", "apply_commit", "destroy"]
    agent: AgentName | None = None
    decision: Literal["approve", "deny"] = "approve"
    reason: Annotated[str, Text(min=0, max_bytes=4_096)] = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The message to the operator with which the play has succeeded."""

    matches: Pattern
    sender: AgentName = "manager"


@dataclass(frozen=True, kw_only=True)
class Part:
    """The operator's part, for a play without a person."""

    task: Task
    report: Report
    answers: Annotated[tuple[Answering, ...], Items(max=50)] = ()
    decisions: Annotated[tuple[Deciding, ...], Items(max=50)] = ()
    deadline_seconds: Annotated[float, Range(0.1, 3_600)] = 120
