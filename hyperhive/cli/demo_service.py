"""The service of a demo: its configuration, and its process from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from hyperhive.cli.demo_trouble import service_log

START_SECONDS = 60.0
STOP_SECONDS = 30.0

_WORKER_COMMANDS = [
    "cat *",
    "echo *",
    "expr *",
    "head *",
    "ls *",
    "mkdir *",
    "printf *",
    "sort *",
    "tail *",
    "tee *",
    "uname -a",
    "wc *",
]
_MODELS = {
    "haiku": {
        "id": "claude-haiku-5-5",
        "prices": {"input": 1.0, "output": 5.0, "cacheRead": 0.1, "cacheWrite": 1.25},
    },
    "sonnet": {
        "id": "claude-sonnet-5-5",
        "prices": {"input": 3.0, "output": 15.0, "cacheRead": 0.3, "cacheWrite": 3.75},
    },
}


def write_secret(path: Path, value: str) -> None:
    """A file that only its owner can read, from its first moment on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(value)


def write_config(home: Path, upstream: str, port: int) -> None:
    config: dict[str, Any] = {
        "stateDir": str(home / "service"),
        "runDir": str(home / "run"),
        "agentsDir": str(home / "agents"),
        "models": _MODELS,
        "defaultModel": "sonnet",
        "helperModel": "haiku",
        "credentialFile": str(home / "credential"),
        "upstream": upstream,
        "dashboard": {"port": port},
        "runtime": {"crashLimit": 3},
        "manager": {
            "description": "Coordinates the swarm.",
            "settings": {"allowedBash": ["cat *", "echo *", "ls *"]},
        },
        "agentDefaults": {
            "settings": {"allowedBash": _WORKER_COMMANDS, "model": "haiku"},
            "budget": {"usdPerDay": 5.0},
        },
    }
    (home / "config.yaml").write_text(json.dumps(config))  # JSON is YAML


@contextlib.asynccontextmanager
async def running_service(
    home: Path, unsafe_local: bool
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service as a child, ready when this is entered, and gone with its agents after it."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("ANTHROPIC_", "CLAUDE"))
    }
    with (home / "service.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hyperhive.cli", "serve", f"--config={home / 'config.yaml'}"),
            *(["--unsafe-local"] if unsafe_local else []),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the demo, which then ends the service
        )
        try:
            await _wait_until_ready(process, home)
            yield process
        finally:
            await _end(process)


async def _wait_until_ready(process: asyncio.subprocess.Process, home: Path) -> None:
    """Pass on what the service announces. Raises ClickException when it does not come up."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            while line := (await process.stdout.readline()).decode().rstrip():
                if line == "ready":
                    return
                click.echo(line)
    except TimeoutError:
        pass
    log = "\n".join(service_log(home))
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
