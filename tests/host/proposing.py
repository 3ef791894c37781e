"""A hive whose manager, and who else may, proposes configurations with real git and Claude Code."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hyperhive.admin.client import AdminClient
from hyperhive.demo.conversation import Called
from nested.host import NestedHost
from tests.host.hosted import RUN, Hosted, hosted
from tests.host.puppets import Puppets, order
from tests.support.wait import wait_for

FLAKE = "/opt/hyperhive/flake"
MODULES = "/etc/hyperhive/agents"
SMALL, LARGE = "claude-haiku-5-5", "claude-sonnet-5-5"
MODELS = {"small": {"id": SMALL}, "large": {"id": LARGE}}
GIT = {"allowedBash": ["git *"]}
ASK = "mcp__hyperhive__request_apply_commit"
OPEN = ("queued", "evaluating", "building", "starting")
PROGRAM = Path(sys.executable).with_name("hyperhive")
SECONDS = 60.0

Json = dict[str, Any]


@dataclass(frozen=True)
class Proposing:
    """`end_model` ends the one upstream of all: nobody answers at its address any more."""

    hive: Hosted
    client: AdminClient
    puppets: Puppets
    end_model: Callable[[], Awaitable[None]]

    # --- agents ---

    async def send(self, agent: str, name: str, /, **given: Any) -> str:
        """Have it use a tool when it comes to that; the word of the order."""
        word = uuid.uuid4().hex
        await self.client.call("send", to=agent, body=order(word, name, given), key=word)
        return word

    async def came_of(self, word: str) -> Called:
        return await wait_for(lambda: self.puppets.results.get(word), SECONDS, "what came of it")

    async def use(self, agent: str, name: str, /, **given: Any) -> Called:
        return await self.came_of(await self.send(agent, name, **given))

    async def bash(self, agent: str, command: str) -> str:
        """What it printed; it has to succeed."""
        done = await self.use(agent, "Bash", command=command)
        assert not done.failed, done.output
        return done.output

    async def commit(self, of: str, text: str, by: str = "manager") -> str:
        """Its module is changed to this in a clone; the id as git prints it."""
        path = f"/workspace/agents/{of}/agent.nix"
        for name, given in (("Read", {}), ("Write", {"content": text})):
            done = await self.use(by, name, file_path=path, **given)
            assert not done.failed, done.output
        printed = await self.bash(by, f"git -C /workspace/agents/{of} commit -a -m 'A change'")
        found = re.match(r"\[main ([0-9a-f]+)\] A change", printed)
        assert found, printed
        return found[1]

    async def ask(self, of: str, commit: str, why: str = "", by: str = "manager") -> Called:
        """As `request_apply_commit` answers."""
        return await self.use(by, ASK, agent=of, commit_ref=commit, description=why)

    async def propose(self, of: str, text: str, by: str = "manager") -> Json:
        """The approval, once there is something to see of it."""
        asked = await self.ask(of, await self.commit(of, text, by), by=by)
        assert not asked.failed, asked.output
        return await self.checked(int(json.loads(asked.output)["id"]))

    async def told(self, name: str, by: str = "manager", **fields: Any) -> Json:
        """A system event with these fields, once the agent's model was shown it."""

        def find() -> Json | None:
            events = self.puppets.events(by, name)
            return next((e for e in events if fields.items() <= e.items()), None)

        return await wait_for(find, SECONDS, f"{name} with {fields}")

    # --- the operator ---

    async def cli(self, *argv: str) -> str:
        """As typed on the host."""
        command = [str(PROGRAM), f"--socket={RUN}/service/admin.sock", *argv]
        return (await asyncio.to_thread(self.hive.host.run, command)).stdout

    async def checked(self, number: int) -> Json:
        async def look() -> Json | None:
            found = [a for a in await self.approvals() if a["id"] == number]
            return found[0] if found and found[0]["state"] != "checking" else None

        return await wait_for(look, SECONDS, f"the check of {number}")

    async def approvals(self) -> list[Json]:
        found: list[Json] = (await self.client.call("approvals", all=True))["approvals"]
        return found

    async def over(self, number: int) -> Json:
        """The deploy, once it is."""

        async def look() -> Json | None:
            found = (await self.client.call("deploys", limit=100))["deploys"]
            mine = [d for d in found if d["id"] == number and d["state"] not in OPEN]
            return mine[0] if mine else None

        return await wait_for(look, SECONDS, f"the end of deploy {number}")

    async def events(self) -> list[Json]:
        """All so far."""
        last, found = (await self.client.call("status"))["last_event"], []
        async for event in self.client.events(0):
            found.append(event)
            if event["seq"] >= last:
                break
        return found

    async def agent(self, name: str = "alice") -> Json:
        found: Json = await self.client.call("agent", name=name)
        return found

    async def idle(self, *names: str) -> None:
        for name in names:
            await wait_for(partial(self._is_idle, name), SECONDS, f"{name} to be idle")

    async def _is_idle(self, name: str) -> bool:
        found = await self.agent(name)
        return found["state"] == "idle" and not found["waiting"]

    async def held(self, name: str = "alice") -> Json | None:
        """The agent while its mail waits for the model's side."""
        found = await self.agent(name)
        return found if found["hold"] and not found["turn"] else None

    def run_of(self, name: str = "alice") -> str:
        """Another one after each start."""
        return self.hive.unit(name, "InvocationID")["InvocationID"]

    def git(self, *argv: str, name: str = "alice") -> str:
        """In the host's own repository."""
        repository = f"/var/lib/hyperhive/service/applied/{name}.git"
        command = ["git", "-C", repository, *argv]
        return self.hive.host.run(command, user="hyperhive").stdout.strip()


@asynccontextmanager
async def proposing(
    nested: NestedHost, modules: Mapping[str, str], **agents: Any
) -> AsyncIterator[Proposing]:
    """The manager and agents with these modules are up and idle; `agents` has more options."""
    declared = {}
    for name, text in modules.items():
        path = nested.path(f"{MODULES}/{name}.nix")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        module = {"autoStart": True, "module": f"{MODULES}/{name}.nix"}
        declared[name] = {**module, **agents.get(name, {})}
    options: Json = {
        "models": MODELS,
        "defaultModel": "small",
        "nix": {"flake": FLAKE},
        "runtime": {"kind": "nspawn"},
        "manager": {"autoStart": True, "settings": GIT},
    }
    puppets = Puppets()
    async with AsyncExitStack() as served:
        model = await served.enter_async_context(puppets.served())
        opened = hosted(nested, declared, upstream=model.url, **options)
        hive = await asyncio.to_thread(opened.__enter__)
        try:
            async with hive.admin() as client:
                made = Proposing(hive, client, puppets, served.aclose)
                await made.idle("manager", *declared)
                yield made
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)
