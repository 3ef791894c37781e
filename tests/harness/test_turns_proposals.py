"""The real Claude Code as the manager: it edits a clone, commits with git, and proposes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperhive.hive.mail import Sender
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import OPERATOR_ID
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.verbs import Send
from tests.gateway.configured import Configured, configured
from tests.support.scripted_model import Reply, Request, ScriptedModel, text, tool
from tests.support.wait import wait_for
from tests.support.working import harness, make_options

pytestmark = pytest.mark.claude

STEPS = (
    "cd agents/bob",
    "sed -i s/one/two/ agent.nix",
    "git commit -q -a -m 'bob gets two'",
    "git rev-parse --short HEAD",
)


def manage(request: Request) -> Reply:
    done = sum(message["role"] == "assistant" for message in request.messages)
    if done < len(STEPS):
        return tool("Bash", command=STEPS[done])
    if done == len(STEPS):
        asked = {"agent": "bob", "commit_ref": request.tool_results[-1].strip()}
        return tool("mcp__hyperhive__request_apply_commit", **asked, description="two is better")
    return text("Asked.")


async def may_use_git(host: Configured) -> None:
    manager = await host.world.agent("manager")
    settings = AgentSettings(allowed_bash=("cd *", "sed *", "git *"))

    def change(tx: Transaction) -> None:
        tx.agents.save(replace(manager, settings=settings))

    await host.world.hive.store.write(change)


async def test_what_it_commits_is_what_the_operator_is_asked(
    tmp_path: Path, socket_dir: Path
) -> None:
    async with (
        ScriptedModel(manage) as model,
        configured(tmp_path, socket_dir, upstream_url=model.url) as host,
    ):
        base = await host.runs("bob", "one")
        await may_use_git(host)
        hive = host.world.hive
        options = make_options(tmp_path, socket=host.world.socket("manager"))
        operator = Sender(OPERATOR_ID, "operator", "operator")
        async with harness(options):
            await hive.broker.send(operator, Send(to="manager", body="two for bob", key="k"))

            async def asked() -> Any:
                return await hive.store.read(lambda tx: tx.approvals.open(agent="bob"))

            (approval,) = await wait_for(asked, 60, "the proposal")
            await wait_for(lambda: len(model.turns) == len(STEPS) + 2, 10, "the turn to go on")
        assert (approval.kind, approval.state) == ("apply_commit", "checking")
        assert (approval.requester, approval.description) == ("manager", "two is better")
        assert approval.binding["base"] == base
        commit = approval.binding["commit"]
        (info,) = await host.configs.history("bob", commit, base, 5)
        assert (info.author, info.message.strip()) == ("manager", "bob gets two")
        assert json.loads(model.turns[-1].tool_results[0])["commit"] == commit
        assert f"{options.workspace}/agents/NAME" in model.turns[0].system_text
