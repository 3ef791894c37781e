"""A scenario file: what the scripted model does when, and what the operator does meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from hyperhive import strict_yaml
from hyperhive.demo import templates
from hyperhive.demo.part import Part
from hyperhive.demo.rules import MailMatch, Outcome, Rule
from hyperhive.protocol.errors import InvalidField, NotFound
from hyperhive.protocol.schema import Items, Range, Text, parse

SCENARIOS = Path(__file__).parent / "scenarios"
"""Where the scenarios live that come with hyperhive."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How lively a stream looks: `chunk` characters every `interval_ms`."""

    chunk: Annotated[int, Range(1, 10_000)] = 24
    interval_ms: Annotated[int, Range(0, 10_000)] = 10


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A whole scenario file; docs/scenarios.md describes the format."""

    title: Annotated[str, Text(max=200)]
    rules: Annotated[tuple[Rule, ...], Items(min=1, max=200)]
    pace: Pace = Pace()
    operator: Part | None = None


def loads(data: bytes, name: str = "scenario") -> Scenario:
    """Parse a scenario.

    Raises TooLarge, InvalidFrame (not YAML: with line and column) or InvalidField.
    """
    scenario = parse(Scenario, strict_yaml.loads(data, name))
    for index, rule in enumerate(scenario.rules):
        _check_placeholders(rule, f"rules[{index}]")
    return scenario


def load(path: Path) -> Scenario:
    """Like loads, from a file; raises NotFound when it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(strict_yaml.MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(f"the scenario {path} cannot be read: {error.strerror}") from None
    return loads(data, path.name)


def _check_placeholders(rule: Rule, where: str) -> None:
    """A placeholder that nothing can fill is a typing mistake. Raises InvalidField."""
    groups = {name for pattern in _patterns(rule) for name in re.compile(pattern).groupindex}
    if taken := groups & templates.BUILT_IN:
        raise InvalidField(
            where, f"a group cannot be called {min(taken)!r}: that name has a meaning"
        )
    for index, step in enumerate(rule.steps):
        texts: Mapping[str, object] = {"say": step.say, "input": step.input, "also": step.also}
        for field, value in texts.items():
            if problem := templates.problem(value, groups):
                raise InvalidField(f"{where}.steps[{index}].{field}", problem)


def _patterns(rule: Rule) -> Iterator[str]:
    for match in (rule.when, *rule.when.earlier):
        yield from _mail_patterns(match)
    for step in rule.steps:
        for outcome in (step.when, step.unless):
            yield from _outcome_patterns(outcome) if outcome else ()


def _mail_patterns(match: MailMatch) -> Iterator[str]:
    yield from (match.matches,) if match.matches else ()
    yield from match.fields.values()


def _outcome_patterns(outcome: Outcome) -> Iterator[str]:
    yield from (outcome.output,) if outcome.output else ()
    yield from outcome.values.values()
