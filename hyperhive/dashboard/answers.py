"""Errors and refusals become answers here, once: JSON for scripts, a page for people."""

from __future__ import annotations

import logging

from aiohttp import hdrs, web

from hyperhive.dashboard.guard import Handler
from hyperhive.dashboard.render import page
from hyperhive.protocol.errors import (
    HiveError,
    InvalidField,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
)
from hyperhive.protocol.wire import dumps

log = logging.getLogger(__name__)


class MethodNotAllowed(HiveError):
    code = "method_not_allowed"
    status = 405


class InternalError(HiveError):
    code = "internal"
    status = 500


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except HiveError as error:
        return error_answer(request, error)
    except web.HTTPException as error:
        return error_answer(request, _translate(error))
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return error_answer(request, InternalError("something went wrong; the log has it"))


def _translate(error: web.HTTPException) -> HiveError:
    match error.status:
        case 404:
            return NotFound("there is no such page")
        case 405:
            return MethodNotAllowed("this address does not take this method")
        case 413:
            return TooLarge("too much was sent at once")
        case _:
            return InvalidField("request", error.reason)


def error_answer(request: web.Request, error: HiveError) -> web.Response:
    if wants_json(request):
        response = json_answer({"error": error.to_json()}, error.status)
    elif isinstance(error, Unauthenticated):
        response = page(request, "login.html", {}, status=error.status)
    else:
        response = page(request, "error.html", {"error": error}, status=error.status)
    return explained(response, error)


def explained(response: web.Response, error: HiveError) -> web.Response:
    """With the headers that belong to this kind of error."""
    if isinstance(error, RateLimited):
        response.headers[hdrs.RETRY_AFTER] = str(max(1, round(error.retry_after)))
    if isinstance(error, Unauthenticated):
        response.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="hyperhive"'
    return response


def wants_json(request: web.Request) -> bool:
    accepted = request.headers.get(hdrs.ACCEPT, "")
    return "application/json" in accepted or request.path.startswith(("/api/", "/events"))


def json_answer(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, text=dumps(value), content_type="application/json")
