"""Refusals in the shape of the Anthropic API (its documentation, "Errors")."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from hyperhive.demo.rules import Failure

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class ApiError(Exception):
    """What the API answers instead of a message."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        kind = _KINDS.get(self.status, "invalid_request_error")
        error = {"type": kind, "message": self.message}
        body = {"type": "error", "error": error}
        return web.json_response(body, status=self.status, headers=self.headers)


def of_failure(failure: Failure) -> ApiError:
    """The refusal that a scenario asks for; `cut` is none."""
    if failure.kind == "rate_limited":
        message = "This request would exceed your organization's rate limit."
        return ApiError(429, message, _limit_headers(failure.retry_after))
    if failure.kind == "overloaded":
        return ApiError(529, "Overloaded")
    if failure.kind == "prompt_too_long":
        return ApiError(400, "prompt is too long: 210000 tokens > 200000 maximum")
    return ApiError(500, "Internal server error")


def _limit_headers(retry_after: int) -> dict[str, str]:
    reset = datetime.fromtimestamp(time.time() + retry_after, UTC)
    return {
        "retry-after": str(retry_after),
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": reset.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def in_api_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns refusals, aiohttp's own included, into the API's JSON."""
    try:
        return await handler(request)
    except ApiError as error:
        return error.response()
    except web.HTTPRequestEntityTooLarge:
        return ApiError(413, "Request exceeds the maximum size").response()
    except web.HTTPException as error:
        return ApiError(error.status, error.reason).response()
