"""Tool calls over the link, within the turn under way."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from hyperhive.harness.link import Link
from hyperhive.harness.orders import Orders

PATIENCE = 600.0
"""Seconds that a tool call waits for a host that is away."""


class LinkCaller:
    """Each call has a key of its own, under which the link repeats it."""

    def __init__(self, link: Link, orders: Orders) -> None:
        self._link = link
        self._orders = orders

    def fill_in(self) -> Mapping[str, object]:
        return {"key": str(uuid.uuid4()), "turn": self._orders.turn}

    async def call(self, verb: str, args: Mapping[str, object]) -> object:
        """What `recv` leased is settled with the turn: giving up its answer would lose messages."""
        if verb == "recv":
            wait = args.get("wait_seconds")
            seconds = wait if isinstance(wait, (int, float)) else 0.0
            return await self._link.insist(verb, args, seconds)
        return await self._link.request(verb, args, PATIENCE)
