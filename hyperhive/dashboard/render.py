"""Templates to responses, with what every page shows, and results that survive a redirect."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web

from hyperhive import __version__
from hyperhive.dashboard.assets import ASSETS, MORPH, Assets, load
from hyperhive.dashboard.guard import SESSION
from hyperhive.dashboard.options import HIVE, OPTIONS
from hyperhive.dashboard.text import FILTERS, is_long
from hyperhive.protocol.errors import Conflict, HiveError, InvalidField

_TEMPLATES = Path(__file__).parent / "templates"
_KEPT_RESULTS = 256

Fields = Mapping[str, str | list[str]]
"""A form as it was sent: name -> text, or texts where several are meant."""


def new_key() -> str:
    """An idempotency key for one filled-in form."""
    return secrets.token_urlsafe(12)


@dataclass(frozen=True, slots=True)
class Failed:
    """A form that was refused: shown again with what was typed and what is wrong."""

    action: str
    fields: Fields
    error: HiveError

    @property
    def field(self) -> str:
        return self.error.field if isinstance(self.error, InvalidField) else ""

    @property
    def key(self) -> str:
        """The same key again, so that what was done all the same is not done twice; a new one
        when the old one stands for another request already."""
        sent = self.fields.get("key", "")
        return new_key() if isinstance(self.error, Conflict) or not sent else str(sent)


@dataclass(slots=True)
class Results:
    """Messages for the page after a redirect, by an id that cannot be guessed. Showing one does
    not use it up, so a reload shows it again; only the newest are kept."""

    _texts: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def add(self, text: str) -> str:
        name = new_key()
        self._texts[name] = text
        if len(self._texts) > _KEPT_RESULTS:
            self._texts.popitem(last=False)
        return name

    def get(self, name: str) -> str:
        return self._texts.get(name, "")


RESULTS = web.AppKey("results", Results)


def setup(app: web.Application) -> None:
    assets = app[ASSETS] = load()
    app[RESULTS] = Results()
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        filters=FILTERS,
    )
    environment.tests["long"] = is_long
    environment.globals.update(
        static=assets.url,
        new_key=new_key,
        warnings=_warnings(app, assets),
        runtime_kind=app[OPTIONS].runtime_kind,
        builds=app[HIVE].deploying is not None,
        version=__version__,
    )


def _warnings(app: web.Application, assets: Assets) -> tuple[str, ...]:
    missing = (
        ()
        if MORPH in assets.files
        else ("The front-end libraries are not set up: pages do not refresh by themselves.",)
    )
    return (*app[OPTIONS].warnings, *missing)


def is_refresh(request: web.Request) -> bool:
    """The page is there and asks for what differs: what it keeps need not be made."""
    return "X-Refresh" in request.headers


def refreshed(request: web.Request) -> str:
    """What the page that asks for what differs says it has; empty where it is loaded anew."""
    return request.headers.get("X-Refresh", "")


def page(
    request: web.Request,
    template: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    failed: Failed | None = None,
) -> web.Response:
    """A whole page. What `context` lacks of the common values is empty."""
    common: dict[str, Any] = {
        "after": None,
        "counts": {},
        "failed": failed,
        "logged_in": request.get(SESSION) is not None,
        "notice": request.app[HIVE].storage.problem,
        "path": request.path,
        "refresh": is_refresh(request),
        "result": request.app[RESULTS].get(request.query.get("result", "")),
    }
    return aiohttp_jinja2.render_template(
        template, request, {**common, **context}, status=failed.error.status if failed else status
    )
