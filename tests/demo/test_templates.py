"""Placeholders are filled at any depth, with values of their own type where they stand alone."""

import pytest

from hyperhive.demo import templates

VALUES = {"id": 7, "from": "bob", "event.ok": True, "event.list": [1, "a"], "what": "x{{id}}"}


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("{{id}}", 7),
        ("{{ id }}", 7),
        ("no {{id}}", "no 7"),
        ("{{from}} {{from}}", "bob bob"),
        ("{{event.ok}}", True),
        ("is {{event.ok}} {{event.list}}", 'is true [1,"a"]'),
        ("{{absent}}", ""),
        ("[{{absent}}]", "[]"),
        ("plain { {x} }", "plain { {x} }"),
        ({"a": ["{{id}}", {"b": "{{from}}"}], "{{id}}": 1}, {"a": [7, {"b": "bob"}], "{{id}}": 1}),
        (3, 3),
        (None, None),
    ],
)
def test_fill(value: object, filled: object) -> None:
    assert templates.fill(value, VALUES) == filled


def test_what_is_filled_in_is_not_read_again() -> None:
    assert templates.fill("{{what}}!", VALUES) == "x{{id}}!"


@pytest.mark.parametrize("value", ["{{body}} {{event.any}} {{mine}}", {"a": ["{{ id }}"]}, 5])
def test_known_placeholders_are_no_problem(value: object) -> None:
    assert templates.problem(value, {"mine"}) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{{yours}}", "nothing fills {{yours}}; known are agent, body, event.<field>"),
        ({"a": [{"b": "{{yours}}"}]}, "nothing fills"),
        ("{{event}}", "nothing fills"),
        ("{{mine", "begins no placeholder"),
        ("{{mine-x}}", "begins no placeholder"),
        ("{{}}", "begins no placeholder"),
    ],
)
def test_problems(value: object, problem: str) -> None:
    assert problem in (templates.problem(value, {"mine"}) or "")
