"""The end of what an agent's harness wrote, in bounds that a page can show."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hyperhive.dashboard.options import OPTIONS
from hyperhive.protocol.errors import HiveError

LINES = 200
MAX_LINE = 2_000
"""Characters of a line that are shown."""
MAX_TEXT = 128 * 1024
"""Characters of all lines together: the oldest are left out first."""


async def written_by(request: web.Request, name: str) -> dict[str, Any]:
    """`output` as text of the agent, and `output_problem` where it cannot be read."""
    try:
        lines = await request.app[OPTIONS].logs(name, LINES)
    except HiveError as error:
        return {"output": "", "output_problem": error.message}
    return {"output": _bounded(list(lines)[-LINES:]), "output_problem": ""}


def _bounded(lines: list[str]) -> str:
    kept: list[str] = []
    room = MAX_TEXT
    for line in reversed(lines):
        shown = line if len(line) <= MAX_LINE else line[:MAX_LINE] + "…"
        room -= len(shown) + 1
        if room < 0:
            break
        kept.append(shown)
    return "\n".join(reversed(kept))
