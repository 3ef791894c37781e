"""The service of a demo as a unit of a host that is there for the demo alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from hyperhive.cli.demo_config import write_config, write_secret

CONFIGURATION = Path("/etc/hyperhive")
FLAKE = Path("/opt/hyperhive/flake")
BUNDLE = "/opt/hyperhive/bundles/default"
UNIT = "hyperhive.service"
COMMAND_SECONDS = 90.0
STAYS_DOWN_SECONDS = 5.0
"""For how long it is stopped or failed when it is not just being restarted."""
COMES_UP_SECONDS = 100.0
"""More than it has to stop and to start: the unit's TimeoutStopSec and TimeoutStartSec."""
_LOOK_SECONDS = 0.5
_LOG_LINES = 60


class UnitService:
    """Its places are those of every installed hyperhive (packaging/tmpfiles)."""

    admin = Path("/run/hyperhive/service/admin.sock")

    def __init__(self, kept: bool) -> None:
        """Kept, it is the host's own: others may stop and start it, and it stays at the end."""
        self._kept = kept

    def configure(self, credential: str, upstream: str, port: int) -> None:
        """Raises ClickException where a hyperhive is configured already."""
        if not os.access(CONFIGURATION, os.W_OK):
            raise click.ClickException(
                "--runtime=nspawn needs root, on a host as `./hive host` makes; "
                "`./hive demo` as root makes one for itself"
            )
        config = CONFIGURATION / "config.yaml"
        if config.exists():
            raise click.ClickException(f"{config} is there: a demo would replace that hyperhive")
        write_secret(CONFIGURATION / "credential", credential)
        runtime: dict[str, Any] = {"kind": "nspawn", "crashLimit": 3}
        places: dict[str, Any] = {
            "stateDir": "/var/lib/hyperhive/service",
            "runDir": "/run/hyperhive/service",
            "agentsDir": "/var/lib/hyperhive/agents",
            "credentialFile": f"/run/credentials/{UNIT}/credential",
            "runtime": runtime,
        }
        if FLAKE.exists():  # where Nix is there, agents are built
            places["nix"] = {"flake": str(FLAKE)}
        else:
            runtime["defaultBundle"] = BUNDLE
        write_config(config, places, upstream, port)

    @contextlib.asynccontextmanager
    async def running(self, ending: asyncio.Event) -> AsyncIterator[None]:
        """Ready when this is entered; after it, unless kept, it and all agents are stopped."""
        try:
            if (await _run("systemctl", "start", UNIT))[0]:
                log = "\n".join(await self._journal())
                raise click.ClickException(f"the service did not come up:\n{log}")
            for line in await self._announced():
                click.echo(line)
            yield
        finally:
            ending.set()
            if not self._kept:
                await _run("systemctl", "stop", UNIT)
                await _run("systemctl", "stop", "hyperhive-agent@*.service")

    async def wait(self) -> None:
        """Until it has ended for good: it may be restarted, and comes up by itself after a crash.

        Kept, for ever.
        """
        if self._kept:
            await asyncio.Event().wait()
        clock = asyncio.get_running_loop().time
        up = moved = clock()
        while clock() < min(moved + STAYS_DOWN_SECONDS, up + COMES_UP_SECONDS):
            await asyncio.sleep(_LOOK_SECONDS)
            state = (await _run("systemctl", "is-active", UNIT))[1].strip()
            if state in ("active", "reloading"):
                up = clock()
            if state not in ("inactive", "failed"):
                moved = clock()

    async def log(self) -> list[str]:
        return await self._journal()

    async def _announced(self) -> list[str]:
        """What it told on its standard output until it was ready."""
        lines = await self._journal("_TRANSPORT=stdout")
        return [line for line in lines if line.startswith(("runtime:", "dashboard:", "warning:"))]

    async def _journal(self, *matches: str) -> list[str]:
        argv = ["journalctl", f"--unit={UNIT}", "--output=cat", "--no-pager", f"-n{_LOG_LINES}"]
        await _run("journalctl", "--sync")
        _, output = await _run(*argv, *matches)
        return output.splitlines()


async def _run(*argv: str) -> tuple[int, str]:
    """Exit status and output. Raises ClickException when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise click.ClickException(f"{' '.join(argv)} takes too long") from None
    return process.returncode or 0, output.decode(errors="replace")
