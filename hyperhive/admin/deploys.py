"""What the operator can see of deploys, and order about them."""

from __future__ import annotations

from typing import Any

from hyperhive.admin import verbs
from hyperhive.admin.context import Context
from hyperhive.admin.queries import find
from hyperhive.hive.deploy_views import deploy_view
from hyperhive.hive.ports import Transaction
from hyperhive.hive.proposal_views import show_either
from hyperhive.protocol.errors import NotFound

Answer = dict[str, Any]


async def deploys(context: Context, request: verbs.Deploys) -> Answer:
    """What was deployed, or waits for its turn, newest first."""

    def query(tx: Transaction) -> Answer:
        agent_id = find(tx, request.agent).id if request.agent else None
        rows = tx.deploys.recent(agent_id, request.limit)
        return {"deploys": [deploy_view(d) for d in rows]}

    return await context.hive.store.read(query)


async def deploy_log(context: Context, request: verbs.DeployLog) -> Answer:
    """A part of what Nix printed, where to read on, and how far it was before: the deploy of this
    number, or the request that is only checked yet."""
    parts = context.hive.need_deploying()

    def how_far(tx: Transaction) -> Answer:
        if deploy := tx.deploys.get(request.id):
            return {"of": "deploy", "state": deploy.state, "error": deploy.error}
        if (approval := tx.approvals.get(request.id)) and "commit" in approval.binding:
            return {"of": "approval", "state": approval.state, "error": approval.note}
        raise NotFound(f"there is no deploy {request.id}")

    known = await context.hive.store.read(how_far)
    text, offset = await parts.builds.log(request.id, request.offset)
    return {**known, "log": text, "next": offset}


async def diff(context: Context, request: verbs.Diff) -> Answer:
    """What a request or a deploy would change, or has."""
    return await show_either(context.hive, request.id, base=request.base, whole=request.whole)


async def update(context: Context, request: verbs.Update) -> Answer:
    """Build against the host of now, and run that: one agent, or all that are out of date."""
    orders = context.hive.need_deploying().deploys
    if request.name is None:
        found = await orders.update_all()
    else:
        found = [await orders.update(request.name)]
    return {"deploys": [deploy_view(d) for d in found]}


async def rollback(context: Context, request: verbs.Rollback) -> Answer:
    """Go back to what ran before, or to what a certain deploy ran."""
    deploy = await context.hive.need_deploying().deploys.rollback(request.name, request.to)
    return deploy_view(deploy)


async def cancel_deploy(context: Context, request: verbs.ById) -> Answer:
    """Give up a deploy that is not tried yet."""
    return deploy_view(await context.hive.need_deploying().deploys.cancel(request.id))
