"""Opens the dashboard, and says under which address."""

from __future__ import annotations

from contextlib import AsyncExitStack

from hyperhive.config import Config
from hyperhive.config.options import DashboardConfig
from hyperhive.config.values import EVERYWHERE, LOOPBACK
from hyperhive.dashboard.app import make_app
from hyperhive.dashboard.options import DashboardOptions
from hyperhive.gateway.sockets import Gateway
from hyperhive.hive.gauge import Gauge
from hyperhive.hive.hive import Hive
from hyperhive.hive.ports import Runtime
from hyperhive.hive.terminals import Terminals
from hyperhive.service import listening
from hyperhive.service.credential import read_token


async def open_dashboard(
    stack: AsyncExitStack,
    config: Config,
    hive: Hive,
    runtime: Runtime,
    gateway: Gateway,
    gauge: Gauge,
    terminals: Terminals,
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
        gauge=gauge,
        terminals=terminals,
        logs=runtime.logs,
    )
    app = make_app(hive, options)
    await stack.enter_async_context(listening.on_listener(app, listener))
    return dashboard_url(config.dashboard, options.port)


def dashboard_url(options: DashboardConfig, port: int) -> str:
    """How to call it from this machine, or, where it does not listen here, from others."""
    if options.host in (*LOOPBACK, *EVERYWHERE):
        host = "[::1]" if options.host == "::1" else "127.0.0.1"
        return f"http://{host}:{port}"
    address = options.allowed_hosts[0]
    return address if "://" in address else f"http://{address}"
