"""Each field of each form wrong in turn: named, with nothing stored."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from hyperhive.dashboard import actions, approval_actions
from tests.support.dump import dump
from tests.support.posting import JSON, plain, post
from tests.support.raw_http import exchange, message
from tests.support.swarm import Swarm

POSTS = actions.POSTS + approval_actions.POSTS
LONG = "x" * 65_537
WRONG_IDS = ["0x1", "-1", "1.5", "", "1" * 16, "%D9%A1", "abc", "%00", "1%0a"]
WRONG_NAMES = ["Alice", "-a", "a-", "a" * 21, "al%20ice", "operator", "a%0a", "ä", "%00", "*"]
GOOD: dict[str, dict[str, str]] = {
    "/agents/{name}/destroy": {"confirm": "", "purge": "yes"},
    "/agents/{name}/model": {"model": "small"},
    "/answer-question/{id}": {"choice": "0", "text": "t"},
    "/approve/{id}": {"note": "n", "seen": "0" * 64, "complete": "1"},
    "/deny/{id}": {"note": "n", "seen": "0" * 64, "complete": "1"},
    "/request-spawn": {"name": "dora", "description": "d", "key": "k"},
    "/send": {"to": "alice", "body": "b", "key": "k"},
}
WRONG: dict[str, list[str]] = {
    "body": ["", LONG, "a\0b", "ä" * 32_769],
    "choice": ["3", "x", "-1", "00000"],
    "complete": ["", "0", "yes"],
    "confirm": ["alicia", "x" * 101],
    "description": ["x" * 2_001, "\0"],
    "key": ["", "x" * 101, "with space", "ü"],
    "model": ["unknown", "x" * 101, "\0"],
    "name": ["", "Dora", "a" * 21, "operator", "dora\n", "manager"],
    "note": ["x" * 4_097, "ä" * 2_049, "\0"],
    "purge": ["no", "YES", ""],
    "seen": ["0" * 65, "A" * 64, "g", "\0"],
    "text": [LONG, "\0"],
    "to": ["", "Alice", "a b", "a" * 21],
}


def fields(route: str) -> dict[str, str]:
    return GOOD.get(route, {})


def named(route: str) -> str:
    return route.format(name="alice", id="1")


@pytest.mark.parametrize("route", [route for route, _ in POSTS])
async def test_each_wrong_field_is_named_and_nothing_is_stored(
    working: Swarm, browser: aiohttp.ClientSession, tmp_path: Path, route: str
) -> None:
    before, path = dump(tmp_path / "hive.db"), named(route)
    for name in fields(route):
        for value in WRONG[name]:
            await refuses(browser, path, {**fields(route), name: value}, name)
    for name in fields(route).keys() & {"key", "to", "body", "name"}:
        rest = {key: value for key, value in fields(route).items() if key != name}
        await refuses(browser, path, rest, name)
    for name in fields(route).keys() - {"choice"}:
        await refuses(browser, path, [*fields(route).items(), (name, "again")], name)
    await refuses(browser, path, {**fields(route), "extra": "1"}, "extra")
    assert dump(tmp_path / "hive.db") == before


@pytest.mark.parametrize("route", [route for route, _ in POSTS if "{" in route])
async def test_each_wrong_path_is_refused(
    working: Swarm, browser: aiohttp.ClientSession, tmp_path: Path, route: str
) -> None:
    before = dump(tmp_path / "hive.db")
    for value in WRONG_IDS if "{id}" in route else WRONG_NAMES:
        path = route.format(name=value, id=value)
        status, answer = await post(browser, path, fields(route))
        assert status in (400, 404), (path, answer)
        assert answer["error"].get("field", "name") in ("id", "name"), (path, answer)
    form = {**fields(route), **({"confirm": "nobody"} if "confirm" in fields(route) else {})}
    status, answer = await post(browser, route.format(name="nobody", id="999"), form)
    assert (status, answer["error"]["code"]) == (404, "not_found")
    assert dump(tmp_path / "hive.db") == before


async def refuses(browser: aiohttp.ClientSession, path: str, data: object, field: str) -> None:
    status, answer = await post(browser, path, data)
    shown = (path, str(data)[:200], answer)
    assert status == 400, shown
    assert answer["error"]["code"] == "invalid_field", shown
    assert answer["error"]["field"].removesuffix("[0]") == field, shown
    status, text, _ = await plain(browser, path, data)
    assert status == 400
    assert f"Not done: {field}" in text


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"to=alice&body=x&key=k", "text/plain", 400),
        (b"to=alice&body=x&key=k", "multipart/form-data; boundary=x", 400),
        (b'{"to": "alice"}', "application/json", 400),
        (b"to=%ff", "application/x-www-form-urlencoded", 400),
        (b"\xff=1", "application/x-www-form-urlencoded", 400),
        (b"to=\xed\xa0\x80", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(51)), "application/x-www-form-urlencoded", 400),
        (b"to=alice&body=" + b"x" * 270_000, "application/x-www-form-urlencoded", 413),
        (b"to=a", "application/x-www-form-urlencoded; charset=nonsense", 400),
    ],
)
async def test_a_body_that_is_no_form_is_refused(
    hive: Swarm,
    browser: aiohttp.ClientSession,
    tmp_path: Path,
    body: bytes,
    content_type: str,
    status: int,
) -> None:
    before = dump(tmp_path / "hive.db")
    sent = {"Content-Type": content_type, **JSON}
    async with browser.post("/send", data=body, headers=sent) as answer:
        assert answer.status == status
        assert (await answer.json())["error"]["code"] in ("invalid_field", "too_large")
    assert dump(tmp_path / "hive.db") == before


async def test_the_largest_body_fits_however_it_is_encoded(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    body = "\u00e4" * 32_768  # 65,536 bytes, 196,608 when percent-encoded
    status, answer = await post(browser, "/send", {"to": "alice", "body": body, "key": "k"})
    assert status == 200, answer


@pytest.mark.parametrize(
    "form",
    [{}, {"code": ""}, {"code": "x" * 1_001}, {"code": "\0"}, [("code", "a"), ("code", "b")]],
    ids=["missing", "empty", "long", "nul", "twice"],
)
async def test_a_wrong_login_form_names_the_field_and_is_no_attempt(
    hive: Swarm, browser: aiohttp.ClientSession, form: object
) -> None:
    for _ in range(11):
        status, answer = await post(browser, "/login", form)
        assert (status, answer["error"]["field"]) == (400, "code")


@pytest.mark.parametrize(
    "target",
    [
        "/agents/%ff",
        "/agents/%ed%a0%80",
        "/agents/a%2f..%2fb",
        "/agents/" + "a" * 4_000,
        "/approvals/%c0%80",
        "/messages?agent=%ff&before=%00",
        "/messages?before=%ff",
        "/?result=%ff%fe",
        "/?result=" + "r" * 4_000,
        "/static/%2e%2e/%2e%2e/app.py",
        "/%",
        "/%zz",
        "/\xff",
        "/?\xff=\xff",
    ],
)
async def test_odd_addresses_are_answered_without_a_fault(
    hive: Swarm, browser: aiohttp.ClientSession, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    (cookie,) = browser.cookie_jar
    headers = [("Host", f"127.0.0.1:{hive.port}"), ("Cookie", f"{cookie.key}={cookie.value}")]
    answer = await exchange(hive.port, message("GET", target, headers))
    assert answer.status in (200, 400, 404)
    assert [record for record in caplog.records if record.name.startswith("hyperhive")] == []
