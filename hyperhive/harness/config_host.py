"""The host's side of the agent's clones, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from hyperhive.harness.host_http import HostHttp
from hyperhive.protocol.configs import PACK_TYPE, KnownConfigs, KnownRefs, PackRequest
from hyperhive.protocol.schema import parse
from hyperhive.protocol.wire import dumps, loads_object

MAX_REFS = 64 * 2**20
_PASSING = ("busy", "rate_limited")


class ConfigHost(HostHttp):
    """All of it raises RemoteError, Unavailable.

    `patience` is how many seconds to wait for a host that is away.
    """

    def __init__(self, socket: Path, patience: float) -> None:
        super().__init__(socket)
        self._patience = patience

    async def refs(self) -> Mapping[str, KnownRefs]:
        """Of every agent that this one may propose for, by name."""
        answer = await self.ask("GET", "/v1/config", self._patience, passing=_PASSING)
        return parse(KnownConfigs, loads_object(answer, limit=MAX_REFS), "config").agents

    async def pack(self, agent: str, want: Sequence[str], have: Sequence[str]) -> bytes:
        body = dumps(asdict(PackRequest(want=tuple(want), have=tuple(have)))).encode()
        path = f"/v1/config/{agent}/pack"
        return await self.ask("POST", path, self._patience, body=body, passing=_PASSING)

    async def upload(self, agent: str, commit: str, pack: bytes) -> None:
        await self.ask(
            "POST",
            f"/v1/proposals/{agent}?commit={commit}",
            self._patience,
            body=pack,
            content_type=PACK_TYPE,
            passing=_PASSING,
        )
