"""The real Claude Code through relay, socket and gateway: what it sends passes, refusals show."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from hyperhive.harness.relay import Relay
from hyperhive.harness.session import Session
from hyperhive.harness.session_events import TurnOutcome
from hyperhive.harness.session_options import claude_environment
from hyperhive.hive.policy import AgentPolicy, Model, Policy, Prices
from hyperhive.hive.records import Budget
from tests.gateway.asking import used
from tests.gateway.upstream import SECRET
from tests.gateway.world import World, running
from tests.support.claude import allow, session_options
from tests.support.scripted_model import ScriptedModel, text, tool

pytestmark = pytest.mark.claude

MODELS = ("claude-sonnet-4-5-20250929", "claude-opus-5-5", "claude-haiku-5-5")
"""Of several generations: what Claude Code sends depends on the model."""


def rules(model: str, budget: Budget | None = None) -> Policy:
    alice = AgentPolicy(budget=budget or Budget())
    models = {"mine": Model(model, Prices(input=1.0, output=1.0))}
    return Policy(models=models, default_model="mine", declared={"alice": alice})


class Desk:
    """Claude Code on the agent's side of the socket."""

    def __init__(self, world: World, session: Session, api: ScriptedModel) -> None:
        self.world = world
        self.api = api
        self._session = session

    async def run(self, model: str) -> TurnOutcome:
        return await self._session.run("go", model=model, report=lambda _: None)


@asynccontextmanager
async def desk(
    tmp_path: Path,
    socket_dir: Path,
    policy: Policy,
    kind: Literal["api_key", "oauth_token"] = "api_key",
) -> AsyncIterator[Desk]:
    script = [tool("Bash", command="echo hello > there"), text("done")]
    state = tmp_path / "state"
    state.mkdir()
    async with (
        ScriptedModel(script) as api,
        running(state, socket_dir, policy, credential_kind=kind, upstream_url=api.url) as world,
        Relay(world.socket("alice")) as relay,
    ):
        plain = session_options(tmp_path, relay.url)
        environment = claude_environment(
            os.environ,
            home=tmp_path / "home",
            scratch=plain.scratch,
            api_url=relay.url,
            credential_kind=kind,
        )
        session = Session(replace(plain, environment=environment), allow)
        try:
            yield Desk(world, session, api)
        finally:
            await session.release()


@pytest.mark.parametrize("model", MODELS)
async def test_a_turn_with_a_tool(tmp_path: Path, socket_dir: Path, model: str) -> None:
    async with desk(tmp_path, socket_dir, rules(model)) as d:
        outcome = await d.run(model)
        assert (outcome.status, outcome.text) == ("completed", "done")
        assert (tmp_path / "workspace" / "there").read_text() == "hello\n"
        assert {request.model for request in d.api.turns} == {model}
        spent = await used(d.world)
        assert (spent.requests, spent.input_tokens) == (2, 20)


async def test_with_a_token(tmp_path: Path, socket_dir: Path) -> None:
    async with desk(tmp_path, socket_dir, rules(MODELS[0]), "oauth_token") as d:
        assert (await d.run(MODELS[0])).status == "completed"
        headers = {name.lower(): value for name, value in d.api.turns[0].headers.items()}
        assert headers["authorization"] == f"Bearer {SECRET}"
        assert "oauth-2025-04-20" in headers["anthropic-beta"]
        assert "x-api-key" not in headers


async def test_a_model_that_is_not_allowed_is_told_once(tmp_path: Path, socket_dir: Path) -> None:
    async with desk(tmp_path, socket_dir, rules(MODELS[0])) as d:
        outcome = await d.run(MODELS[1])
        assert (outcome.status, outcome.api_status) == ("api_error", 402)
        assert "model 'claude-opus-5-5' is not allowed for alice" in outcome.text
        assert d.api.turns == []


async def test_a_budget_that_is_used_up_shows(tmp_path: Path, socket_dir: Path) -> None:
    policy = rules(MODELS[0], Budget(tokens_per_day=5))
    async with desk(tmp_path, socket_dir, policy) as d:
        outcome = await d.run(MODELS[0])
        assert (outcome.status, outcome.api_status) == ("api_error", 402)
        assert "budget of 5 tokens a day is used up" in outcome.text
        assert len(d.api.turns) == 1
