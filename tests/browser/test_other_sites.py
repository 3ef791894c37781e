"""Pages of other origins, with the operator's cookie in the same browser, reach nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hyperhive.dashboard.live import STREAMS
from tests.support.chromium import Window
from tests.support.dump import dump
from tests.support.net import free_port
from tests.support.swarm import Swarm
from tests.support.wait import wait_for

pytestmark = pytest.mark.browser

ATTACKS = """async (target) => {
  const seen = {};
  const attempt = async (name, act) => {
    try { seen[name] = await act(); } catch (error) { seen[name] = `error ${error.name}`; }
  };
  const form = { method: "POST", credentials: "include", body: "to=alice&body=forged&key=k1" };
  const type = (value) => ({ headers: { "Content-Type": value } });
  const status = async (answer) => `${answer.type} ${answer.status}`;
  await attempt("read", async () => (await fetch(target, { credentials: "include" })).text());
  await attempt("state", async () => (await fetch(target + "/api/state")).text());
  await attempt("simple", async () => status(await fetch(target + "/send",
    { ...form, ...type("application/x-www-form-urlencoded"), mode: "no-cors" })));
  await attempt("text", async () => status(await fetch(target + "/send",
    { ...form, ...type("text/plain"), mode: "no-cors" })));
  await attempt("json", async () => status(await fetch(target + "/send",
    { ...form, ...type("application/json") })));
  await attempt("beacon", async () => navigator.sendBeacon(target + "/mark-read",
    new URLSearchParams({})));
  await attempt("image", () => new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve("loaded");
    image.onerror = () => resolve("refused");
    image.src = target + "/agents/alice";
  }));
  await attempt("script", () => new Promise((resolve) => {
    const script = document.createElement("script");
    script.onload = () => resolve("loaded");
    script.onerror = () => resolve("refused");
    script.src = target + "/api/state";
    document.head.append(script);
  }));
  await attempt("events", () => new Promise((resolve) => {
    const source = new EventSource(target + "/events?after=0", { withCredentials: true });
    source.onopen = () => resolve("opened");
    source.onmessage = (event) => resolve(event.data);
    source.onerror = () => resolve("refused");
  }));
  await attempt("frame", () => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.onload = () => {
      try { resolve(frame.contentDocument ? frame.contentDocument.body.innerText : "closed"); }
      catch { resolve("closed"); }
    };
    frame.src = target;
    document.body.append(frame);
  }));
  return seen;
}"""
FORM = """(target) => {
  const form = document.createElement("form");
  form.method = "post";
  form.action = target + "/send";
  for (const [name, value] of Object.entries({ to: "alice", body: "forged", key: "k2" })) {
    const input = document.createElement("input");
    Object.assign(input, { name, value });
    form.append(input);
  }
  document.body.append(form);
  form.submit();
}"""


@pytest.fixture
async def evil_port() -> AsyncIterator[int]:
    """A server of somebody else's on this machine."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>evil</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", answer)
    runner, port = web.AppRunner(app), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield port
    await runner.cleanup()


async def script(window: Window, page: str, target: str) -> dict[str, Any]:
    await window.page.goto(page)
    async with asyncio.timeout(30):
        seen: dict[str, Any] = await window.page.evaluate(ATTACKS, target)
    return seen


async def attack(window: Window, page: str, target: str) -> dict[str, Any]:
    seen = await script(window, page, target)
    await window.page.goto(page)
    await window.page.evaluate(FORM, target)
    await window.page.wait_for_url(f"{target}/send")
    seen["form"] = await window.page.text_content("h1")
    return seen


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{evil}", "http://localhost:{evil}"])
async def test_another_port_reaches_nothing(
    hive: Swarm, window: Window, evil_port: int, tmp_path: Path, origin: str
) -> None:
    await hive.send("alice", "operator", "secret")
    before = dump(tmp_path / "hive.db")
    seen = await attack(window, origin.format(evil=evil_port), hive.url)
    assert "secret" not in str(seen)
    assert seen["events"] == "refused"
    assert seen["image"] == seen["script"] == "refused"
    assert seen["form"] == "Forbidden"
    assert seen["frame"] == "closed"
    await wait_for(lambda: len(hive.app[STREAMS]) == 0)
    assert dump(tmp_path / "hive.db") == before


async def test_a_name_rebound_to_this_machine_reaches_nothing(
    hive: Swarm, window: Window, tmp_path: Path
) -> None:
    """Its pages are of the dashboard's own origin, as the browser sees it; the Host tells."""
    await hive.send("alice", "operator", "secret")
    before = dump(tmp_path / "hive.db")
    rebound = f"http://rebound.test:{hive.port}"
    seen = await attack(window, rebound, rebound)
    assert "secret" not in str(seen)
    assert "Forbidden" in seen["read"]
    assert seen["events"] == "refused"
    assert seen["form"] == "Forbidden"
    assert dump(tmp_path / "hive.db") == before


async def test_the_same_page_on_the_right_origin_would_have_succeeded(
    hive: Swarm, window: Window
) -> None:
    """The attacks can work: from the dashboard itself they do."""
    await hive.send("alice", "operator", "secret")
    seen = await script(window, f"{hive.url}/audit", hive.url)
    assert "secret" in seen["read"]
    assert seen["simple"].startswith("basic 200")
    assert seen["events"] == "opened"
