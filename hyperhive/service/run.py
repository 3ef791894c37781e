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
from hyperhive.dashboard.app import make_app as make_dashboard
from hyperhive.dashboard.options import DashboardOptions
from hyperhive.dashboard.security import make_login_code
from hyperhive.gateway.limits import Limits
from hyperhive.gateway.model import ModelGateway
from hyperhive.gateway.sockets import Gateway
from hyperhive.hive import hive as rules
from hyperhive.hive.hive import Hive
from hyperhive.local.runtime import LocalRuntime
from hyperhive.protocol.errors import InvalidField
from hyperhive.service import listening
from hyperhive.service.clock import SystemClock
from hyperhive.service.credential import Credential, read_credential, read_token
from hyperhive.service.doctor import Doctor, version_warnings
from hyperhive.service.harness import harness_command, harness_files
from hyperhive.service.policy import policy_of
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
        tending = asyncio.create_task(built.hive.run(built.runtime, built.gateway))
        stack.push_async_callback(_end, tending)
        for line in await built.announcements():
            announce(line)
        listening.notify_ready()
        ends: list[asyncio.Future[Any]] = [stop, tending]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if tending.done():
            await tending  # it never returns: this raises what ended it
        await _end(tending)
        if stop.result() == signal.SIGINT:
            await built.runtime.stop_all()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


class _Built:
    """The parts that live as long as the service."""

    def __init__(
        self, hive: Hive, runtime: LocalRuntime, gateway: Gateway, context: Context
    ) -> None:
        self.hive = hive
        self.runtime = runtime
        self.gateway = gateway
        self.context = context

    async def announcements(self) -> list[str]:
        """What the operator should see at start; the last line says that all is up."""
        link = f"{self.context.dashboard_url}/login#{await self.context.login_code()}"
        warnings = [f"warning: {warning}" for warning in self.context.warnings]
        return [f"runtime: {self.runtime.kind}", *warnings, f"dashboard: {link}", "ready"]


async def _build(stack: AsyncExitStack, config: Config, unsafe_local: bool) -> _Built:
    """Everything in the order of need; the stack takes it down in reverse."""
    warnings = version_warnings(config.strict_versions)
    credential = _credential(config, unsafe_local)
    hive = await _open_hive(stack, config, credential)
    agents_dir, sockets_dir = Path(config.agents_dir), Path(config.run_dir) / "agents"
    command = harness_command(config.runtime)
    runtime = LocalRuntime(command, agents_dir, sockets_dir, harness_files())
    stack.push_async_callback(runtime.close)
    await runtime.adopt()
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
        Gateway(hive, sockets_dir, runtime.peer_allowed, runtime.logs, model, limits)
    )
    warnings = (*runtime.warnings, *warnings)
    url = await _open_dashboard(stack, config, hive, runtime, gateway, warnings)
    context = Context(
        hive=hive,
        runtime_kind=runtime.kind,
        warnings=warnings,
        dashboard_url=url,
        logs=runtime.logs,
        push=gateway.push,
        login_code=lambda: make_login_code(hive),
        doctor=Doctor(config, runtime).check,
    )
    admin = Path(config.run_dir) / "admin.sock"
    await stack.enter_async_context(listening.on_socket(make_admin(context), admin))
    return _Built(hive, runtime, gateway, context)


def _credential(config: Config, unsafe_local: bool) -> Credential:
    if config.credential_file is None:
        raise InvalidField("credentialFile", "is missing: a file with an API key or OAuth token")
    if config.upstream.startswith("https://") and not unsafe_local:
        raise InvalidField(
            "runtime.kind",
            "`local` has no containers: with a real credential agents come near your files and "
            "your key; use --unsafe-local if you accept that",
        )
    return read_credential(Path(config.credential_file))


async def _open_hive(stack: AsyncExitStack, config: Config, credential: Credential) -> Hive:
    listening.make_directory(Path(config.state_dir), 0o700)
    listening.make_directory(Path(config.run_dir), 0o711)
    listening.make_directory(Path(config.run_dir) / "agents", 0o711)
    database = await Database.open(Path(config.state_dir) / "hive.db")
    stack.push_async_callback(database.close)
    hive = rules.build(database, SystemClock(), policy_of(config), credential.kind)
    stack.callback(hive.events.close)
    return hive


async def _open_dashboard(
    stack: AsyncExitStack,
    config: Config,
    hive: Hive,
    runtime: LocalRuntime,
    gateway: Gateway,
    warnings: tuple[str, ...],
) -> str:
    """Listen first: the guards need to know the port. Returns the dashboard's address."""
    listener = listening.bind(config.dashboard.host, config.dashboard.port)
    stack.callback(listener.close)
    options = DashboardOptions(
        host=config.dashboard.host,
        port=listener.getsockname()[1],
        allowed_hosts=config.dashboard.allowed_hosts,
        token=read_token(config.dashboard.token_file),
        warnings=warnings,
        runtime_kind=runtime.kind,
        push=gateway.push,
    )
    app = make_dashboard(hive, options)
    await stack.enter_async_context(listening.on_listener(app, listener))
    return f"http://127.0.0.1:{options.port}"
