"""Buttons come back: after success, refusal, breakdown, a cut line and silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, Route, expect

from hyperhive.hive.mail import OPERATOR_SENDER
from hyperhive.protocol.errors import StorageFull
from hyperhive.protocol.verbs import Send
from tests.support.chromium import Window
from tests.support.swarm import Swarm

pytestmark = pytest.mark.browser

LIMIT = 20_000
"""Milliseconds after which a form that got no answer is given back."""


async def write(page: Page, text: str) -> None:
    await page.fill("#send textarea", text)
    await page.click("#send button")


async def is_back(page: Page) -> None:
    """The button may be pressed again and nothing says that something is under way."""
    await expect(page.locator("#send button")).to_be_enabled()
    await expect(page.locator("#send")).not_to_have_attribute("aria-busy", "true")


async def says(page: Page, words: str) -> None:
    await expect(page.locator("#send .outcome")).to_contain_text(words)


async def bodies(hive: Swarm) -> list[str]:
    found = await hive.hive.store.read(lambda tx: tx.messages.recent(limit=50))
    return [d.message.body for d in found]


async def test_success(hive: Swarm, window: Window) -> None:
    page = window.page
    await window.show("/")
    key = await page.input_value("#send [name=key]")
    await write(page, "hello")
    await expect(page.locator("#result")).to_have_text("Sent to manager.")
    await is_back(page)
    await says(page, "")
    await expect(page.locator("#send textarea")).to_have_value("")
    assert await page.input_value("#send [name=key]") != key
    await write(page, "again")
    await expect(page.locator(".letters >> text=again")).to_be_visible()
    assert sorted(await bodies(hive)) == ["again", "hello"]


async def test_refusal_names_the_field(window: Window) -> None:
    page = window.page
    await window.show("/")
    await page.click("#spawn > summary")
    await page.fill("#spawn-form [name=name]", "Alice!")
    await page.click("#spawn-form button")
    await expect(page.locator("#spawn-form .outcome")).to_contain_text("name: must be 1 to 20")
    field = page.locator("#spawn-form [name=name]")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("Alice!")
    await expect(page.locator("#spawn-form button")).to_be_enabled()


async def test_breakdown(hive: Swarm, window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(hive.hive.broker, "send", broken)
    await window.show("/")
    await write(window.page, "hello")
    await says(window.page, "something went wrong; the log has it")
    await is_back(window.page)
    await expect(window.page.locator("#send textarea")).to_have_value("hello")


async def test_full_disk(hive: Swarm, window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise StorageFull("no space left on the device")

    monkeypatch.setattr(hive.hive.broker, "send", full)
    await window.show("/")
    await write(window.page, "hello")
    await says(window.page, "no space left on the device")
    await is_back(window.page)


Fulfil = Callable[[Route], Awaitable[None]]


@pytest.mark.parametrize(
    ("fulfil", "words"),
    [
        (lambda route: route.abort("connectionreset"), "The connection failed."),
        (lambda route: route.abort("connectionrefused"), "The connection failed."),
        (lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"), "answered 502"),
        (lambda route: route.fulfill(status=200, body="<h1>Hotel Wi-Fi</h1>"), "answered 200"),
        (lambda route: route.fulfill(status=200, body='{"other": 1}'), "answered 200"),
        (lambda route: route.fulfill(status=302, headers={"Location": "/"}), "connection failed"),
        (lambda route: route.fulfill(status=500, body=""), "answered 500"),
        (lambda route: route.fulfill(status=400, body='{"error": {}}'), "answered 400"),
    ],
    ids=["reset", "refused", "proxy", "portal", "json", "redirect", "empty", "no message"],
)
async def test_answers_of_others_and_none(window: Window, fulfil: Fulfil, words: str) -> None:
    await window.show("/")
    await window.page.route("**/send", fulfil)
    await write(window.page, "hello")
    await says(window.page, words)
    await is_back(window.page)
    await expect(window.page.locator("#send textarea")).to_have_value("hello")


async def test_a_connection_that_is_cut_in_the_middle_of_the_answer(
    hive: Swarm, window: Window
) -> None:
    await window.show("/")
    async with cutting_server() as url:
        await window.page.route("**/send", lambda route: route.continue_(url=url))
        await write(window.page, "hello")
        await says(window.page, "The connection failed.")
        await is_back(window.page)


async def test_silence_ends_and_the_repeat_counts_once(
    hive: Swarm, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is stored, the answer never comes: the operator sends it again."""
    page, original, over = window.page, hive.hive.broker.send, asyncio.Event()

    async def silent(*arguments: object) -> object:
        await original(*arguments)  # type: ignore[arg-type]  # what it was called with
        await over.wait()
        return {}

    await page.clock.install()
    await window.show("/")
    monkeypatch.setattr(hive.hive.broker, "send", silent)
    await write(page, "hello")
    await expect(page.locator("#send button")).to_be_disabled()
    await page.clock.fast_forward(LIMIT - 1_000)
    await expect(page.locator("#send button")).to_be_disabled()
    await page.clock.fast_forward(1_001)
    await says(page, "There was no answer within 20 seconds.")
    await is_back(page)
    monkeypatch.undo()
    await page.click("#send button")
    await expect(page.locator("#result")).to_have_text("Sent to manager.")
    assert await bodies(hive) == ["hello"]
    over.set()


