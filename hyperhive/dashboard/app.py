"""The dashboard's application: every route, behind one guard."""

from __future__ import annotations

from aiohttp import web

from hyperhive.dashboard import (
    actions,
    approval_actions,
    approval_pages,
    briefs,
    deploy_actions,
    deploy_pages,
    entry,
    guard,
    live,
    pages,
    render,
    security,
    terminal,
)
from hyperhive.dashboard.answers import errors
from hyperhive.dashboard.assets import static
from hyperhive.dashboard.forms import MAX_FORM
from hyperhive.dashboard.metrics import metrics
from hyperhive.dashboard.options import HIVE, OPTIONS, DashboardOptions
from hyperhive.hive.hive import Hive

__all__ = ["DashboardOptions", "make_app"]


def make_app(hive: Hive, options: DashboardOptions) -> web.Application:
    """The application to serve on `options.host` and `options.port`.

    Raises InvalidField for an entry of `options.allowed_hosts` that is no address.
    """
    app = web.Application(middlewares=[errors, guard.guard], client_max_size=MAX_FORM)
    app[HIVE] = hive
    app[OPTIONS] = options
    for part in (guard, security, render, briefs, live, terminal):
        part.setup(app)
    app.router.add_routes(
        [
            web.get("/", pages.swarm),
            web.get("/agents/{name}", pages.agent),
            web.get("/agents/{name}/log", pages.turn_log),
            web.get("/agents/{name}/output", pages.output),
            web.get("/agents/{name}/terminal", terminal.terminal, allow_head=False),
            web.get("/api/state", pages.api_state),
            web.get("/approvals/{id}", approval_pages.approval),
            web.get("/audit", pages.audit),
            web.get("/deploys/{id}", deploy_pages.deploy),
            web.get("/deploys/{id}/changes", deploy_pages.changes),
            web.get("/deploys/{id}/log", deploy_pages.log),
            web.get("/deploys/{id}/log.txt", deploy_pages.whole_log),
            web.get("/events", live.events, allow_head=False),
            web.get("/healthz", pages.healthz),
            web.get("/login", entry.entrance),
            web.get("/messages", pages.messages),
            web.get("/metrics", metrics),
            web.get("/static/{version}/{path:.+}", static),
            web.post("/login", entry.login),
            web.post("/logout", entry.logout),
            *(web.post(path, handler) for path, handler in actions.POSTS),
            *(web.post(path, handler) for path, handler in approval_actions.POSTS),
            *(web.post(path, handler) for path, handler in deploy_actions.POSTS),
        ]
    )
    return app
