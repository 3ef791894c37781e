"""The posts about what agents are built from: forth, back, and no further."""

from __future__ import annotations

from aiohttp import web

from hyperhive.dashboard import deploy_pages, forms, pages
from hyperhive.dashboard.actions import Done, post
from hyperhive.dashboard.guard import Handler
from hyperhive.dashboard.options import HIVE
from hyperhive.dashboard.pages import path_id, path_name
from hyperhive.hive.deploys import Deploys


def _orders(request: web.Request) -> Deploys:
    return request.app[HIVE].need_deploying().deploys


async def update(request: web.Request, _: forms.Nothing) -> Done:
    deploy = await _orders(request).update(path_name(request))
    return Done(f"{deploy.agent} is being updated: deploy {deploy.id}.", f"/agents/{deploy.agent}")


async def update_all(request: web.Request, _: forms.Nothing) -> Done:
    begun = await _orders(request).update_all()
    told = ", ".join(f"{deploy.agent} (deploy {deploy.id})" for deploy in begun)
    return Done(f"Being updated: {told}." if begun else "Nobody is left to update.")


async def rollback(request: web.Request, form: forms.Rollback) -> Done:
    deploy = await _orders(request).rollback(path_name(request), int(form.to))
    text = f"{deploy.agent} goes back to what deploy {form.to} ran: deploy {deploy.id}."
    return Done(text, f"/agents/{deploy.agent}")


async def cancel(request: web.Request, _: forms.Nothing) -> Done:
    deploy = await _orders(request).cancel(path_id(request))
    return Done(f"Deploy {deploy.id} of {deploy.agent} is cancelled.", f"/deploys/{deploy.id}")


POSTS: list[tuple[str, Handler]] = [
    ("/agents/{name}/rollback", post(forms.Rollback, rollback, pages.agent)),
    ("/agents/{name}/update", post(forms.Nothing, update, pages.agent)),
    ("/cancel-deploy/{id}", post(forms.Nothing, cancel, deploy_pages.deploy)),
    ("/update-all", post(forms.Nothing, update_all, pages.swarm)),
]
