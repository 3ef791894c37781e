"""One tree of errors: each has its own word, a status, and a form that crosses the border."""

import re

import pytest

from hyperhive.protocol import errors
from hyperhive.protocol.errors import (
    AlreadyResolved,
    BudgetExhausted,
    Forbidden,
    HiveError,
    InvalidField,
    PolicyRefused,
    RateLimited,
    RemoteError,
    from_json,
)


def subclasses(cls: type[HiveError]) -> list[type[HiveError]]:
    return [cls, *(s for c in cls.__subclasses__() for s in subclasses(c))]


OURS = [
    c for c in subclasses(HiveError) if c.__module__ == errors.__name__ and c is not RemoteError
]


def test_each_error_has_a_word_of_its_own() -> None:
    codes = [cls.code for cls in OURS]
    assert len(set(codes)) == len(codes) > 15
    assert all(400 <= cls.status < 600 for cls in OURS)


def test_the_table_in_the_module_is_true() -> None:
    rows = re.findall(r"[|`]- (\w+)\s+(\w+)\s+(\d{3})", errors.__doc__ or "")
    assert {(cls.__name__, cls.code, str(cls.status)) for cls in OURS if cls is not HiveError} == {
        *rows
    }


@pytest.mark.parametrize(
    ("error", "json"),
    [
        (Forbidden(), {"code": "forbidden", "message": "not allowed, or there is no such thing"}),
        (
            InvalidField("a.b", "is missing"),
            {"code": "invalid_field", "message": "a.b: is missing", "field": "a.b"},
        ),
        (
            AlreadyResolved("it is", "denied"),
            {"code": "already_resolved", "message": "it is", "resolution": "denied"},
        ),
        (RateLimited("slow", 1.5), {"code": "rate_limited", "message": "slow", "retry_after": 1.5}),
    ],
    ids=repr,
)
def test_an_error_crosses_the_border_whole(error: HiveError, json: dict[str, object]) -> None:
    assert error.to_json() == json
    remote = from_json(json)
    assert (remote.remote_code, remote.message) == (error.code, error.message)
    assert (remote.details(), remote.to_json()) == (error.details(), json)


@pytest.mark.parametrize("garbage", [None, [], "x", {}, {"code": 7, "message": None}], ids=repr)
def test_garbage_for_an_error_is_an_error(garbage: object) -> None:
    remote = from_json(garbage)
    assert isinstance(remote.remote_code, str)
    assert isinstance(remote.message, str)


def test_a_used_up_budget_is_a_refusal_of_the_policy() -> None:
    assert issubclass(BudgetExhausted, PolicyRefused)
    assert BudgetExhausted.status == 402
