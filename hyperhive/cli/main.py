"""The `hyperhive` command: its verbs, and how an error becomes an exit code.

0  done
1  refused: the service, or a file it was given, says why
2  wrong usage
3  no service answers
130  interrupted
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import click

from hyperhive.admin.client import NoService
from hyperhive.cli import (
    agents,
    debug,
    demo,
    deploys,
    diff,
    mail,
    requests,
    serve,
    shell,
    watch,
)
from hyperhive.cli.render import one_line
from hyperhive.cli.session import DEFAULT_SOCKET, Session
from hyperhive.protocol.errors import HiveError

REFUSED, NO_SERVICE, INTERRUPTED = 1, 3, 130


@contextlib.contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Who reads our output may have enough of it, as in `| head`: that is no error."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes again
        raise click.exceptions.Exit(0) from None


class _Verbs(click.Group):
    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _reader_may_leave():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_leave():
            return super().invoke(ctx)


@click.group(
    cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--socket",
    type=click.Path(readable=False),  # the client says what is in the way
    default=DEFAULT_SOCKET,
    envvar="HYPERHIVE_ADMIN_SOCKET",
    show_default=True,
    show_envvar=True,
    help="The service's admin socket.",
)
@click.version_option(package_name="hyperhive")
@click.pass_context
def cli(context: click.Context, socket: str) -> None:
    """Run a swarm of Claude Code agents, and decide what they ask you to decide."""
    context.obj = Session(socket)


for command in (
    *agents.COMMANDS,
    *deploys.COMMANDS,
    *mail.COMMANDS,
    *requests.COMMANDS,
    *watch.COMMANDS,
    *serve.COMMANDS,
    diff.diff,
    shell.shell,
    demo.demo,
    debug.debug,
):
    cli.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may know fewer characters
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(prog_name="hyperhive", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except HiveError as error:
        click.echo(f"hyperhive: {one_line(error.message)}", err=True)
        sys.exit(NO_SERVICE if isinstance(error, NoService) else REFUSED)
    sys.exit(code if isinstance(code, int) else 0)
