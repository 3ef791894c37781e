"""The egress proxy: an agent's way to the hosts on its allow-list, and to nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from aiohttp import web

from hyperhive.gateway.caller import Caller
from hyperhive.gateway.connection import BUFFER_BYTES
from hyperhive.gateway.egress_addresses import Addresses
from hyperhive.gateway.egress_answers import ESTABLISHED, EgressRefused, as_bytes, as_response
from hyperhive.gateway.egress_http import exchange
from hyperhive.gateway.egress_passages import Passage, Passages
from hyperhive.gateway.egress_targets import absolute_target, connect_target
from hyperhive.gateway.egress_tunnel import Stream, connect, join
from hyperhive.gateway.limits import EgressLimits
from hyperhive.gateway.rate import TokenBucket
from hyperhive.hive.egress import Egress
from hyperhive.protocol.errors import HiveError, RateLimited
from hyperhive.protocol.hosts import Address

log = logging.getLogger(__name__)

_LINGER_SECONDS = 1.0


class EgressProxy:
    """Serves CONNECT and requests for `http://...` of every agent.

    Nothing is looked up before the allow-list has said yes: a refusal does not tell whether a name
    exists. The connection is made to the address that was checked.
    """

    def __init__(
        self, rules: Egress, addresses: Addresses | None = None, limits: EgressLimits | None = None
    ) -> None:
        self._rules = rules
        self._addresses = addresses or Addresses()
        self._limits = limits or EgressLimits()
        self._passages = Passages(self._limits)

    async def recheck(self, agent_id: int) -> None:
        """After a change of its settings: cut what they no longer allow."""
        for passage in self._passages.of(agent_id):
            try:
                if not await self._rules.allows(agent_id, passage.target):
                    passage.cut()
            except HiveError as error:
                log.warning("%s stays open: %s", passage, error.message)

    # --- CONNECT ---

    async def tunnel(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        caller: Caller,
        bucket: TokenBucket,
    ) -> None:
        """Until both sides are done; errors are answered, or end the connection."""
        try:
            with contextlib.suppress(OSError):  # TimeoutError too
                try:
                    await self._tunnel((reader, writer), caller, bucket)
                except EgressRefused as refused:
                    await _refuse((reader, writer), refused)
        finally:
            writer.transport.abort()

    async def _tunnel(self, client: Stream, caller: Caller, bucket: TokenBucket) -> None:
        target = connect_target(await self._head(client[0]))
        task = asyncio.current_task()
        assert task is not None
        with self._passages.open(caller, target, task.cancel) as passage:
            addresses = await self._admit(caller, passage, bucket)
            host = await connect(addresses, target, self._limits.connect_seconds)
            try:
                client[1].write(ESTABLISHED)
                await join(client, host, passage, self._limits.idle_seconds)
            finally:
                host[1].transport.abort()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self._limits.head_seconds):
                return await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise EgressRefused(431, f"at most {BUFFER_BYTES} bytes of headers") from None
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("broken off") from None
        except TimeoutError:
            raise EgressRefused(408, "the request did not arrive in time") from None

    # --- http:// ---

    async def forward(
        self, request: web.Request, caller: Caller, bucket: TokenBucket
    ) -> web.StreamResponse:
        """Refusals are answers."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has left")
        try:
            if request.method in ("CONNECT", "TRACE"):
                raise EgressRefused(
                    400, "CONNECT begins a connection of its own; TRACE is not sent"
                )
            target, rest = absolute_target(request.raw_path)
            with self._passages.open(caller, target, transport.abort) as passage:
                addresses = await self._admit(caller, passage, bucket)
                return await exchange(request, passage, addresses, rest, self._limits)
        except EgressRefused as refused:
            return as_response(refused)

    # --- both ---

    async def _admit(self, caller: Caller, passage: Passage, bucket: TokenBucket) -> list[Address]:
        """The addresses to choose from. Raises EgressRefused; what was denied is recorded."""
        target = passage.target
        try:
            await bucket.pay()
            allowed = await self._rules.allows(caller.agent_id, target)
        except RateLimited:
            raise EgressRefused(429, "too many requests") from None
        except HiveError as error:
            raise EgressRefused(503, f"try again: {error.code}") from None
        if not allowed:
            await self._rules.note_denied(caller.agent_id, caller.name, str(target))
            raise EgressRefused(
                403, f"{target} is not allowed; ask the operator to add {target} to egress.allow"
            )
        try:
            return await self._addresses.of(target, caller.agent_id)
        except EgressRefused as refused:
            if refused.status == 403:
                denied = f"{target}: no public address"
                await self._rules.note_denied(caller.agent_id, caller.name, denied)
            raise


async def _refuse(client: Stream, refused: EgressRefused) -> None:
    """What the client still sends is read for a moment: unread, it would take the answer away."""
    reader, writer = client
    writer.write(as_bytes(refused))
    async with asyncio.timeout(_LINGER_SECONDS):
        await writer.drain()
        writer.write_eof()
        while await reader.read(BUFFER_BYTES):
            pass
