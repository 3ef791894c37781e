"""Configurations as packs: what runs, down to an agent's clones, and what it proposes, up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

from aiohttp import web

from hyperhive.gateway.body import read_body
from hyperhive.gateway.caller import Caller
from hyperhive.gateway.limits import ConfigLimits
from hyperhive.gateway.rate import TokenBucket
from hyperhive.hive.hive import Hive
from hyperhive.hive.policy import require
from hyperhive.hive.proposals import Proposals
from hyperhive.protocol.configs import MAX_PACK, PACK_TYPE, PackRequest, Upload
from hyperhive.protocol.errors import InvalidField, RateLimited
from hyperhive.protocol.model import check_name
from hyperhive.protocol.schema import parse
from hyperhive.protocol.verbs import VERBS
from hyperhive.protocol.wire import MAX_DOCUMENT, dumps, loads_object

PROCESS_COST = 20.0
"""Tokens for what starts processes on the host."""
BYTES_PER_TOKEN = 64 * 1024
_CHUNK = 256 * 1024


class Transfers:
    """Room for packs, of all agents together: each takes memory and a few processes."""

    def __init__(self, limits: ConfigLimits) -> None:
        self._wait_seconds = limits.wait_seconds
        self._room = asyncio.Semaphore(limits.transfers)
        self._busy: set[int] = set()

    @asynccontextmanager
    async def one(self, agent_id: int) -> AsyncIterator[None]:
        """Raises RateLimited while the agent has another, or the others leave no room."""
        if agent_id in self._busy:
            raise RateLimited("another pack of yours is on its way", 1.0)
        self._busy.add(agent_id)
        try:
            await self._get_room()
            try:
                yield
            finally:
                self._room.release()
        finally:
            self._busy.discard(agent_id)

    async def _get_room(self) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._room.acquire()
        except TimeoutError:
            raise RateLimited("too many packs are on their way", 1.0) from None


class ConfigRepos:
    """One agent's way to the configurations that it may propose for."""

    def __init__(
        self,
        hive: Hive,
        caller: Caller,
        bucket: TokenBucket,
        transfers: Transfers,
        limits: ConfigLimits,
    ) -> None:
        self._hive = hive
        self._caller = caller
        self._bucket = bucket
        self._transfers = transfers
        self._limits = limits
        self._looking = asyncio.Lock()

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1/config", self._refs, allow_head=False)
        router.add_post("/v1/config/{agent}/pack", self._pack)
        router.add_post("/v1/proposals/{agent}", self._receive)

    # --- handlers ---

    async def _refs(self, request: web.Request) -> web.StreamResponse:
        proposals = await self._enter()
        if self._looking.locked():
            raise RateLimited("you are looking already", 1.0)
        async with self._looking:
            found = await proposals.clones(self._caller.agent_id)
        agents = {name: asdict(refs) for name, refs in found.items()}
        return web.json_response({"agents": agents}, dumps=dumps)

    async def _pack(self, request: web.Request) -> web.StreamResponse:
        agent = check_name(request.match_info["agent"], "agent")
        proposals = await self._enter()
        body = await read_body(request, MAX_DOCUMENT, self._limits.body_seconds)
        asked = parse(PackRequest, loads_object(body))
        async with self._transfers.one(self._caller.agent_id):
            pack = await proposals.pack(self._caller.agent_id, agent, asked.want, asked.have)
            await self._pay_for(len(body) + len(pack))
            return await self._send(request, pack)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        agent = check_name(request.match_info["agent"], "agent")
        commit = _commit_of(request)
        proposals = await self._enter()
        async with self._transfers.one(self._caller.agent_id):
            pack = await read_body(request, MAX_PACK, self._limits.body_seconds)
            await self._pay_for(len(pack))
            await proposals.receive(self._caller.agent_id, agent, commit, pack)
        return web.json_response({"commit": commit}, dumps=dumps)

    # --- their parts ---

    async def _enter(self) -> Proposals:
        """Before anything is read. Raises Forbidden for who may propose nothing at all."""
        await self._bucket.pay(PROCESS_COST)
        allowed = VERBS["request_apply_commit"].capabilities
        agent_id = self._caller.agent_id
        await self._hive.store.read(lambda tx: require(tx.agents.get(agent_id), *allowed))
        return self._hive.need_deploying().proposals

    async def _pay_for(self, size: int) -> None:
        """It is there already: refusing it now would have it sent again."""
        await self._bucket.wait(size / BYTES_PER_TOKEN)

    async def _send(self, request: web.Request, pack: bytes) -> web.StreamResponse:
        """Here and not after the handler, so that who does not read holds nothing for long."""
        response = web.StreamResponse(headers={"Content-Type": PACK_TYPE})
        response.content_length = len(pack)
        try:
            async with asyncio.timeout(self._limits.write_seconds):
                await response.prepare(request)
                for at in range(0, len(pack), _CHUNK):
                    await response.write(pack[at : at + _CHUNK])
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        return response


def _commit_of(request: web.Request) -> str:
    """Of a query that says `commit=ID` and nothing else."""
    if list(request.query) != ["commit"]:
        raise InvalidField("commit", "must be given once, as ?commit=ID, and nothing beside it")
    return parse(Upload, {"commit": request.query["commit"]}).commit
