"""The runtime that the configuration names."""

from __future__ import annotations

import importlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

from hyperhive.config import Config
from hyperhive.flakes.nix import UnitRunner
from hyperhive.hive.ports import Runtime
from hyperhive.local.runtime import LocalRuntime
from hyperhive.protocol.errors import InvalidField
from hyperhive.service import directories
from hyperhive.service.harness import harness_command, harness_files


class OwnedRuntime(Runtime, Protocol):
    """A runtime as the service has it, from its start to its end."""

    async def adopt(self) -> None:
        """Take over what an earlier service left running."""

    async def stop_all(self) -> None:
        """End every agent, for a hive that ends for good."""

    async def close(self) -> None:
        """Stop watching; the agents go on."""


class ContainerRuntime(OwnedRuntime, Protocol):
    """One that drives systemd, which has units for other work too."""

    @property
    def units(self) -> UnitRunner: ...


async def open_runtime(
    stack: AsyncExitStack, config: Config
) -> tuple[OwnedRuntime, UnitRunner | None]:
    """It has adopted what runs; the stack closes it. With it what runs units, if anything does."""
    runtime: OwnedRuntime
    units: UnitRunner | None = None
    if config.runtime.kind == "local":
        runtime = _local(stack, config)
    else:
        runtime = containers = await _nspawn(config)
        units = containers.units
    stack.push_async_callback(runtime.close)
    await runtime.adopt()
    return runtime, units


def _local(stack: AsyncExitStack, config: Config) -> OwnedRuntime:
    agents = Path(config.agents_dir)
    stack.enter_context(directories.held(agents, directories.PASSABLE, "agentsDir"))
    command = harness_command(config.runtime)
    return LocalRuntime(command, agents, Path(config.run_dir) / "agents", harness_files())


async def _nspawn(config: Config) -> ContainerRuntime:
    default = config.runtime.default_bundle
    try:
        # Late: a trial without containers needs neither pydbus nor GLib.
        module = importlib.import_module("hyperhive.nspawn.runtime")
    except ImportError as error:
        raise InvalidField(
            "runtime.kind", f"`nspawn` needs pydbus and PyGObject, which are not there: {error}"
        ) from None
    opened: ContainerRuntime = await module.open_runtime(
        state_dir=Path(config.state_dir), default_bundle=Path(default) if default else None
    )
    return opened
