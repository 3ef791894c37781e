"""Chromium as the operator's browser, and a record of what must not happen in it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright

from hyperhive import dashboard
from hyperhive.dashboard.assets import MORPH
from tests.support.swarm import Swarm

_ARGUMENTS = [
    "--no-sandbox",  # tests run as root, too
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP rebound.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1,"
    " EXCLUDE localhost",
]
_RECORD = """
window.__ran = [];
window.__violations = [];
for (const name of ["alert", "confirm", "prompt"]) {
  window[name] = (text) => __ran.push(String(text));
}
document.addEventListener("securitypolicyviolation", (event) => {
  __violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@dataclass
class Window:
    """One tab. `requests` and `errors` are of all pages it showed."""

    swarm: Swarm
    context: BrowserContext
    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def login(self) -> None:
        await self.page.goto(f"{self.swarm.url}/login#{await self.swarm.login_code()}")
        await self.page.wait_for_url(lambda url: "/login" not in url)

    async def show(self, path: str) -> None:
        """The page, once it is live."""
        await self.page.goto(self.swarm.url + path)
        await self.page.wait_for_selector("#live[data-state=live]")

    async def eval(self, script: str) -> Any:
        return await self.page.evaluate(script)


@asynccontextmanager
async def browse(made: Swarm, **context: Any) -> AsyncIterator[Window]:
    """A browser with an empty profile; `context` is what playwright takes: viewport, scripts."""
    program = shutil.which("chromium")
    assert program is not None
    if not (Path(dashboard.__file__).parent / "static" / MORPH).exists():
        pytest.fail("front-end libraries are not set up: run ./hive test", pytrace=False)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        opened = await chromium.new_context(**context)
        opened.set_default_timeout(10_000)
        await opened.add_init_script(_RECORD)
        window = Window(made, opened, await opened.new_page())
        opened.on("request", lambda request: window.requests.append(request.url))
        opened.on("weberror", lambda error: window.errors.append(str(error.error)))
        try:
            yield window
        finally:
            await chromium.close()
