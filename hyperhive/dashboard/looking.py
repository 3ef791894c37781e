"""A change as a page shows it: read as far as it is wanted, and left out where the page has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from hyperhive.dashboard.options import HIVE
from hyperhive.dashboard.render import refreshed
from hyperhive.hive import proposal_views

Look = dict[str, Any]
Show = Callable[[bool], Awaitable[Look]]
"""Called with whether all of it is wanted."""


async def at_request(request: web.Request, approval_id: int) -> Look:
    """Raises NotFound; InvalidField for a `base` that there is not."""
    hive, base = request.app[HIVE], _asked(request, "base") or "running"

    async def show(whole: bool) -> Look:
        return await proposal_views.show(hive, approval_id, base=base, whole=whole)

    look = await _look(request, show)
    return {**look, "obstacle": _obstacle(look)}


async def at_deploy(request: web.Request, deploy_id: int) -> Look:
    """Raises NotFound."""
    hive = request.app[HIVE]

    async def show(whole: bool) -> Look:
        return await proposal_views.show_deploy(hive, deploy_id, whole=whole)

    return await _look(request, show)


def _asked(request: web.Request, name: str) -> str:
    """From the address of a page; a form that was refused has none."""
    return "" if request.method == hdrs.METH_POST else request.query.get(name, "")


async def _look(request: web.Request, show: Show) -> Look:
    """`name` is of what is compared and how much of it there is; a page that has the same, and
    says so when it asks for what differs, keeps it (`kept`), so that it is not read and sent again.
    """
    whole, has = _asked(request, "whole") == "1", refreshed(request)
    view = await show(whole and not has)
    about = f"{view['base']['commit'] or 'nothing'}-{view['commit']}"
    kept = has in (f"{about}-all", f"{about}-part")
    if whole and has and not kept:
        view = await show(whole)
    changes = view["changes"] or {"files": [], "hidden_files": 0, "complete": False}
    complete = has.endswith("-all") if kept else changes["complete"]
    return {
        **view,
        "name": f"{about}-{'all' if complete else 'part'}",
        "kept": kept and view["changes"] is not None,
        "whole": whole,
        "complete": complete,
        "hidden_lines": sum(file["hidden"] for file in changes["files"]),
    }


def _obstacle(look: Look) -> str:
    """One word for why it cannot be approved on this page; empty if it can."""
    approval, base = look["approval"], look["base"]
    if approval["state"] == "checking":
        return "checking"
    if look["problem"] or look["changes"] is None or look["privileges"] is None:
        return "unread"
    if base["which"] != "running":
        return "base"
    if base["commit"] != approval["binding"]["base"]:
        return "moved"
    return "" if look["complete"] else "hidden"
