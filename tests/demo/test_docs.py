"""The page on scenarios names every field, and its examples are scenarios."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from hyperhive.demo import part, rules, scenario, templates
from hyperhive.demo.matching import MAX_SEARCHED
from hyperhive.demo.player import MAX_OUTPUT
from hyperhive.strict_yaml import MAX_BYTES

PAGE = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)

CLASSES = [
    *(scenario.Scenario, scenario.Pace),
    *(rules.Rule, rules.When, rules.Step, rules.Outcome, rules.Call, rules.Failure),
    *(part.Part, part.Task, part.Answering, part.Deciding, part.Report),
]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_field_is_described(cls: type) -> None:
    missing = [field.name for field in fields(cls) if f"`{field.name}`" not in PAGE]
    assert missing == []


def test_every_placeholder_is_described() -> None:
    assert [name for name in templates.BUILT_IN if f"`{{{{{name}}}}}`" not in PAGE] == []


@pytest.mark.parametrize("limit", [f"{MAX_SEARCHED:,} char", f"{MAX_OUTPUT:,} char"])
def test_limits_are_the_real_ones(limit: str) -> None:
    assert limit in PAGE
    assert f"{MAX_BYTES // 1024} KiB" in PAGE


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_valid(example: str) -> None:
    assert scenario.loads(example.encode()).rules


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 3
