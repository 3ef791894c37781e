"""A scenario is read strictly: whatever is wrong gets an error that names the field."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hyperhive.demo.rules import Call, Failure, MailMatch, Step
from hyperhive.demo.scenario import SCENARIOS, load, loads
from hyperhive.protocol.errors import InvalidField, InvalidFrame, NotFound, TooLarge

FULL = """
title: everything
pace: {chunk: 10, interval_ms: 5}
operator:
  task: {to: manager, body: do it}
  answers: [{question: which, answer: this}]
  decisions: [{kind: spawn, agent: bob, decision: deny, reason: sorry}]
  report: {matches: done, sender: manager}
  deadline_seconds: 30
rules:
  - name: one
    when:
      role: worker
      agent: alice
      sender: manager
      kind: agent
      event: spawned
      contains: word
      matches: '(?P<what>x+)'
      fields: {agent: a.*}
      earlier: [{sender: s, kind: system, event: e, contains: c, matches: m, fields: {a: b}}]
      times: 2
    steps:
      - when: {tool: Bash, failed: true, output: '(?P<more>y)', values: {what: x}}
        unless: {tool: Bash, failed: false, output: z, values: {what: q}}
        say: hello {{what}} {{more}} {{event.agent}}
        tool: Bash
        input: {command: 'echo {{from}}'}
        also: [{tool: Read, input: {file_path: '{{id}}'}}]
        delay_ms: 3
      - fail: {kind: rate_limited, times: 2, retry_after: 5}
"""

WRONG: list[tuple[str, object]] = [
    ("title", 1),
    ("title", ""),
    ("title", "x" * 201),
    ("pace", 3),
    ("pace.chunk", 0),
    ("pace.chunk", "ten"),
    ("pace.chunk", 1.5),
    ("pace.interval_ms", -1),
    ("pace.interval_ms", True),
    ("operator", []),
    ("operator.task", None),
    ("operator.task.to", "No Such"),
    ("operator.task.body", ""),
    ("operator.task.body", "x" * 65_537),
    ("operator.answers", "none"),
    ("operator.answers[0]", 1),
    ("operator.answers[0].question", "("),
    ("operator.answers[0].answer", 7),
    ("operator.decisions", {}),
    ("operator.decisions[0].kind", "marry"),
    ("operator.decisions[0].agent", "operator"),
    ("operator.decisions[0].decision", "maybe"),
    ("operator.decisions[0].reason", 1),
    ("operator.report", "done"),
    ("operator.report.matches", "[a"),
    ("operator.report.sender", "-"),
    ("operator.deadline_seconds", 0),
    ("operator.deadline_seconds", float("nan")),
    ("rules", []),
    ("rules", {}),
    ("rules[0]", None),
    ("rules[0].name", None),
    ("rules[0].when", "always"),
    ("rules[0].when.role", "king"),
    ("rules[0].when.agent", "ALICE"),
    ("rules[0].when.sender", 1),
    ("rules[0].when.kind", "letter"),
    ("rules[0].when.event", ["a"]),
    ("rules[0].when.contains", ""),
    ("rules[0].when.matches", "*"),
    ("rules[0].when.fields", []),
    ("rules[0].when.fields.agent", "(?P<a"),
    ("rules[0].when.earlier", "x"),
    ("rules[0].when.earlier[0]", 5),
    ("rules[0].when.earlier[0].matches", "a{2,1}"),
    ("rules[0].when.times", 0),
    ("rules[0].steps", []),
    ("rules[0].steps[0]", "say"),
    ("rules[0].steps[0].when", True),
    ("rules[0].steps[0].when.tool", "rm -rf"),
    ("rules[0].steps[0].when.failed", "yes"),
    ("rules[0].steps[0].when.output", "(("),
    ("rules[0].steps[0].when.values", {"a": 1}),
    ("rules[0].steps[0].unless.output", ")"),
    ("rules[0].steps[0].say", 1),
    ("rules[0].steps[0].say", "x" * 16_385),
    ("rules[0].steps[0].tool", ""),
    ("rules[0].steps[0].input", "ls"),
    ("rules[0].steps[0].input", {"a": float("inf")}),
    ("rules[0].steps[0].also", {}),
    ("rules[0].steps[0].also[0].tool", 1),
    ("rules[0].steps[0].delay_ms", 600_001),
    ("rules[0].steps[1].fail", "now"),
    ("rules[0].steps[1].fail.kind", "boredom"),
    ("rules[0].steps[1].fail.times", -1),
    ("rules[0].steps[1].fail.retry_after", "soon"),
]


def place(document: Any, path: str) -> tuple[Any, Any]:
    """The container of the value at a dotted path, and the key in it."""
    keys: list[Any] = []
    for part in path.split("."):
        name, *indexes = part.replace("]", "").split("[")
        keys += [name, *(int(index) for index in indexes)]
    for key in keys[:-1]:
        document = document[key]
    return document, keys[-1]


def changed(path: str, value: object) -> bytes:
    document = copy.deepcopy(yaml.safe_load(FULL))
    container, key = place(document, path)
    container[key] = value
    return yaml.safe_dump(document).encode()


def test_every_field_is_read() -> None:
    scenario = loads(FULL.encode())
    rule, part = scenario.rules[0], scenario.operator
    assert part is not None
    assert (scenario.pace.chunk, part.deadline_seconds, part.decisions[0].reason) == (
        10,
        30.0,
        "sorry",
    )
    assert rule.when.earlier == (
        MailMatch(
            sender="s", kind="system", event="e", contains="c", matches="m", fields={"a": "b"}
        ),
    )
    assert rule.steps[0].calls == (
        Call(tool="Bash", input={"command": "echo {{from}}"}),
        Call(tool="Read", input={"file_path": "{{id}}"}),
    )
    assert rule.steps[1].fail == Failure(kind="rate_limited", times=2, retry_after=5)


def leaves(value: object, name: str = "") -> Iterator[str]:
    """Names of the fields that still have their default, by class."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif is_dataclass(value):
        for field in fields(value):
            item = getattr(value, field.name)
            made = field.default_factory() if field.default_factory is not MISSING else MISSING
            if item in (field.default, made):
                yield f"{type(value).__name__}.{field.name}"
            yield from leaves(item)


