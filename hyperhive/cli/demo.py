"""`hyperhive demo`: a whole swarm on this machine, thrown away at its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import click

from hyperhive.admin.client import AdminClient
from hyperhive.cli.demo_play import AdminOperator, play
from hyperhive.cli.demo_service import LocalService
from hyperhive.cli.demo_trouble import shown
from hyperhive.cli.demo_unit import UnitService
from hyperhive.cli.telling import Teller
from hyperhive.demo import model, scenario
from hyperhive.protocol.errors import InvalidField

CREDENTIALS = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")
UPSTREAM = "https://api.anthropic.com"
SEEN_AT = os.environ.get("HYPERHIVE_SEEN_AT", "")
"""Where the root directory of this host is found from the machine it runs on, if it is nested."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.option("--once", is_flag=True, help="Play without a person, print a transcript and end.")
@click.option("--scripted", is_flag=True, help="The scripted model, even with a credential.")
@click.option("--unsafe-local", is_flag=True, help="Use a real credential without containers.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Of the dashboard; 0: any.")
@click.option(
    "--scenario",
    "path",
    type=click.Path(path_type=Path, readable=False),
    default=scenario.SCENARIOS / "swarm.yaml",
    help="Another play for the scripted model.",
)
@click.option(
    "--runtime",
    type=click.Choice(["local", "nspawn"]),
    default="local",
    help="Plain processes, or containers on a host that is there for the demo alone.",
)
@click.option("--keep", is_flag=True, hidden=True, help="The service is the host's, not ours.")
@click.pass_context
def demo(
    context: click.Context,
    once: bool,
    scripted: bool,
    unsafe_local: bool,
    port: int,
    path: Path,
    runtime: str,
    keep: bool,
) -> None:
    """Run a swarm for a look at it: real but for the model, which follows a script.

    With ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN set it uses the real model, in containers or
    with --unsafe-local.
    """
    try:
        script = scenario.load(path)
    except InvalidField as error:
        raise InvalidField(f"{path}: {error.field}", error.problem) from None
    if once and script.operator is None:
        raise InvalidField(f"{path}: operator", "is missing: --once plays the operator's part")
    context.exit(
        asyncio.run(_Demo(script, once, scripted, unsafe_local, port, runtime, keep).run())
    )


@dataclass(frozen=True, slots=True)
class _Demo:
    script: scenario.Scenario
    once: bool
    scripted: bool
    unsafe_local: bool
    port: int
    runtime: str
    keep: bool

    async def run(self) -> int:
        """The exit code: 0 when the report reached the operator, or a person ended it."""
        main, loop, ending = asyncio.current_task(), asyncio.get_running_loop(), asyncio.Event()
        assert main is not None

        def end(number: signal.Signals) -> None:
            # A second Ctrl-C must not keep the service from being ended.
            if not ending.is_set():
                with contextlib.suppress(OSError):  # nobody may be reading any more
                    click.echo("stopping …", err=True)
                main.cancel(str(128 + number))

        for number in ENDINGS:
            loop.add_signal_handler(number, end, number)
        try:
            return await self._in_a_place_of_its_own(ending)
        except asyncio.CancelledError as cancelled:
            played = self.once or cancelled.args != (str(128 + signal.SIGINT),)
            return int(cancelled.args[0]) if played else 0

    async def _in_a_place_of_its_own(self, ending: asyncio.Event) -> int:
        home = Path(tempfile.mkdtemp(prefix="hyperhive-demo-"))
        home.chmod(0o711)  # agents pass through to their own directories
        try:
            nspawn = self.runtime == "nspawn"
            service = UnitService(self.keep) if nspawn else LocalService(home, self.unsafe_local)
            async with self._model() as (upstream, credential):
                service.configure(credential, upstream, self.port)
                return await self._with_service(service, ending)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def _model(self) -> AsyncIterator[tuple[str, str]]:
        """The upstream's address, and the credential for it."""
        given = (os.environ[name] for name in CREDENTIALS if os.environ.get(name))
        real = None if self.scripted else next(given, None)
        if real:
            click.echo("model: the real one, with your credential")
            yield UPSTREAM, real
            return
        click.echo(f"model: scripted ({self.script.title})")
        async with model.serve(self.script) as url:
            yield url, "scripted-model"

    async def _with_service(
        self, service: LocalService | UnitService, ending: asyncio.Event
    ) -> int:
        async with service.running(ending), AdminClient(service.admin) as client:
            program = Path(sys.prefix, "bin", "hyperhive")
            click.echo(f"command line: {program} --socket={SEEN_AT}{service.admin} VERB")
            if self.once and self.script.operator is not None:
                return await play(self.script.operator, client, service.log)
            await self._stay(client, service)
            log = shown(await service.log())
            raise click.ClickException("\n".join(["the service ended by itself; its log:", *log]))

    async def _stay(self, client: AdminClient, service: LocalService | UnitService) -> None:
        """Give the task, tell what happens; returns only when the service ends."""
        if self.script.operator is not None:
            task = self.script.operator.task
            await AdminOperator(client).send(task.to, task.body)
        click.echo(
            "Open the dashboard and answer the manager; after its report, write `help` to it to "
            "see what else the script knows. Ctrl-C ends the demo.\n"
        )
        telling = asyncio.create_task(Teller(client).run())
        try:
            await service.wait()
        finally:
            telling.cancel()
            await asyncio.wait([telling])
