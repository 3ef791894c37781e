"""Composition root: opens the store, wires rules to adapters and surfaces, runs them to the end."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hyperhive.admin.app import make_app as make_admin
from hyperhive.admin.context import Context
from hyperhive.config import Config
from hyperhive.dashboard.security import make_login_code
from hyperhive.gateway.egress import EgressProxy
from hyperhive.gateway.limits import Limits
from hyperhive.gateway.model import ModelGateway
from hyperhive.gateway.sockets import Gateway
from hyperhive.hive import hive as rules
from hyperhive.hive.gauge import Gauge
from hyperhive.hive.hive import Hive
from hyperhive.hive.terminals import Terminals
from hyperhive.service import directories, listening
from hyperhive.service.clock import SystemClock
from hyperhive.service.credential import credential_of
from hyperhive.service.dashboard import open_dashboard
from hyperhive.service.doctor import Doctor, version_warnings
from hyperhive.service.free_space import FreeSpace
from hyperhive.service.policy import policy_of
from hyperhive.service.runtimes import OwnedRuntime, open_runtime
from hyperhive.service.workshop import open_workshop
from hyperhive.store.database import Database

log = logging.getLogger(__name__)


def serve(config: Config, *, unsafe_local: bool, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT; `announce` gets what the operator should see at start.

    SIGTERM leaves agents running, as a restart of the service must; SIGINT, which is a person
    at a keyboard, stops them.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # every agent may have 64 connections
    asyncio.run(_serve(config, unsafe_local, announce))


async def _serve(config: Config, unsafe_local: bool, announce: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[signal.Signals] = loop.create_future()

    def on_signal(number: signal.Signals) -> None:
        if not stop.done():
            stop.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    async with AsyncExitStack() as stack:
        built = await _build(stack, config, unsafe_local)
        tending = asyncio.create_task(
            built.hive.run(built.runtime, built.gateway, built.free_space)
        )
        stack.push_async_callback(_end, tending)
        stack.push_async_callback(built.context.terminals.close)
        stack.callback(built.hive.events.close)  # first of all: streams would wait to be cut off
        for line in await built.announcements():
            announce(line)
        listening.notify_ready()
        watchdog = asyncio.create_task(listening.keep_watchdog(), name="watchdog")
        stack.push_async_callback(_end, watchdog)
        ends: list[asyncio.Future[Any]] = [stop, tending]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if tending.done():
            await tending  # it never returns: this raises what ended it
        await _end(tending)
        if stop.result() == signal.SIGINT:
            await built.hive.expect_ends()
            await built.runtime.stop_all()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


class _Built:
    """The parts that live as long as the service."""

    def __init__(
        self,
        hive: Hive,
        runtime: OwnedRuntime,
        gateway: Gateway,
        context: Context,
        free_space: FreeSpace,
    ) -> None:
        self.hive = hive
        self.runtime = runtime
        self.gateway = gateway
        self.context = context
        self.free_space = free_space

    async def announcements(self) -> list[str]:
        """What the operator should see at start; the last line says that all is up."""
        link = f"{self.context.dashboard_url}/login#{await self.context.login_code()}"
        warnings = [f"warning: {warning}" for warning in self.context.warnings]
        return [f"runtime: {self.runtime.kind}", *warnings, f"dashboard: {link}", "ready"]


async def _build(stack: AsyncExitStack, config: Config, unsafe_local: bool) -> _Built:
    """Everything in the order of need; the stack takes it down in reverse."""
    warnings = version_warnings(config.strict_versions)
    credential = credential_of(config, unsafe_local)
    policy = policy_of(config)
    database = await _open_database(stack, config)
    runtime, units = await open_runtime(stack, config)
    clock, workshop = SystemClock(), None
    if config.nix is not None and units is not None:
        workshop = await open_workshop(config.nix, Path(config.state_dir), clock, units)
    hive = rules.build(database, clock, policy, credential.kind, workshop)
    await hive.recover()
    model = await stack.enter_async_context(
        ModelGateway(hive, config.upstream, credential.kind, credential.value)
    )
    limits = Limits(
        requests_per_second=config.gateway.requests_per_second,
        burst=config.gateway.burst,
        connections=config.gateway.connections,
    )
    gateway = await stack.enter_async_context(
        Gateway(
            hive,
            Path(config.run_dir) / "agents",
            runtime.peer_allowed,
            runtime.logs,
            model,
            EgressProxy(hive.egress),
            limits,
        )
    )
    warnings = (*runtime.warnings, *warnings)
    gauge = Gauge(runtime.usage)
    terminals = Terminals(hive.store, hive.clock, runtime.open_terminal)
    url = await open_dashboard(stack, config, hive, runtime, gateway, gauge, terminals, warnings)
    context = Context(
        hive=hive,
        runtime_kind=runtime.kind,
        warnings=warnings,
        dashboard_url=url,
        logs=runtime.logs,
        gauge=gauge,
        terminals=terminals,
        push=gateway.push,
        login_code=lambda: make_login_code(hive),
        doctor=Doctor(config, runtime, hive).check,
    )
    admin = Path(config.run_dir) / "admin.sock"
    await stack.enter_async_context(listening.on_socket(make_admin(context), admin))
    kept = [Path(config.state_dir), Path(config.agents_dir)]
    if config.nix is not None:
        kept.append(Path("/nix/store"))
    free_space = FreeSpace(kept)
    return _Built(hive, runtime, gateway, context, free_space)


async def _open_database(stack: AsyncExitStack, config: Config) -> Database:
    state, run = Path(config.state_dir), Path(config.run_dir)
    stack.enter_context(directories.held(state, directories.PRIVATE, "stateDir"))
    stack.enter_context(directories.held(run, directories.PASSABLE, "runDir"))
    database = await Database.open(Path(config.state_dir) / "hive.db")
    stack.push_async_callback(database.close)
    return database
