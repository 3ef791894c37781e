"""Codes, sessions and the fixed token: once, for a while, and never guessed."""

from __future__ import annotations

import logging
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from hyperhive.dashboard.security import CODE_SECONDS, SESSION_SECONDS, cookie_name
from tests.support.dump import dump
from tests.support.swarm import TOKEN, Swarm, swarm


def client(made: Swarm) -> aiohttp.ClientSession:
    jar = aiohttp.CookieJar(unsafe=True)
    return aiohttp.ClientSession(made.url, headers={"Origin": made.url}, cookie_jar=jar)


async def login(session: aiohttp.ClientSession, code: str) -> int:
    async with session.post("/login", data={"code": code}, allow_redirects=False) as answer:
        return answer.status


async def sees(session: aiohttp.ClientSession) -> int:
    async with session.get("/") as answer:
        return answer.status


async def test_a_code_logs_in_once(hive: Swarm) -> None:
    code = await hive.login_code()
    async with client(hive) as first, client(hive) as second:
        assert await sees(first) == 401
        assert await login(first, f" {code}\n") == 303
        assert await sees(first) == 200
        assert await login(second, code) == 401
        assert await sees(second) == 401


async def test_who_is_in_needs_no_code(hive: Swarm) -> None:
    """The empty fragment keeps the code of the link from being taken over."""
    async with hive.browser() as browser, client(hive) as stranger:
        async with browser.get("/login", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/#")
        async with stranger.get("/login", allow_redirects=False) as answer:
            assert answer.status == 200
        hive.clock.forward(SESSION_SECONDS)
        async with browser.get("/login", allow_redirects=False) as answer:
            assert answer.status == 200


async def test_a_code_is_over_after_ten_minutes(hive: Swarm) -> None:
    codes = [await hive.login_code() for _ in range(2)]
    async with client(hive) as session:
        hive.clock.forward(CODE_SECONDS - 1)
        assert await login(session, codes[0]) == 303
        hive.clock.forward(1)
        assert await login(session, codes[1]) == 401


async def test_a_session_is_over_after_thirty_days(hive: Swarm) -> None:
    async with hive.browser() as browser:
        hive.clock.forward(SESSION_SECONDS - 1)
        assert await sees(browser) == 200
        hive.clock.forward(1)
        assert await sees(browser) == 401


async def test_the_fixed_token_logs_in_again_and_again(hive: Swarm) -> None:
    async with client(hive) as session:
        assert [await login(session, TOKEN) for _ in range(2)] == [303, 303]
        assert await sees(session) == 200


async def test_without_a_fixed_token_there_is_none(tmp_path: Path) -> None:
    async with swarm(tmp_path, token=None) as made, client(made) as session:
        for guess in ("None", " ", "\u00e9"):
            assert await login(session, guess) in (400, 401)


async def test_after_wrong_codes_the_token_is_not_even_looked_at(hive: Swarm) -> None:
    async with client(hive) as session:
        assert [await login(session, f"guess {n}") for n in range(11)] == [401] * 10 + [429]
        async with session.post("/login", data={"code": TOKEN}, allow_redirects=False) as answer:
            assert answer.status == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            assert "too many wrong codes" in await answer.text()


async def test_who_guesses_does_not_keep_the_operator_out(hive: Swarm) -> None:
    async with client(hive) as session:
        for n in range(12):
            await login(session, f"guess {n}")
        code = await hive.login_code()
        assert [await login(session, code) for _ in range(2)] == [303, 429]
        assert await sees(session) == 200


async def test_who_is_logged_in_is_not_locked_out(hive: Swarm) -> None:
    async with hive.browser() as browser, client(hive) as guesser:
        for n in range(12):
            await login(guesser, f"guess {n}")
        assert await sees(browser) == 200


async def test_logout_ends_the_session_and_no_other(hive: Swarm) -> None:
    async with hive.browser() as browser, hive.browser() as other:
        (cookie,) = browser.cookie_jar
        async with browser.post("/logout", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"].partition("?")[0]) == (303, "/login")
            assert "Max-Age=0" in answer.headers["Set-Cookie"]
        stolen = {"Cookie": f"{cookie.key}={cookie.value}"}
        async with aiohttp.ClientSession(hive.url, headers=stolen) as session:
            assert await sees(session) == 401
        assert await sees(other) == 200


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(hive: Swarm) -> None:
    async with client(hive) as session:
        data = {"code": await hive.login_code()}
        async with session.post("/login", data=data, allow_redirects=False) as answer:
            name, _, rest = answer.headers["Set-Cookie"].partition("=")
    assert name == f"hyperhive-{hive.port}"
    value, *attributes = rest.split("; ")
    assert len(value) >= 43  # 256 bits in base64
    assert set(attributes) == {"HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Strict"}


def test_cookies_of_dashboards_on_other_ports_are_others() -> None:
    assert cookie_name("http://127.0.0.1:7000") == "hyperhive-7000"
    assert cookie_name("http://[::1]:7001") == "hyperhive-7001"
    assert cookie_name("http://hive.example") == "hyperhive-80"
    assert cookie_name("https://hive.example:8443") == "__Host-hyperhive"


async def test_no_secret_is_stored_or_logged_or_in_an_address(
    hive: Swarm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    code = await hive.login_code()
    async with client(hive) as session:
        async with session.post("/login", data={"code": code}) as answer:
            assert code not in str(answer.url)
            text = await answer.text()
        (cookie,) = session.cookie_jar
        assert await login(session, TOKEN) == 303
    for secret in (code, cookie.value, TOKEN):
        assert secret not in dump(tmp_path / "hive.db")
        assert secret not in caplog.text
        assert secret not in text
    with closing(sqlite3.connect(tmp_path / "hive.db")) as database:
        digests = [row[0] for row in database.execute("SELECT digest FROM logins")]
    assert {len(digest) for digest in digests} == {32}


async def test_codes_are_not_alike(hive: Swarm) -> None:
    codes = [await hive.login_code() for _ in range(20)]
    assert len(set(codes)) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", code) for code in codes)


async def test_a_login_is_on_record(hive: Swarm) -> None:
    async with hive.browser():
        entries = await hive.hive.store.read(lambda tx: tx.audit.recent(5))
    assert [(e.actor, e.action) for e in entries] == [("operator", "login")]
