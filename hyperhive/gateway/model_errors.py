"""Refusals in the shape of the Messages API, so that Claude Code shows them instead of retrying."""

from __future__ import annotations

from aiohttp import web

from hyperhive.protocol.errors import (
    Forbidden,
    HiveError,
    InvalidField,
    InvalidFrame,
    PolicyRefused,
    RateLimited,
    TooLarge,
    Unauthenticated,
)
from hyperhive.protocol.wire import dumps


class UpstreamDown(HiveError):
    """No answer came from the model's servers; `detail` is for people, the message for agents."""

    code = "upstream_unavailable"
    status = 502

    def __init__(self, problem: str, detail: str = "") -> None:
        super().__init__(f"hyperhive: {problem}")
        self.detail = detail or problem


_TYPES: tuple[tuple[type[HiveError], str], ...] = (
    (PolicyRefused, "invalid_request_error"),
    (Unauthenticated, "authentication_error"),
    (Forbidden, "permission_error"),
    (TooLarge, "request_too_large"),
    (RateLimited, "rate_limit_error"),
    (InvalidField, "invalid_request_error"),
    (InvalidFrame, "invalid_request_error"),
)
"""The API's word for each error; others are `api_error`."""


def error_answer(error: HiveError) -> web.Response:
    """Only what passes by itself may be tried again: our own rate limit, and outages."""
    headers = {}
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    elif error.status < 500:
        headers["x-should-retry"] = "false"
    kind = next((word for cls, word in _TYPES if isinstance(error, cls)), "api_error")
    body = {"type": "error", "error": {"type": kind, "message": error.message}}
    return web.Response(
        status=error.status, text=dumps(body), content_type="application/json", headers=headers
    )
