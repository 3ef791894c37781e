"""What stands before every handler: the right host, the right origin, the operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web, web_response

from hyperhive.dashboard.options import OPTIONS
from hyperhive.dashboard.security import LOGINS, cookie_name
from hyperhive.protocol.errors import Forbidden, InvalidFrame, Unauthenticated

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OPEN = frozenset({"/login", "/healthz", "/static/{version}/{path}"})
"""Routes that answer without a login."""
BEARER = frozenset({"/api/state", "/metrics"})
"""Routes for programs, which may show the fixed token instead of a session."""
STREAMS = frozenset({"/events"})
"""Routes that stay open: other sites may not even hold them."""
SOCKETS = frozenset({"/agents/{name}/terminal"})
"""WebSockets: browsers let any site open them, and always send its Origin."""

ORIGIN = web.RequestKey("origin", str)
"""The origin that belongs to the Host of this request."""
SESSION = web.RequestKey("session", bytes)
"""Digest of the session; absent on open routes and for bearers."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not `no-referrer`: with it browsers send `Origin: null` with a form (Fetch, 3.2).
    "Referrer-Policy": "same-origin",
    "Server": "hyperhive",
    "X-Content-Type-Options": "nosniff",
}

_ORIGINS = web.AppKey("origins", dict[str, str])


def setup(app: web.Application) -> None:
    app[_ORIGINS] = app[OPTIONS].origins()
    app.on_response_prepare.append(_add_headers)
    # Answers to what is not HTTP are made before there is a request, past every hook.
    setattr(web_response, "SERVER_SOFTWARE", HEADERS["Server"])  # noqa: B010 - not exported


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses before anything of the request is used; what a proxy claims is not read at all."""
    request[ORIGIN] = _check_host(request)
    _check_site(request)
    route = _route(request)
    if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD) or route in STREAMS | SOCKETS:
        _check_origin(request, request[ORIGIN], stream=route in STREAMS)
    if route not in OPEN:
        await _check_login(request, route)
    return await handler(request)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else ""


def _check_host(request: web.Request) -> str:
    """The origin of the one Host that is known here: names bound to this address by others'
    name servers are not (DNS rebinding)."""
    if not request.raw_path.startswith("/"):
        raise InvalidFrame("the request line must have a path, not an address")
    hosts = request.headers.getall(hdrs.HOST, [])
    origins = request.app[_ORIGINS]
    if len(hosts) != 1 or hosts[0] not in origins:
        raise Forbidden(
            "the dashboard is not known by this address; use 127.0.0.1 and its port, "
            "or add the address to dashboard.allowedHosts"
        )
    return origins[hosts[0]]


def _check_site(request: web.Request) -> None:
    """Browsers tell truly who asks (Fetch Metadata); other ports of a host are `same-site`."""
    sites = request.headers.getall("Sec-Fetch-Site", ["none"])
    if len(sites) != 1 or sites[0] not in ("same-origin", "none"):
        raise Forbidden("asked for by another site; open the dashboard from the address bar")


def _check_origin(request: web.Request, expected: str, *, stream: bool) -> None:
    """Browsers send no Origin with a GET to the page's own origin (Fetch, 3.2): there the word
    `same-origin`, which no page can forge, stands for it."""
    origins = request.headers.getall(hdrs.ORIGIN, [])
    if not origins and stream and request.headers.get("Sec-Fetch-Site") == "same-origin":
        return
    if origins != [expected]:
        raise Forbidden("not sent by a page of this dashboard")


async def _check_login(request: web.Request, route: str) -> None:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if route in BEARER and scheme.lower() == "bearer":
        request.app[LOGINS].check_bearer(token)
        return
    session = await session_of(request)
    if session is None:
        raise Unauthenticated("log in first")
    request[SESSION] = session


async def session_of(request: web.Request) -> bytes | None:
    """The session of its cookie, if it is valid."""
    cookie = request.cookies.get(cookie_name(request[ORIGIN]))
    return await request.app[LOGINS].session(cookie) if cookie else None
