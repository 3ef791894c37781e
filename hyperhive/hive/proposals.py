"""Proposed configurations on their way in: from an agent's commit to a request to be checked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from hyperhive.hive import approval_steps
from hyperhive.hive.agents import Agents
from hyperhive.hive.change_rows import Refs
from hyperhive.hive.clock import Clock
from hyperhive.hive.config_ports import Configs
from hyperhive.hive.deploy_orders import order_deploy, running_commit
from hyperhive.hive.fresh_tags import fresh_tags, refs_with
from hyperhive.hive.mail import Sender, once
from hyperhive.hive.policy import Policy, require
from hyperhive.hive.ports import Store, Transaction
from hyperhive.hive.records import OPERATOR_ID, Agent
from hyperhive.protocol.errors import Conflict, Forbidden, InvalidField, NotFound
from hyperhive.protocol.model import OPERATOR
from hyperhive.protocol.verbs import RequestApplyCommit, RequestSpawn

MODULE = "agent.nix"
FIRST_MESSAGE = "the module that was asked for, above the host's defaults"
_FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Proposals:
    """What agents may see and propose of configurations. Who may not is told Forbidden.

    `spawning` is held while a first commit is made or removed, until the rows say so.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        policy: Policy,
        configs: Configs,
        agents: Agents,
        spawning: asyncio.Lock,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._configs = configs
        self._agents = agents
        self._spawning = spawning

    # --- what clones are kept in step with ---

    async def clones(self, caller_id: int) -> dict[str, Refs]:
        """Of every agent that the caller may propose for, by name."""

        def find(tx: Transaction) -> dict[str, frozenset[str]]:
            caller = require(tx.agents.get(caller_id), "manage", "propose")
            present = [agent for agent in tx.agents.all() if agent.state == "present"]
            mine = [agent for agent in present if _may_propose(caller, agent)]
            return {agent.name: fresh_tags(tx, self._clock, agent) for agent in mine}

        told = await self._store.read(find)
        return {name: await refs_with(self._configs, name, tags) for name, tags in told.items()}

    async def pack(
        self, caller_id: int, agent: str, want: Sequence[str], have: Sequence[str]
    ) -> bytes:
        """What `want` needs beyond `have`, as `Configs.pack`."""
        await self._store.read(lambda tx: _target(tx, caller_id, agent))
        return await self._configs.pack(agent, want, have)

    async def receive(self, caller_id: int, agent: str, commit: str, pack: bytes) -> None:
        """Check what was uploaded for a proposal of this commit, and hold it aside."""
        await self._store.read(lambda tx: _target(tx, caller_id, agent))
        await self._configs.receive(agent, _full(commit, "commit"), pack)

    # --- requests ---

    async def request(self, requester: Sender, request: RequestApplyCommit) -> dict[str, Any]:
        """Ask the operator to run this commit; returns {id, state, commit}.

        Raises NotFound for one that was not uploaded, Conflict for the one that runs, and for one
        that does not contain that.
        """
        commit = _full(request.commit_ref, "commit_ref")

        def look(tx: Transaction) -> tuple[bool, str | None]:
            base = running_commit(tx, _target(tx, requester.id, request.agent))
            is_new = tx.keys.find(requester.id, request.key) is None
            if is_new:  # before git is asked, for who asks too often
                approval_steps.check(tx, self._clock, "apply_commit", requester.id, request.agent)
            return is_new, base

        is_new, running = await self._store.read(look)
        if is_new and not await self._configs.holds(request.agent, commit):
            raise NotFound(f"commit {commit[:12]} was not uploaded, or is not held any more")
        if is_new and running and not await self._configs.contains(request.agent, commit, running):
            raise Conflict(f"stale base: {approval_steps.stale_note(request.agent, running)}")

        def act(tx: Transaction) -> dict[str, Any]:
            agent = _target(tx, requester.id, request.agent)
            base = running_commit(tx, agent)
            if base == commit:
                raise Conflict(f"{agent.name} runs {commit[:12]} already")
            of = (requester, agent, commit, base, request.description)
            approval = approval_steps.propose(tx, self._clock, *of)
            return {"id": approval.id, "state": approval.state, "commit": commit}

        def change(tx: Transaction) -> dict[str, Any]:
            _target(tx, requester.id, request.agent)
            of = (requester.id, request.key, request)
            return once(tx, self._clock, *of, lambda: act(tx))

        return await self._store.write(change)

    async def request_spawn(self, requester: Sender, request: RequestSpawn) -> dict[str, Any]:
        """Ask for a new agent that begins with a module of its own; returns {id, state}."""
        async with self._spawning:  # what is let is still let once the commit is made
            return await self._request_spawn(requester, request)

    async def _request_spawn(self, requester: Sender, request: RequestSpawn) -> dict[str, Any]:
        commit = await self._first_commit(requester.id, request)

        def act(tx: Transaction) -> dict[str, Any]:
            self._agents.check_free(tx, request.name)
            binding = {"commit": _made(commit), "base": None, "module": True}
            of = (requester, request.name, None, request.description, binding)
            approval = approval_steps.request(tx, self._clock, "spawn", *of, "checking")
            return {"id": approval.id, "state": approval.state}

        def change(tx: Transaction) -> dict[str, Any]:
            if requester.kind == "agent":
                require(tx.agents.get(requester.id), "manage")
            return once(tx, self._clock, requester.id, request.key, request, lambda: act(tx))

        return await self._store.write(change)

    async def spawn(self, name: str, description: str, module: str, key: str) -> Agent:
        """The operator's direct way; a repeat with the key gives the agent of the first time."""
        request = RequestSpawn(name=name, description=description, module=module, key=key)
        async with self._spawning:
            return await self._spawn(request)

    async def _spawn(self, request: RequestSpawn) -> Agent:
        name, key = request.name, request.key
        commit = await self._first_commit(OPERATOR_ID, request)

        def act(tx: Transaction) -> int:
            declared = self._policy.spawned_with(_made(commit))
            agent = self._agents.create_with(tx, name, request.description, declared)
            order_deploy(tx, self._clock, agent, "change", declared.commit, OPERATOR)
            return agent.id

        def change(tx: Transaction) -> Agent:
            agent_id = once(tx, self._clock, OPERATOR_ID, key, request, lambda: act(tx))
            if agent := tx.agents.get(agent_id):
                return agent
            raise NotFound(f"the agent {name!r} made with this key is gone")

        return await self._store.write(change)

    async def _first_commit(self, requester_id: int, request: RequestSpawn) -> str | None:
        """What a new agent has by default, with this module; None for a repeat.

        Raises Conflict for a taken name.
        """
        module = request.module or ""
        if not module.strip():
            raise InvalidField("module", "is empty; leave it out for the defaults")

        def check(tx: Transaction) -> bool:
            if tx.keys.find(requester_id, request.key) is not None:
                return False
            self._agents.check_free(tx, request.name)
            if requester_id != OPERATOR_ID:  # who asked too often must not have a repository made
                approval_steps.check(tx, self._clock, "spawn", requester_id, request.name)
            return True

        if not await self._store.read(check):
            return None
        files = {**self._policy.spawned.files, MODULE: module.encode()}
        return await self._configs.declare(request.name, files, None, FIRST_MESSAGE)


def _target(tx: Transaction, caller_id: int, name: str) -> Agent:
    """The agent of this name, if the caller may propose for it; else Forbidden."""
    caller = require(tx.agents.get(caller_id), "manage", "propose")
    agent = tx.agents.by_name(name)
    if agent is None or agent.state != "present" or not _may_propose(caller, agent):
        raise Forbidden
    return agent


def _made(commit: str | None) -> str:
    if commit is None:
        raise Conflict("this key was forgotten just now: ask with another one")
    return commit


def _may_propose(caller: Agent, agent: Agent) -> bool:
    return "manage" in caller.capabilities or caller.id == agent.id


def _full(commit: str, field: str) -> str:
    if not _FULL.fullmatch(commit):
        raise InvalidField(field, "must be the commit's full id here, of 40 or 64 digits")
    return commit
