"""Sends forms as the script of a page does, and as a browser without script does."""

from __future__ import annotations

from typing import Any

import aiohttp

JSON = {"Accept": "application/json"}


async def post(
    browser: aiohttp.ClientSession, path: str, data: Any = None
) -> tuple[int, dict[str, Any]]:
    """As the script of the page does."""
    async with browser.post(path, data=data or b"", headers=headers(JSON)) as answer:
        return answer.status, await answer.json()


def headers(more: dict[str, str]) -> dict[str, str]:
    return {"Content-Type": "application/x-www-form-urlencoded", **more}


async def plain(
    browser: aiohttp.ClientSession, path: str, data: Any = None
) -> tuple[int, str, str]:
    """As a browser without script does; the page that it ends up on, and that page's path."""
    async with browser.post(path, data=data or b"", headers=headers({})) as answer:
        return answer.status, await answer.text(), answer.url.path
