"""Checks of a request as the Anthropic API makes them: credential, version, body."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from hyperhive.demo.api_errors import ApiError
from hyperhive.demo.conversation import dicts

Json = Mapping[str, object]

_OAUTH_BETA = "oauth-2025-04-20"


def check_headers(headers: Mapping[str, str]) -> None:
    """Exactly one credential, a token only with its beta header, and a version. Raises ApiError."""
    key, token = headers.get("x-api-key"), headers.get("Authorization")
    if key is not None and token is not None:
        raise ApiError(401, "send either x-api-key or Authorization, not both")
    if key is None and token is None:
        raise ApiError(401, "x-api-key header is required")
    if token is not None:
        _check_token(token, headers.get("anthropic-beta", ""))
    elif not (key or "").strip():
        raise ApiError(401, "invalid x-api-key")
    if not headers.get("anthropic-version"):
        raise ApiError(400, "anthropic-version: header is required")


def read_body(data: bytes, *, for_message: bool) -> Json:
    """Parse and check a body; a token count needs no `max_tokens`. Raises ApiError."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise ApiError(400, "The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise ApiError(400, "The request body must be an object")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise _invalid("model", "Input should be a valid string")
    if for_message:
        _check_max_tokens(body.get("max_tokens"))
    _check_messages(body.get("messages"))
    return body


def _check_token(token: str, beta: str) -> None:
    scheme, _, value = token.partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise ApiError(401, "Invalid bearer token")
    if _OAUTH_BETA not in [name.strip() for name in beta.split(",")]:
        raise ApiError(401, "OAuth authentication is currently not supported.")


def _invalid(where: str, problem: str) -> ApiError:
    return ApiError(400, f"{where}: {problem}")


def _check_max_tokens(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _invalid("max_tokens", "Input should be a valid integer")
    if value < 1:
        raise _invalid("max_tokens", "Input should be greater than or equal to 1")


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list):
        raise _invalid("messages", "Input should be a valid list")
    if not messages:
        raise _invalid("messages", "at least one message is required")
    for index, message in enumerate(messages):
        _check_message(message, f"messages.{index}")
    _check_results(messages)


def _check_message(message: object, where: str) -> None:
    if not isinstance(message, dict):
        raise _invalid(where, "Input should be an object")
    if message.get("role") not in ("user", "assistant", "system"):
        raise _invalid(f"{where}.role", "Input should be 'user' or 'assistant'")
    content = message.get("content")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _invalid(f"{where}.content", "Input should be a valid string or list")
    for index, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise _invalid(f"{where}.content.{index}.type", "Field required")


def _check_results(messages: Sequence[Json]) -> None:
    """Every tool use is answered before the assistant speaks again, and nothing else is."""
    owed: set[str] = set()
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            _check_settled(owed, index)
            owed = {str(block.get("id")) for block in _of_type(message, "tool_use")}
        for block in _of_type(message, "tool_result"):
            identifier = str(block.get("tool_use_id"))
            if identifier not in owed:
                raise _invalid(
                    f"messages.{index}.content",
                    f"unexpected `tool_use_id` found in `tool_result` blocks: {identifier[:100]}",
                )
            owed.discard(identifier)
    _check_settled(owed, len(messages))


def _check_settled(owed: set[str], index: int) -> None:
    if owed:
        raise _invalid(
            f"messages.{index}",
            "`tool_use` ids were found without `tool_result` blocks immediately after: "
            + ", ".join(sorted(owed))[:300],
        )


def _of_type(message: Json, kind: str) -> list[dict[str, object]]:
    return [block for block in dicts(message.get("content")) if block.get("type") == kind]
