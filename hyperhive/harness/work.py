"""Puts the parts of a running agent together; what takes long to import comes when it is needed."""

from __future__ import annotations

import asyncio
import functools
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from hyperhive.harness.agent import Agent
from hyperhive.harness.imports import import_late
from hyperhive.harness.link import Link
from hyperhive.harness.link_caller import PATIENCE, LinkCaller
from hyperhive.harness.options import Options
from hyperhive.harness.orders import Orders
from hyperhive.harness.prompt import Places
from hyperhive.harness.relay import Relay
from hyperhive.harness.requests import SERVER_NAME, Caller
from hyperhive.harness.selfcheck import SelfChecker
from hyperhive.harness.session_options import (
    SessionOptions,
    claude_environment,
    proxy_environment,
)
from hyperhive.harness.shell_environment import told_to_shells
from hyperhive.harness.turns import TurnLoop
from hyperhive.protocol.answers import Welcome
from hyperhive.protocol.verbs import may_propose

CLOSE_SECONDS = 3.0
EGRESS_CONNECTIONS = 40
"""To the proxy: however many the agent's programs open, some of the host's are left for the model.
"""


class Urls(NamedTuple):
    """Where the relays listen: the model's API, and the proxy to the network."""

    api: str
    egress: str


async def work(options: Options, link: Link, orders: Orders, welcome: Welcome) -> None:
    """Until cancelled; Claude is gone when this returns."""
    with tempfile.TemporaryDirectory(prefix="hyperhive-", ignore_cleanup_errors=True) as scratch:
        async with (
            Relay(options.socket) as api,
            Relay(options.socket, max_connections=EGRESS_CONNECTIONS) as egress,
        ):
            urls = Urls(api.url, egress.url)
            clones = _clones(options, welcome)
            caller = _caller(LinkCaller(link, orders), clones)
            agent = _agent(options, caller, orders, welcome, urls, Path(scratch))
            turns = TurnLoop(link, orders, agent, options, clones and clones.keep_in_step)
            places = (options.state, options.home, options.workspace)
            try:
                with told_to_shells(options.state, proxy_environment(urls.egress)):
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(SelfChecker(link, orders, agent, places).run())
                        tasks.create_task(turns.run())
            finally:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await agent.release()


def _agent(
    options: Options, caller: Caller, orders: Orders, welcome: Welcome, urls: Urls, scratch: Path
) -> Agent:
    server = functools.partial(_server, caller, welcome)
    session = SessionOptions(
        workspace=options.workspace,
        scratch=scratch,
        id_file=options.state / "session",
        environment=claude_environment(
            os.environ,
            home=options.home,
            scratch=scratch,
            api_url=urls.api,
            credential_kind=welcome.credential_kind,
        ),
        own_servers={SERVER_NAME: server},
    )
    places = Places(str(options.workspace), str(options.state / "notes.md"), str(options.clones))
    return Agent(welcome, session, places, lambda: orders.settings, urls.egress)


def _clones(options: Options, welcome: Welcome) -> Any:
    """What it keeps of configurations in the workspace; None for who may propose nothing."""
    if not may_propose(welcome.capabilities):
        return None
    module = import_late("hyperhive.harness.clones")
    return module.Clones(options.socket, options.clones, welcome.agent)


def _caller(caller: LinkCaller, clones: Any) -> Caller:
    if clones is None:
        return caller
    module = import_late("hyperhive.harness.proposals")
    proposing: Caller = module.ProposingCaller(caller, clones, PATIENCE)
    return proposing


def _server(caller: Caller, welcome: Welcome) -> object:
    module = import_late("hyperhive.harness.tools")
    return module.build_server(module.Tools(caller, welcome.capabilities))
