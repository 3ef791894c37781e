"""One request: what it would change, and what can be decided about it."""

from __future__ import annotations

import asyncio

from aiohttp import web

from hyperhive.dashboard import content, looking
from hyperhive.dashboard.options import HIVE
from hyperhive.dashboard.pages import path_id
from hyperhive.dashboard.render import Failed, page


async def approval(request: web.Request, failed: Failed | None = None) -> web.Response:
    hive, approval_id = request.app[HIVE], path_id(request)
    shown = await hive.store.read(lambda tx: content.approval(hive, tx, approval_id))
    look = await looking.at_request(request, approval_id)
    if "commit" not in shown["approval"]["binding"]:
        # A new agent of the host's defaults: there is nothing to read but what it may do.
        only = {**shown, "look": None, "rights": look}
        return page(request, "approval.html", only, failed=failed)
    # It was read later than the rest: what can be decided goes by the state that it was shown in.
    both = {**shown, "approval": look["approval"], "look": look, "rights": None}
    # A large change takes a while to draw, and others wait for the loop.
    return await asyncio.to_thread(page, request, "approval.html", both, failed=failed)