def test_the_full_example_leaves_nothing_out() -> None:
    left = set(leaves(loads(FULL.encode())))
    # A failing step says and does nothing, and some defaults are repeated in the example.
    expected = {f"Step.{field.name}" for field in fields(Step)}
    assert left - expected == {"Report.sender", "Task.to"}


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_a_wrong_field_is_named(path: str, value: object) -> None:
    with pytest.raises(InvalidField) as refused:
        loads(changed(path, value))
    assert refused.value.field.startswith(path)


@pytest.mark.parametrize(
    "path",
    [
        "unknown",
        "pace.speed",
        "operator.budget",
        "operator.task.cc",
        "rules[0].unless",
        "rules[0].when.from",
        "rules[0].steps[0].then",
        "rules[0].steps[0].when.text",
        "rules[0].steps[0].also[0].say",
        "rules[0].steps[1].fail.message",
    ],
)
def test_an_unknown_field_is_named(path: str) -> None:
    with pytest.raises(InvalidField, match="is not known here") as refused:
        loads(changed(path, "x"))
    assert refused.value.field == path


@pytest.mark.parametrize(
    "path",
    ["title", "rules", "rules[0].name", "rules[0].when", "rules[0].steps", "operator.report"],
)
def test_a_missing_field_is_named(path: str) -> None:
    document = yaml.safe_load(FULL)
    container, key = place(document, path)
    del container[key]
    with pytest.raises(InvalidField, match="is missing") as refused:
        loads(yaml.safe_dump(document).encode())
    assert refused.value.field == path


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("{delay_ms: 5}", "at least one of say, tool, fail"),
        ("{say: a, fail: {kind: cut}}", "fail stands alone"),
        ("{say: a, input: {b: c}}", "belong to a tool"),
        ("{say: a, also: [{tool: Bash}]}", "belong to a tool"),
    ],
)
def test_a_step_must_make_sense(step: str, problem: str) -> None:
    text = f"title: t\nrules: [{{name: a, when: {{}}, steps: [{step}]}}]"
    with pytest.raises(InvalidField, match=problem) as refused:
        loads(text.encode())
    assert refused.value.field == "rules[0].steps[0]"


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ("{say: 'hello {{nobody}}'}", "say"),
        ("{say: 'hello {{ what'}", "say"),
        ("{tool: Bash, input: {a: {b: ['{{nobody}}']}}}", "input"),
        ("{tool: Bash, also: [{tool: Bash, input: {a: '{{nobody}}'}}]}", "also"),
    ],
)
def test_a_placeholder_that_nothing_fills_is_named(step: str, field: str) -> None:
    text = f"title: t\nrules: [{{name: a, when: {{matches: '(?P<what>x)'}}, steps: [{step}]}}]"
    with pytest.raises(InvalidField) as refused:
        loads(text.encode())
    assert refused.value.field == f"rules[0].steps[0].{field}"


def test_a_group_cannot_take_a_name_that_has_a_meaning() -> None:
    text = "title: t\nrules: [{name: a, when: {matches: '(?P<body>x)'}, steps: [{say: a}]}]"
    with pytest.raises(InvalidField, match="'body'"):
        loads(text.encode())


@pytest.mark.parametrize("text", ["", "[]", "3", "text", "null", "- a"])
def test_a_document_of_another_kind(text: str) -> None:
    with pytest.raises(InvalidField, match="mapping of names to values"):
        loads(text.encode())


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("title: [")
    with pytest.raises(InvalidFrame, match=r"^mine\.yaml: line 1, column"):
        load(file)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"absent\.yaml cannot be read: No such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(NotFound, match="Is a directory"):
        load(tmp_path)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(TooLarge):
        load(Path("/dev/zero"))


def test_the_scenarios_that_come_along_are_valid() -> None:
    found = sorted(SCENARIOS.glob("*.yaml"))
    assert [file.name for file in found] == ["swarm.yaml"]
    for file in found:
        assert load(file).operator is not None