async def test_a_double_click_sends_once(hive: Swarm, window: Window) -> None:
    await window.show("/")
    await window.page.fill("#send textarea", "hello")
    await window.page.dblclick("#send button")
    await expect(window.page.locator("#result")).to_have_text("Sent to manager.")
    await is_back(window.page)
    assert await bodies(hive) == ["hello"]


async def test_what_is_typed_while_sending_stays(
    hive: Swarm, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, go = hive.hive.broker.send, asyncio.Event()

    async def slow(*arguments: object) -> object:
        await go.wait()
        return await original(*arguments)  # type: ignore[arg-type]  # what it was called with

    monkeypatch.setattr(hive.hive.broker, "send", slow)
    await window.show("/")
    await write(window.page, "first")
    await window.page.fill("#send textarea", "second")
    go.set()
    await expect(window.page.locator("#result")).to_have_text("Sent to manager.")
    await expect(window.page.locator("#send textarea")).to_have_value("second")
    await window.page.click("#send button")
    await expect(window.page.locator(".letters >> text=second")).to_be_visible()
    assert sorted(await bodies(hive)) == ["first", "second"]


async def test_a_form_whose_subject_is_gone_says_so_on_the_page(
    hive: Swarm, window: Window
) -> None:
    asked = await hive.ask("alice", "Which?")
    await window.show("/")
    page = window.page
    await page.fill(f"#answer-{asked} textarea", "mine")
    await hive.hive.questions.answer(OPERATOR_SENDER, asked, "other")
    await expect(page.locator("#resolved")).to_be_visible()
    await page.click(f"#answer-{asked} button.primary")
    await expect(page.locator(f"#answer-{asked} .outcome")).to_contain_text("is answered")
    await expect(page.locator(f"#answer-{asked} textarea")).to_have_value("mine")


async def test_no_form_of_any_page_stays_busy(hive: Swarm, window: Window) -> None:
    """Each form there is, against a server that breaks down."""
    alice = await hive.start("alice")
    await hive.ask("alice", "Which?", options=("a", "b"))
    await hive.request_spawn("carol")
    await hive.send("alice", "operator", "hello")
    await hive.send("manager", "alice", "hello")
    await hive.begin("alice", alice)
    tried = set()
    for path in ("/", "/agents/alice", "/approvals/1"):
        await window.show(path)
        # Nothing else answers either: a refresh of the page would give the buttons back as well.
        await window.page.route("**", lambda route: route.fulfill(status=500, body=""))
        tried |= set(await window.eval(SUBMIT_ALL))
        busy = window.page.locator("form[aria-busy=true]")
        await expect(busy).to_have_count(0)
        assert await window.eval(DISABLED) == []
        assert await window.eval(SAID_NOTHING) == []
        await window.page.unroute("**")
    assert len(tried) == 13, tried
    assert window.errors == []


SUBMIT_ALL = """() => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const forms = [...document.forms].filter((form) => form.method === "post");
  for (const form of forms) {
    for (const field of form.elements) if (field.required) field.value = "x";
    form.requestSubmit();
  }
  return forms.map((form) => new URL(form.action).pathname);
}"""
DISABLED = "[...document.querySelectorAll(':disabled')].map((button) => button.outerHTML)"
SAID_NOTHING = """[...document.forms]
  .filter((form) => form.method === "post" && !form.querySelector(".outcome").textContent)
  .map((form) => form.action)"""


async def test_a_fault_of_the_script_itself_gives_the_button_back(window: Window) -> None:
    """The place for results is missing: showing one throws, at the start and at the end."""
    await window.show("/")
    await window.eval("document.querySelector('#send .outcome').remove()")
    await write(window.page, "hello")
    await is_back(window.page)
    assert len(window.errors) > 0


class cutting_server:  # noqa: N801 - used as a context
    """Promises 100 bytes of JSON, sends a few, and cuts the line."""

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._cut, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/send"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _cut(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        start = json.dumps({"result": "Sent"})[:10]
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n" + start.encode()
        )
        await writer.drain()
        writer.transport.abort()


async def test_several_recipients_and_their_results(hive: Swarm, window: Window) -> None:
    await window.show("/")
    await window.page.select_option("#send select", "everyone")
    await write(window.page, "to all")
    await expect(window.page.locator("#result")).to_have_text("Sent to manager, alice.")
    request = Send(to="alice", body="x", key="k")
    assert (await hive.hive.broker.send(OPERATOR_SENDER, request))["results"]
