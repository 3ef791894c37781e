"""One deploy: what it is, how far it is, and what Nix prints for it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiohttp import hdrs, web

from hyperhive.dashboard import content, looking, printed
from hyperhive.dashboard.answers import json_answer
from hyperhive.dashboard.forms import number
from hyperhive.dashboard.options import HIVE
from hyperhive.dashboard.pages import path_id
from hyperhive.dashboard.render import Failed, is_refresh, page
from hyperhive.hive.deploy_rows import OPEN_DEPLOYS, Deploy
from hyperhive.protocol.errors import HiveError, NotFound

WRITE_SECONDS = 30.0
"""A reader that takes nothing for so long is dropped."""


async def deploy(request: web.Request, failed: Failed | None = None) -> web.Response:
    hive, deploy_id = request.app[HIVE], path_id(request)
    shown = await hive.store.read(lambda tx: content.deploy(hive, tx, deploy_id))
    log = await _log_end(request, deploy_id)
    return page(request, "deploy.html", {**shown, **log, "lines": printed.LINES}, failed=failed)


async def changes(request: web.Request, failed: Failed | None = None) -> web.Response:
    """What it changed, or would."""
    hive, deploy_id = request.app[HIVE], path_id(request)
    shown = await hive.store.read(lambda tx: content.deploy(hive, tx, deploy_id))
    look = await looking.at_deploy(request, deploy_id)
    both = {**shown, "deploy": look["deploy"], "look": look}
    return await asyncio.to_thread(page, request, "changes.html", both, failed=failed)


async def _log_end(request: web.Request, deploy_id: int) -> dict[str, Any]:
    """`printed` as far as it can be read, and `printed_problem` where it cannot."""
    parts, nothing = (
        request.app[HIVE].deploying,
        {"printed": printed.Printed(), "printed_problem": ""},
    )
    if parts is None or is_refresh(request):
        return nothing
    try:
        return {**nothing, "printed": await printed.end_of(parts.builds, deploy_id)}
    except HiveError as error:
        return {**nothing, "printed_problem": error.message}


async def log(request: web.Request) -> web.Response:
    """What was printed from byte `offset` on, for the script to append."""
    offset = number(request.query.get("offset", "0"), "offset")
    # Looked up first: once it is over, nothing is printed any more.
    found = await _find(request)
    part = await printed.since(request.app[HIVE].need_deploying().builds, found.id, offset)
    over = found.state not in OPEN_DEPLOYS and part.next <= offset
    return json_answer({"text": part.text, "next": part.next, "over": over})


async def whole_log(request: web.Request) -> web.StreamResponse:
    """All of it as Nix printed it, to keep as a file."""
    found = await _find(request)
    builds = request.app[HIVE].need_deploying().builds
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "text/plain; charset=utf-8",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="deploy-{found.id}.txt"',
        }
    )
    async with contextlib.aclosing(printed.parts(builds, found.id)) as parts:
        first, _ = await anext(parts, ("", 0))  # what cannot be read is refused before it begins
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        try:
            await _write(response, first)
            async for text, _ in parts:
                await _write(response, text)
        except (HiveError, ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()  # so that a part is not taken for the whole
    return response


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(text.encode())


async def _find(request: web.Request) -> Deploy:
    """Raises NotFound."""
    deploy_id = path_id(request)
    found = await request.app[HIVE].store.read(lambda tx: tx.deploys.get(deploy_id))
    if found is None:
        raise NotFound(f"there is no deploy {deploy_id}")
    return found
