"""A browser's side of the dashboard without one: logged in, it loads pages and sends forms."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from hyperhive.admin.client import AdminClient


@dataclass(frozen=True)
class Page:
    """`fields` are those that the form to approve sends."""

    status: int
    fields: dict[str, str]


@dataclass(frozen=True)
class Browser:
    session: aiohttp.ClientSession
    origin: str

    async def load(self, number: int) -> Page:
        """What the operator looks at."""
        async with self.session.get(f"{self.origin}/approvals/{number}") as answer:
            text = await answer.text()
            hidden = r'<input type="hidden" name="(seen|complete)" value="([^"]*)"'
            return Page(answer.status, dict(re.findall(hidden, text)))

    async def send(self, action: str, number: int, fields: dict[str, str]) -> int:
        """Of `approve` or `deny`; the status, 303 where it worked."""
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        url = f"{self.origin}/{action}/{number}"
        options = {"data": fields, "headers": headers, "allow_redirects": False}
        async with self.session.post(url, **options) as answer:  # type: ignore[arg-type] # of several types
            await answer.read()
            return answer.status


@asynccontextmanager
async def browsing(client: AdminClient) -> AsyncIterator[Browser]:
    url = urlsplit((await client.call("login_code"))["url"])
    origin = f"{url.scheme}://{url.netloc}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        async with session.post(
            f"{origin}/login", data={"code": url.fragment}, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 303, await answer.text()
        yield Browser(session, origin)
