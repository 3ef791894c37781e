"""The posts that decide requests: of a change, only what was shown in full can be approved."""

from __future__ import annotations

from aiohttp import web

from hyperhive.dashboard import approval_pages, forms
from hyperhive.dashboard.actions import Done, post
from hyperhive.dashboard.guard import Handler
from hyperhive.dashboard.options import HIVE
from hyperhive.dashboard.pages import path_id
from hyperhive.protocol.errors import Conflict, NotFound


async def approve(request: web.Request, form: forms.Decision) -> Done:
    hive, approval_id = request.app[HIVE], path_id(request)
    await _check_seen(request, approval_id, form)
    decided = await hive.approvals.approve(approval_id, form.note, form.seen or None)
    return Done(f"Approved: {decided.kind} {decided.agent}.", f"/approvals/{approval_id}")


async def _check_seen(request: web.Request, approval_id: int, form: forms.Decision) -> None:
    """Raises NotFound, and Conflict for a change that no page has shown in full."""
    found = await request.app[HIVE].store.read(lambda tx: tx.approvals.get(approval_id))
    if found is None:
        raise NotFound(f"there is no approval {approval_id}")
    is_open = found.resolved_at is None  # else it is told what became of it
    if is_open and "commit" in found.binding and not (form.seen and form.complete):
        raise Conflict(f"look at it first: /approvals/{approval_id} shows all that would change")


async def deny(request: web.Request, form: forms.Decision) -> Done:
    approval_id = path_id(request)
    decided = await request.app[HIVE].approvals.deny(approval_id, form.note)
    return Done(f"Denied: {decided.kind} {decided.agent}.", f"/approvals/{approval_id}")


POSTS: list[tuple[str, Handler]] = [
    ("/approve/{id}", post(forms.Decision, approve, approval_pages.approval)),
    ("/deny/{id}", post(forms.Decision, deny, approval_pages.approval)),
]
