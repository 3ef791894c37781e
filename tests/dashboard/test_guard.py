"""Every route of the router against hosts, origins, cookies and sites that must not pass."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.dump import dump
from tests.support.raw_http import Header, exchange, message
from tests.support.swarm import TOKEN, Swarm, swarm

OPEN = {"/login", "/healthz", "/static/{version}/{path}"}
STREAMS = {"/events"}
FORM = ("Content-Type", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Shown:
    """What a request shows of itself; each a list, since a header may stand twice or not at all."""

    host: tuple[str, ...]
    origin: tuple[str, ...]
    cookie: tuple[str, ...]
    site: tuple[str, ...]
    more: tuple[Header, ...] = ()

    def headers(self) -> list[Header]:
        named = (
            ("Host", self.host),
            ("Origin", self.origin),
            ("Cookie", self.cookie),
            ("Sec-Fetch-Site", self.site),
        )
        return [(name, value) for name, values in named for value in values] + list(self.more)


@dataclass(frozen=True)
class Choices:
    """Good and bad values, good first."""

    hosts: list[tuple[str, ...]]
    origins: list[tuple[str, ...]]
    cookies: list[tuple[str, ...]]
    sites: list[tuple[str, ...]]

    @property
    def good(self) -> Shown:
        return Shown(self.hosts[0], self.origins[0], self.cookies[0], self.sites[0])


def choices(port: int, session: str) -> Choices:
    good, name = f"127.0.0.1:{port}", f"hyperhive-{port}"
    return Choices(
        hosts=[
            (good,),
            ("evil.example",),
            (f"127.0.0.1:{port}.evil.example",),
            ("127.0.0.1:evil.example",),
            (f"localhost.evil.example:{port}",),
            (),
            (good, good),
            (good, "evil.example"),
            (f"LOCALHOST:{port}",),
            (f"127.0.0.1.:{port}",),
            (f"localhost.:{port}",),
            (f"[::ffff:127.0.0.1]:{port}",),
            (f"0.0.0.0:{port}",),
            (f"127.0.0.1:{port + 1}",),
            ("127.0.0.1",),
            (f"user@{good}",),
        ],
        origins=[
            (f"http://{good}",),
            (),
            ("null",),
            ("http://evil.example",),
            (f"http://127.0.0.1:{port + 1}",),
            (f"http://localhost:{port}",),
            (f"https://{good}",),
            (f"http://{good}", f"http://{good}"),
            (f"http://{good}.evil.example",),
            (f"HTTP://{good}",),
        ],
        cookies=[
            (f"{name}={session}",),
            (),
            (f"{name}={session[:-1]}x",),
            (f"{name}=",),
            (f"hyperhive-{port + 1}={session}",),
            (f"__Host-hyperhive={session}",),
            (f"{name}=\xff\xfe",),
        ],
        sites=[("same-origin",), ("cross-site",), ("same-site",), ("none", "same-origin"), ("x",)],
    )


def routes(made: Swarm) -> list[tuple[str, str]]:
    """(method, route) of everything that is registered, with a method that is not."""
    found = {(r.method, r.resource.canonical) for r in made.app.router.routes() if r.resource}
    return [*sorted(found), ("PUT", "/"), ("OPTIONS", "/send"), ("GET", "/nowhere")]


def target(route: str) -> str:
    return route.format(name="alice", id="1", version="0", path="main.js")


def may_pass(method: str, route: str, shown: Shown, of: Choices) -> bool:
    """The rule, written down a second time."""
    if shown.host != of.hosts[0] or shown.site not in (of.sites[0], (), ("none",)):
        return False
    if method not in ("GET", "HEAD") or route in STREAMS:
        proven = shown.origin == of.origins[0]
        proven |= route in STREAMS and shown.origin == () and shown.site == of.sites[0]
        if not proven:
            return False
    return route in OPEN or shown.cookie == of.cookies[0]


async def session_of(made: Swarm) -> str:
    async with made.browser() as client:
        (cookie,) = client.cookie_jar
        return cookie.value


@pytest.fixture
async def of(hive: Swarm) -> Choices:
    return choices(hive.port, await session_of(hive))


async def check(made: Swarm, method: str, route: str, shown: Shown, of: Choices) -> str | None:
    """What is wrong with the answer, or None."""
    request = message(method, target(route), [*shown.headers(), FORM])
    status = (await exchange(made.port, request)).status
    refused = status in (400, 401, 403)
    # A form without fields, and what is not there, is refused by the handler: with other words.
    passes = may_pass(method, route, shown, of)
    if passes and status in (401, 403) and (method, route) != ("POST", "/login"):
        return f"{method} {route} {shown}: {status}, but should pass"
    if not passes and not refused:
        return f"{method} {route} {shown}: {status}, but should be refused"
    return None


async def test_each_route_refuses_each_thing_that_is_wrong(
    hive: Swarm, of: Choices, tmp_path: Path
) -> None:
    wrong = [
        *(replace(of.good, host=host) for host in of.hosts[1:]),
        *(replace(of.good, origin=origin) for origin in of.origins[1:]),
        *(replace(of.good, cookie=cookie) for cookie in of.cookies[1:]),
        *(replace(of.good, site=site) for site in of.sites[1:]),
        replace(of.good, host=("evil.example",), more=(("X-Forwarded-Host", of.good.host[0]),)),
        replace(of.good, cookie=(), more=(("X-Forwarded-For", "127.0.0.1"),)),
        replace(of.good, origin=(), site=(), more=(("X-Forwarded-Proto", "https"),)),
    ]
    before, found = dump(tmp_path / "hive.db"), []
    for (method, route), shown in itertools.product(routes(hive), wrong):
        if not may_pass(method, route, shown, of):
            found.append(await check(hive, method, route, shown, of))
    assert [wrong for wrong in found if wrong] == []
    assert len(found) > 700
    assert dump(tmp_path / "hive.db") == before


async def test_each_route_answers_when_all_is_right(hive: Swarm, of: Choices) -> None:
    right = [of.good, replace(of.good, more=(("X-Forwarded-Host", "evil.example"),))]
    found = [
        await check(hive, method, route, shown, of)
        for (method, route), shown in itertools.product(routes(hive), right)
        if route != "/logout"
    ]
    assert [wrong for wrong in found if wrong] == []


@pytest.mark.parametrize(
    ("method", "route"), [("GET", "/audit"), ("POST", "/mark-read"), ("GET", "/events")]
)
async def test_all_combinations_on_one_route_of_each_kind(
    hive: Swarm, of: Choices, method: str, route: str
) -> None:
    cases = itertools.product(of.hosts[:4], of.origins[:6], of.cookies[:3], [*of.sites[:3], ()])
    found = [await check(hive, method, route, Shown(*case), of) for case in cases]
    assert [wrong for wrong in found if wrong] == []
    assert len(found) == 4 * 6 * 3 * 4


@pytest.mark.parametrize("target", ["http://127.0.0.1/", "http://evil.example/", "//evil.example"])
async def test_an_address_in_the_request_line_does_not_stand_for_the_host(
    hive: Swarm, of: Choices, target: str
) -> None:
    answer = await exchange(hive.port, message("GET", target, of.good.headers()))
    assert answer.status in (400, 404)


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
async def test_every_loopback_name_has_its_own_origin(hive: Swarm, of: Choices, host: str) -> None:
    shown = replace(of.good, host=(f"{host}:{hive.port}",), origin=(f"http://{host}:{hive.port}",))
    answer = await exchange(hive.port, message("POST", "/mark-read", [*shown.headers(), FORM]))
    assert answer.status == 303


async def test_bearers_read_what_is_for_programs_and_nothing_else(hive: Swarm) -> None:
    token = [("Host", f"127.0.0.1:{hive.port}"), ("Authorization", f"Bearer {TOKEN}")]
    statuses = {}
    for method, route in routes(hive):
        if route not in OPEN and method != "HEAD":
            request = message(method, target(route), [*token, FORM])
            statuses[method, route] = (await exchange(hive.port, request)).status
    passed = {key for key, status in statuses.items() if status not in (401, 403)}
    assert passed == {("GET", "/api/state"), ("GET", "/metrics")}
    assert {statuses[key] for key in passed} == {200}


async def test_a_wrong_token_is_refused_and_soon_not_even_looked_at(hive: Swarm) -> None:
    async def ask(token: str) -> int:
        headers = [("Host", f"127.0.0.1:{hive.port}"), ("Authorization", f"Bearer {token}")]
        return (await exchange(hive.port, message("GET", "/metrics", headers))).status

    assert [await ask("wrong") for _ in range(11)] == [401] * 10 + [429]
    assert await ask(TOKEN) == 429


# --- headers ---

EXPECTED = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Server": "hyperhive",
    "X-Content-Type-Options": "nosniff",
}
OWN = {"Content-Type", "Content-Length", "Date", "Connection", "Transfer-Encoding", "Cache-Control"}
RARE = {"Location", "Set-Cookie", "WWW-Authenticate", "Allow", "Retry-After"}


async def test_every_answer_has_the_same_headers(hive: Swarm, of: Choices) -> None:
    shown = [of.good, replace(of.good, host=("evil.example",)), replace(of.good, cookie=())]
    for (method, route), case in itertools.product(routes(hive), shown):
        answer = await exchange(hive.port, message(method, target(route), [*case.headers(), FORM]))
        assert {name: answer.headers.get(name) for name in EXPECTED} == EXPECTED, (route, answer)
        assert set(answer.headers) - set(EXPECTED) - OWN - RARE == set()
        assert answer.headers["Cache-Control"] == "no-store"


async def test_scripts_and_styles_may_be_kept_for_ever(hive: Swarm, of: Choices) -> None:
    page = (await exchange(hive.port, message("GET", "/", of.good.headers()))).start.decode()
    style = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = await exchange(hive.port, message("GET", style, of.good.headers()))
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert {name: answer.headers.get(name) for name in EXPECTED} == EXPECTED


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["no http", "version", "length", "space", "two lengths", "long"],
)
async def test_what_is_not_http_is_refused_without_telling_the_version(
    hive: Swarm, request_bytes: bytes
) -> None:
    answer = await exchange(hive.port, request_bytes)
    assert 400 <= answer.status < 500
    assert answer.headers["Server"] == "hyperhive"


# --- behind a proxy ---


async def test_behind_tls_the_cookie_is_secure_and_bound_to_the_host(tmp_path: Path) -> None:
    async with swarm(tmp_path, allowed_hosts=("https://hive.example",)) as made:
        code = await made.login_code()
        headers = [("Host", "hive.example"), ("Origin", "https://hive.example"), FORM]
        answer = await exchange(
            made.port, message("POST", "/login", headers, f"code={code}".encode())
        )
        assert answer.status == 303
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-hyperhive=")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        headers[1] = ("Origin", "http://hive.example")
        refused = await exchange(made.port, message("POST", "/login", headers, b"code=x"))
        assert refused.status == 403
