"""Verb to domain call, the same for the link and for POST; what one may do is decided here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hyperhive.gateway import queries
from hyperhive.gateway.caller import Caller
from hyperhive.gateway.queries import Logs
from hyperhive.hive.deploy_views import deploy_view
from hyperhive.hive.hive import Hive
from hyperhive.hive.policy import require
from hyperhive.hive.views import operation_view
from hyperhive.protocol import verbs
from hyperhive.protocol.errors import Forbidden, InvalidField
from hyperhive.protocol.schema import parse
from hyperhive.protocol.verbs import VERBS, Verb


class Verbs:
    """Calls verbs for agents."""

    def __init__(self, hive: Hive, logs: Logs) -> None:
        self._hive = hive
        self._logs = logs

    async def call(self, caller: Caller, name: str, args: Mapping[str, object]) -> Any:
        """Returns plain JSON data; raises HiveError.

        A verb that is unknown and one that is not the caller's are Forbidden without a difference.
        """
        verb = VERBS.get(name)
        if verb is None or verb.capabilities or (verb.link_only and not caller.instance):
            verb = await self._check(caller, verb)
        request: Any = parse(verb.arguments, args)
        return await _HANDLERS[name](self, caller, request)

    async def _check(self, caller: Caller, verb: Verb | None) -> Verb:
        agent = await self._hive.store.read(lambda tx: tx.agents.get(caller.agent_id))
        if verb is None or (verb.link_only and not caller.instance):
            raise Forbidden
        require(agent, *verb.capabilities)
        return verb

    # --- messages and questions ---

    async def send(self, caller: Caller, request: verbs.Send) -> Any:
        return await self._hive.broker.send(caller.sender, request)

    async def recv(self, caller: Caller, request: verbs.Recv) -> Any:
        instance = _lease_holder(caller, request)
        return await self._hive.broker.receive(caller.agent_id, instance, request)

    async def ask(self, caller: Caller, request: verbs.Ask) -> Any:
        return await self._hive.questions.ask(caller.sender, request)

    async def ask_operator(self, caller: Caller, request: verbs.AskOperator) -> Any:
        question = verbs.Ask(
            question=request.question,
            options=request.options,
            multi=request.multi,
            ttl_seconds=request.ttl_seconds,
            key=request.key,
        )
        return await self._hive.questions.ask(caller.sender, question, "manage")

    async def answer(self, caller: Caller, request: verbs.Answer) -> Any:
        question = await self._hive.questions.answer(caller.sender, request.id, request.answer)
        return self._hive.views.question(question)

    async def cancel(self, caller: Caller, request: verbs.Cancel) -> Any:
        question = await self._hive.questions.cancel(caller.sender, request.id)
        return self._hive.views.question(question)

    # --- what there is ---

    async def whoami(self, caller: Caller, _: verbs.Whoami) -> Any:
        return await queries.whoami(self._hive, caller)

    async def open_threads(self, caller: Caller, _: verbs.OpenThreads) -> Any:
        return await queries.open_threads(self._hive, caller)

    async def list_agents(self, _: Caller, __: verbs.ListAgents) -> Any:
        return await queries.list_agents(self._hive)

    async def get_logs(self, caller: Caller, request: verbs.GetLogs) -> Any:
        return await queries.get_logs(self._hive, self._logs, caller, request)

    # --- agents' lives ---

    async def request_spawn(self, caller: Caller, request: verbs.RequestSpawn) -> Any:
        if request.module is not None:
            proposals = self._hive.need_deploying().proposals
            return await proposals.request_spawn(caller.sender, request)
        return await self._hive.approvals.request_spawn(caller.sender, request)

    async def request_apply_commit(self, caller: Caller, request: verbs.RequestApplyCommit) -> Any:
        return await self._hive.need_deploying().proposals.request(caller.sender, request)

    async def request_destroy(self, caller: Caller, request: verbs.RequestDestroy) -> Any:
        return await self._hive.approvals.request_destroy(caller.sender, request)

    async def start(self, caller: Caller, request: verbs.Start) -> Any:
        return operation_view(await self._hive.agents.start(request.agent, caller.name))

    async def kill(self, caller: Caller, request: verbs.Kill) -> Any:
        return operation_view(await self._hive.agents.kill(request.agent, caller.name))

    async def restart(self, caller: Caller, request: verbs.Restart) -> Any:
        return operation_view(await self._hive.agents.restart(request.agent, caller.name))

    async def update(self, caller: Caller, request: verbs.Update) -> Any:
        orders = self._hive.need_deploying().deploys
        return deploy_view(await orders.update(request.agent, caller.name))

    # --- the turn loop, only over a link ---

    async def turn_begin(self, caller: Caller, request: verbs.TurnBegin) -> Any:
        return await self._hive.turns.begin(caller.agent_id, caller.instance or "", request)

    async def turn_events(self, caller: Caller, request: verbs.TurnEvents) -> Any:
        return await self._hive.turns.record(caller.agent_id, caller.instance or "", request)

    async def turn_end(self, caller: Caller, request: verbs.TurnEnd) -> Any:
        return await self._hive.turns.end(caller.agent_id, caller.instance or "", request)

    async def self_check(self, caller: Caller, request: verbs.SelfCheck) -> Any:
        await self._hive.turns.self_check(caller.agent_id, caller.instance or "", request)


_HANDLERS: dict[str, Callable[[Verbs, Caller, Any], Awaitable[Any]]] = {
    name: getattr(Verbs, name) for name in VERBS
}


def _lease_holder(caller: Caller, request: verbs.Recv) -> str:
    """A link's leases are its instance's; who posts has no link and names a holder himself."""
    if caller.instance is not None:
        if request.instance not in (None, caller.instance):
            raise InvalidField("instance", "is the link's own here; leave it out")
        return caller.instance
    if request.turn is not None:
        raise InvalidField("turn", "belongs to a link; leave it out")
    if request.instance is None:
        raise InvalidField("instance", "is missing: it names who holds the leases")
    return request.instance
