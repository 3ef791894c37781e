"""Requests are refused as the real API refuses them."""

from __future__ import annotations

import json

import pytest

from hyperhive.demo.api_errors import ApiError
from hyperhive.demo.api_requests import check_headers, read_body
from tests.demo.talk import called, mail, request, result, said, wake

VERSION = {"anthropic-version": "2023-06-01"}
KEY = {"x-api-key": "k"}
TOKEN = {"Authorization": "Bearer t", "anthropic-beta": "a, oauth-2025-04-20"}


@pytest.mark.parametrize("headers", [KEY, TOKEN, {**TOKEN, "Authorization": "bearer t"}])
def test_one_credential_is_accepted(headers: dict[str, str]) -> None:
    check_headers({**headers, **VERSION})


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        (VERSION, 401, "x-api-key header is required"),
        ({**KEY, **TOKEN, **VERSION}, 401, "not both"),
        ({**VERSION, "x-api-key": " "}, 401, "invalid x-api-key"),
        ({**VERSION, **TOKEN, "Authorization": "Bearer "}, 401, "Invalid bearer token"),
        ({**VERSION, **TOKEN, "Authorization": "Basic t"}, 401, "Invalid bearer token"),
        ({**VERSION, "Authorization": "Bearer t"}, 401, "OAuth authentication"),
        (KEY, 400, "anthropic-version: header is required"),
    ],
)
def test_other_headers_are_refused(headers: dict[str, str], status: int, message: str) -> None:
    with pytest.raises(ApiError, match=message) as refused:
        check_headers(headers)
    assert refused.value.status == status


def test_a_body_is_read() -> None:
    body = request(wake(mail("x")), said("y"), wake(mail("z")))
    assert read_body(json.dumps(body).encode(), for_message=True) == body
    del body["max_tokens"]
    assert read_body(json.dumps(body).encode(), for_message=False) == body


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 200_000, b"NaN}", b'"text"', b"[]"])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(ApiError, match="The request body") as refused:
        read_body(data, for_message=True)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("model", None, "model"),
        ("model", 4, "model"),
        ("model", "", "model"),
        ("max_tokens", None, "max_tokens"),
        ("max_tokens", 0, "max_tokens"),
        ("max_tokens", "9", "max_tokens"),
        ("max_tokens", True, "max_tokens"),
        ("messages", None, "messages"),
        ("messages", [], "messages"),
        ("messages", {"role": "user"}, "messages"),
        ("messages", ["hello"], "messages.0"),
        ("messages", [{"role": "king", "content": "x"}], "messages.0.role"),
        ("messages", [{"role": "user"}], "messages.0.content"),
        ("messages", [{"role": "user", "content": 3}], "messages.0.content"),
        ("messages", [{"role": "user", "content": ["x"]}], "messages.0.content.0.type"),
        ("messages", [{"role": "user", "content": [{"text": "x"}]}], "messages.0.content.0.type"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object, where: str) -> None:
    body = {**request(wake(mail("x"))), field: value}
    with pytest.raises(ApiError, match=f"^{where}: ") as refused:
        read_body(json.dumps(body).encode(), for_message=True)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([wake(mail("x")), called("Bash")], "messages.2: `tool_use` ids were found without"),
        ([called("Bash"), wake(mail("x")), said("y")], "messages.2: `tool_use` ids .*: tool-1"),
        ([called("Bash", "Read"), result("x"), said("y")], ": tool-2"),
        ([result("x")], "unexpected `tool_use_id` found .*: tool-1"),
        ([called("Bash"), result("x"), result("x")], "messages.2.content: unexpected"),
        ([called("Bash"), result("x", 2)], "unexpected .*: tool-2"),
    ],
)
def test_every_call_needs_its_result(messages: list[dict[str, object]], problem: str) -> None:
    with pytest.raises(ApiError, match=problem):
        read_body(json.dumps(request(*messages)).encode(), for_message=True)


def test_results_may_come_in_several_messages() -> None:
    body = request(called("Bash", "Read"), result("a", 2), wake(mail("x")), result("b", 1))
    read_body(json.dumps(body).encode(), for_message=True)
