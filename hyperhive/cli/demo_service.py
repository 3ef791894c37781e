"""The service of a demo as a child process, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import click

from hyperhive.cli.demo_config import write_config, write_secret

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class LocalService:
    """All that it has is in `home`."""

    def __init__(self, home: Path, unsafe_local: bool) -> None:
        self._home = home
        self._unsafe_local = unsafe_local
        self._process: asyncio.subprocess.Process | None = None
        self.admin = home / "run" / "admin.sock"

    def configure(self, credential: str, upstream: str, port: int) -> None:
        write_secret(self._home / "credential", credential)
        places = {
            "stateDir": str(self._home / "service"),
            "runDir": str(self._home / "run"),
            "agentsDir": str(self._home / "agents"),
            "credentialFile": str(self._home / "credential"),
            "runtime": {"crashLimit": 3},
        }
        write_config(self._home / "config.yaml", places, upstream, port)

    @contextlib.asynccontextmanager
    async def running(self, ending: asyncio.Event) -> AsyncIterator[None]:
        """Ready when this is entered, and gone with its agents after it; `ending` is set then."""
        config = self._home / "config.yaml"
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("ANTHROPIC_", "CLAUDE"))
        }
        with (self._home / "service.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "hyperhive.cli"),
                *("serve", f"--config={config}"),
                *(["--unsafe-local"] if self._unsafe_local else []),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends the service
            )
            try:
                await self._wait_until_ready(self._process)
                yield
            finally:
                ending.set()
                await _end(self._process)

    async def wait(self) -> None:
        """Until it ends."""
        assert self._process is not None
        await self._process.wait()

    async def log(self) -> list[str]:
        return (self._home / "service.log").read_text(errors="replace").splitlines()

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what it announces. Raises ClickException when it does not come up."""
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                while line := (await process.stdout.readline()).decode().rstrip():
                    if line == "ready":
                        return
                    click.echo(line)
        except TimeoutError:
            pass
        log = "\n".join(await self.log())
        raise click.ClickException(f"the service did not come up:\n{log}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGINT has the service stop its agents as well; a service that hangs is killed."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
