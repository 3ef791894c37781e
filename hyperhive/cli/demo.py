"""`hyperhive demo`: a whole swarm on this machine, thrown away at its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hyperhive.admin.client import AdminClient
from hyperhive.cli.demo_service import running_service, write_config, write_secret
from hyperhive.cli.telling import Teller
from hyperhive.demo import model, operator, scenario

CREDENTIALS = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")
UPSTREAM = "https://api.anthropic.com"


@click.command()
@click.option("--once", is_flag=True, help="Play without a person, print a transcript and end.")
@click.option("--unsafe-local", is_flag=True, help="Use a real credential without containers.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Of the dashboard; 0: any.")
@click.option(
    "--scenario",
    "path",
    type=click.Path(path_type=Path, readable=False),
    default=scenario.SCENARIOS / "swarm.yaml",
    help="Another play for the scripted model.",
)
@click.pass_context
def demo(context: click.Context, once: bool, unsafe_local: bool, port: int, path: Path) -> None:
    """Run a swarm for a look at it: real but for the model, which follows a script.

    With ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN set it uses the real model.
    """
    play = scenario.load(path)
    context.exit(asyncio.run(_Demo(play, once, unsafe_local, port).run()))


@dataclass(frozen=True, slots=True)
class _Demo:
    play: scenario.Scenario
    once: bool
    unsafe_local: bool
    port: int

    async def run(self) -> int:
        """The exit code: 0 when the report reached the operator, or a person ended it."""
        stop = asyncio.current_task()
        assert stop is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.cancel)
        home = Path(tempfile.mkdtemp(prefix="hyperhive-demo-"))
        home.chmod(0o711)  # agents pass through to their own directories
        try:
            async with self._model(home) as upstream:
                write_config(home, upstream, self.port)
                return await self._with_service(home)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def _model(self, home: Path) -> AsyncIterator[str]:
        """The upstream's address, with its credential in a file."""
        real = next((os.environ[name] for name in CREDENTIALS if os.environ.get(name)), None)
        write_secret(home / "credential", real or "scripted-model")
        if real:
            click.echo("model: the real one, with your credential")
            yield UPSTREAM
            return
        click.echo(f"model: scripted ({self.play.title})")
        async with model.serve(self.play) as url:
            yield url

    async def _with_service(self, home: Path) -> int:
        async with (
            running_service(home, self.unsafe_local) as service,
            AdminClient(home / "run" / "admin.sock") as client,
        ):
            return await (self._play(client) if self.once else self._stay(client, service))

    async def _play(self, client: AdminClient) -> int:
        """The operator's part by itself; the transcript as it happens."""
        if self.play.operator is None:
            raise click.ClickException("this scenario has no operator's part to play")
        teller = Teller(client)
        telling = asyncio.create_task(teller.run())
        outcome = await operator.play(self.play.operator, AdminOperator(client))
        await teller.reach(await _settled(client))
        telling.cancel()
        await asyncio.wait([telling])
        click.echo("\n".join(["", *teller.transcript.summary()]))
        if not outcome.success:
            click.echo(f"demo: {outcome.reason}", err=True)
        return 0 if outcome.success else 1

    async def _stay(self, client: AdminClient, service: asyncio.subprocess.Process) -> int:
        """Give the task, tell what happens, until the person has seen enough."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if self.play.operator is not None:
            task = self.play.operator.task
            await AdminOperator(client).send(task.to, task.body)
        click.echo("Open the dashboard and answer the manager. Ctrl-C ends the demo.\n")
        waits = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(service.wait()),
            asyncio.create_task(Teller(client).run()),
        ]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)
        if not stop.is_set():
            raise click.ClickException("the service ended by itself; see its messages above")
        click.echo("stopping …")
        return 0


async def _settled(client: AdminClient) -> int:
    """The last event's number once no agent is in a turn, or after a while."""
    for _ in range(50):
        status = await client.call("status")
        if not any(agent["turn"] for agent in status["agents"]):
            break
        await asyncio.sleep(0.1)
    return int(status["last_event"])


@dataclass(frozen=True, slots=True)
class AdminOperator:
    """The operator's part over `admin.sock`."""

    client: AdminClient

    async def send(self, to: str, body: str) -> object:
        return await self.client.call("send", to=to, body=body, key=uuid.uuid4().hex)

    async def questions(self) -> Sequence[Mapping[str, object]]:
        rows: list[dict[str, Any]] = (await self.client.call("questions"))["questions"]
        return [q for q in rows if q["target"] == "operator"]

    async def answer(self, question_id: int, text: str) -> object:
        return await self.client.call("answer", id=question_id, answer=text)

    async def approvals(self) -> Sequence[Mapping[str, object]]:
        rows: list[dict[str, Any]] = (await self.client.call("approvals"))["approvals"]
        return rows

    async def approve(self, approval_id: int) -> object:
        return await self.client.call("approve", id=approval_id)

    async def deny(self, approval_id: int, reason: str) -> object:
        return await self.client.call("deny", id=approval_id, reason=reason)

    async def inbox(self) -> Sequence[Mapping[str, object]]:
        rows: list[dict[str, Any]] = (await self.client.call("inbox"))["messages"]
        return rows

    def events(self, after: int) -> AsyncIterator[Mapping[str, object]]:
        return self.client.events(after)
