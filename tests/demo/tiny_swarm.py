"""A swarm in one object: agents that loop as Claude Code does, real Bash, mail kept in memory.

It stands in for everything but the scripted model and the operator's part, which are tested with
it: arguments are checked by the real schemas, commands by the real allow-list.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from hyperhive.demo.operator import Item
from hyperhive.harness.bash_policy import decide
from hyperhive.protocol.patterns import parse_bash_patterns
from hyperhive.protocol.schema import parse
from hyperhive.protocol.verbs import FILLED_IN_BY_HARNESS, VERBS
from tests.demo.sse import content
from tests.demo.talk import Json, request, wake

HEADERS = {"x-api-key": "placeholder", "anthropic-version": "2023-06-01"}
MAX_REQUESTS = 30
"""Requests in one turn; a scripted model that loops must not hang the test."""


@dataclass
class Agent:
    name: str
    role: str
    messages: list[Json] = field(default_factory=list)
    inbox: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)
    final: list[str] = field(default_factory=list)
    """What it said at the end of each turn."""


class TinySwarm:
    """Also an operator's desk: it has the methods of `demo.operator.Operator`."""

    def __init__(self, url: str, directory: Path, allowed: Sequence[str]) -> None:
        self._url = url
        self._directory = directory
        self._allowed = parse_bash_patterns(allowed)
        self.agents = {"manager": Agent("manager", "manager")}
        self.mail: list[Json] = []
        self.asked: list[Json] = []
        self.wanted: list[Json] = []
        self.log: list[Json] = []
        self.broken_names: set[str] = set()
        self._numbers = iter(range(1, 10_000))
        self._logged = asyncio.Condition()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Let the agents work until cancelled."""
        async with aiohttp.ClientSession() as self._session, asyncio.TaskGroup() as self._tasks:
            for agent in list(self.agents.values()):
                self._tasks.create_task(self._live(agent))
            await asyncio.Event().wait()

    # --- the operator ---

    async def send(self, to: str, body: str) -> None:
        await self._post("operator", "operator", to, body)

    async def questions(self) -> Sequence[Item]:
        return [item for item in self.asked if item["state"] == "open"]

    async def answer(self, question_id: int, text: str) -> None:
        item = next(item for item in self.asked if item["id"] == question_id)
        item["state"], item["answer"] = "answered", text
        told = {"id": question_id, "question": item["question"], "answer": text}
        await self._tell("operator_answered", **told, status="answered")

    async def approvals(self) -> Sequence[Item]:
        return [item for item in self.wanted if item["state"] == "pending"]

    async def approve(self, approval_id: int) -> None:
        item = self._decided(approval_id, "approved")
        name = str(item["agent"])
        await self._tell("approval_resolved", **item, note="")
        ok = name not in self.broken_names
        if ok:
            self.agents[name] = Agent(name, "worker")
            assert self._tasks is not None
            self._tasks.create_task(self._live(self.agents[name]))
        await self._tell("spawned", agent=name, ok=ok, note="" if ok else "no room")

    async def deny(self, approval_id: int, reason: str) -> None:
        await self._tell("approval_resolved", **self._decided(approval_id, "denied"), note=reason)

    async def inbox(self) -> Sequence[Item]:
        return [item for item in self.mail if item["to"] == "operator"]

    async def events(self, after: int) -> AsyncIterator[Item]:
        while True:
            async with self._logged:
                await self._logged.wait_for(functools.partial(self._has_more, after))
            yield self.log[after]
            after += 1

    def _has_more(self, after: int) -> bool:
        return len(self.log) > after

    def _decided(self, approval_id: int, state: str) -> Json:
        item = next(item for item in self.wanted if item["id"] == approval_id)
        item["state"] = item["status"] = state
        return item

    # --- mail ---

    async def _post(self, sender: str, kind: str, to: str, body: str) -> int:
        number = next(self._numbers)
        item: Json = {"id": number, "from": sender, "to": to, "kind": kind, "body": body}
        self.mail.append(item)
        await self._happens("message", to, item)
        if to in self.agents:
            self.agents[to].inbox.put_nowait(item)
        return number

    async def _tell(self, event: str, **fields: object) -> None:
        await self._post("system", "system", "manager", json.dumps({"event": event, **fields}))

    async def _happens(self, kind: str, agent: str, data: Json) -> None:
        async with self._logged:
            self.log.append({"seq": len(self.log) + 1, "kind": kind, "agent": agent, "data": data})
            self._logged.notify_all()

    # --- agents ---

    async def _live(self, agent: Agent) -> None:
        while True:
            taken = [await agent.inbox.get()]
            while not agent.inbox.empty():
                taken.append(agent.inbox.get_nowait())
            agent.messages.append(wake(*taken))
            await self._happens("turn_began", agent.name, {"messages": [m["id"] for m in taken]})
            await self._turn(agent)
            await self._happens("turn_ended", agent.name, {"result": "clean"})

    async def _turn(self, agent: Agent) -> None:
        for _ in range(MAX_REQUESTS):
            answer = await self._think(agent)
            agent.messages.append({"role": "assistant", "content": content(answer)})
            uses = [block for block in content(answer) if block["type"] == "tool_use"]
            if not uses:
                agent.final.append("".join(str(b.get("text")) for b in content(answer)))
                return
            results = [await self._use(agent, use) for use in uses]
            agent.messages.append({"role": "user", "content": results})
        raise AssertionError(f"{agent.name}'s turn does not end")

    async def _think(self, agent: Agent) -> Json:
        body = request(*agent.messages, agent=agent.name, role=agent.role)
        url = f"{self._url}/v1/messages"
        async with self._session.post(url, json=body, headers=HEADERS) as response:
            answer: Json = await response.json()
            assert response.status == 200, answer
            return answer

    async def _use(self, agent: Agent, use: Json) -> Json:
        name, given = str(use["name"]), use["input"]
        assert isinstance(given, dict)
        data: Json = {"tool": name, "text": json.dumps(given)}
        await self._happens("turn_tool_use", agent.name, data)
        if name == "Bash":
            failed, text = await self._shell(agent, str(given["command"]))
        else:
            failed, text = await self._verb(agent, name.removeprefix("mcp__hyperhive__"), given)
        kind = "turn_tool_refused" if failed else "turn_tool_result"
        await self._happens(kind, agent.name, {"tool": name, "text": text, "is_error": failed})
        result: Json = {"type": "tool_result", "tool_use_id": use["id"], "content": text}
        return {**result, "is_error": failed}

    async def _shell(self, agent: Agent, command: str) -> tuple[bool, str]:
        decision = decide(command, self._allowed)
        if not decision.allowed:
            return True, decision.reason
        home = self._directory / agent.name
        home.mkdir(exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command, cwd=home, stdout=-1, stderr=-2, stdin=-3
        )
        output, _ = await process.communicate()
        return process.returncode != 0, output.decode().strip()

    async def _verb(self, agent: Agent, verb: str, given: Json) -> tuple[bool, str]:
        arguments = VERBS[verb].arguments
        keyed = "key" in {field.name for field in dataclasses.fields(arguments)}
        assert not FILLED_IN_BY_HARNESS & given.keys()
        parse(arguments, {**given, "key": "k"} if keyed else given)
        if verb == "send":
            number = await self._post(agent.name, "agent", str(given["to"]), str(given["body"]))
            return False, json.dumps({"id": number})
        if verb == "request_spawn" and given["name"] in self.agents:
            return True, "conflict: the name is taken"
        number = next(self._numbers)
        if verb == "ask_operator":
            self.asked.append({"id": number, "state": "open", **given})
            await self._happens("question", agent.name, self.asked[-1])
        elif verb == "request_spawn":
            item = {"id": number, "state": "pending", "kind": "spawn", "agent": given["name"]}
            self.wanted.append(item)
            await self._happens("approval", str(given["name"]), item)
        return False, json.dumps({"id": number, "verb": verb, **given})
