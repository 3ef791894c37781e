"""What a proposed change comes to in a line or two, for lists: read once, as it stays the same."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hyperhive.hive import proposal_views
from hyperhive.hive.hive import Hive
from hyperhive.protocol.errors import HiveError

Brief = dict[str, Any]

_KEPT = 100
_SECONDS = 5.0
"""For all together: a list does not wait longer for what its links lead to."""


@dataclass(slots=True)
class Briefs:
    """By what exactly is asked for and how far it is checked."""

    _known: OrderedDict[str, Brief] = field(default_factory=OrderedDict)

    async def of_all(self, hive: Hive, approvals: Iterable[dict[str, Any]]) -> dict[int, Brief]:
        """Of those of changes, by number. What cannot be read has a `problem`."""
        changes = [each for each in approvals if "commit" in each["binding"]]
        found: dict[int, Brief] = {}
        try:
            async with asyncio.timeout(_SECONDS):
                for approval in changes:
                    found[approval["id"]] = await self._of(hive, approval)
        except TimeoutError:
            pass
        late: Brief = {"files": None, "wider": [], "problem": "it takes long to read"}
        return {each["id"]: found.get(each["id"], late) for each in changes}

    async def _of(self, hive: Hive, approval: dict[str, Any]) -> Brief:
        about = [approval["id"], approval["state"], approval["binding"]]
        name = json.dumps(about, sort_keys=True)
        if name in self._known:
            return self._known[name]
        brief = await _read(hive, approval["id"])
        if not brief["problem"]:
            self._known[name] = brief
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return brief


async def _read(hive: Hive, approval_id: int) -> Brief:
    try:
        view = await proposal_views.show(hive, approval_id)
    except HiveError as error:
        return {"files": None, "wider": [], "problem": error.message}
    changes, rights = view["changes"], view["privileges"] or []
    return {
        "files": len(changes["files"]) + changes["hidden_files"] if changes else None,
        "wider": [right for right in rights if right["effect"] == "wider"],
        "problem": view["problem"],
    }


BRIEFS = web.AppKey("briefs", Briefs)


def setup(app: web.Application) -> None:
    app[BRIEFS] = Briefs()
