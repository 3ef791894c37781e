"""`hyperhive-harness`: the program that runs an agent, and its tools for any other MCP client.

Exit status of `run`
  0  ended by SIGTERM or SIGINT; a turn under way is left to be delivered again
  1  a fault of the harness itself, with a traceback
  2  wrong usage
  3  a newer harness of the same agent took over
  4  the hive is gone: the directory of its socket has been missing for a minute
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from hyperhive import __version__
from hyperhive.harness.imports import import_late, leave
from hyperhive.harness.options import Options
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.wire import dumps

F = TypeVar("F", bound=Callable[..., Any])

_defaults = Options()

_socket = click.option(
    "--socket",
    envvar="HYPERHIVE_SOCKET",
    type=click.Path(path_type=Path),
    default=_defaults.socket,
    show_default=True,
    help="The host's socket.",
)


def _directory(name: str, help: str) -> Callable[[F], F]:
    return click.option(
        f"--{name}",
        envvar=f"HYPERHIVE_{name.upper()}",
        type=click.Path(path_type=Path),
        default=getattr(_defaults, name),
        show_default=True,
        help=help,
    )


def _seconds(name: str, help: str) -> Callable[[F], F]:
    return click.option(
        f"--{name}",
        type=click.FloatRange(min=0, min_open=True),
        default=getattr(_defaults, name.replace("-", "_")),
        show_default=True,
        metavar="SECONDS",
        help=help,
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hyperhive-harness")
def main() -> None:
    """Runs in an agent's container, between Claude Code and the host."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )


@main.command()
@_socket
@_directory("state", "Notes, and which conversation to resume.")
@_directory("home", "Claude Code's home.")
@_directory("workspace", "Where the agent works.")
@_seconds("idle-release", "Idle time after which Claude's process is ended.")
@_seconds("turn-silence", "Time without output after which a turn has failed.")
@_seconds("turn-limit", "Longest time a turn may take.")
def run(**options: Any) -> None:
    """Run the agent until SIGTERM."""
    # Late: what it imports takes most of that time.
    harness = import_late("hyperhive.harness.run")
    leave(harness.run(Options(**options)))


@main.command()
@_socket
@_directory("workspace", "Where the agent works.")
def mcp(socket: Path, workspace: Path) -> None:
    """Serve the agent's tools over stdio, for any MCP client."""
    stdio = importlib.import_module("hyperhive.harness.stdio")
    options = Options(socket=socket, workspace=workspace)
    with _told_in_one_line():
        asyncio.run(stdio.serve(options.socket, options.clones))


@main.group(hidden=True)
def debug() -> None:
    """Speak to the host by hand."""


@debug.command("send")
@_socket
@click.argument("to")
@click.argument("body")
def debug_send(socket: Path, to: str, body: str) -> None:
    """Send BODY to TO."""
    _call(socket, "send", {"to": to, "body": body})


@debug.command("recv")
@_socket
@click.option("--wait", default=0.0, help="Seconds to wait for a message.")
@click.option("--max", "limit", default=1, help="At most this many messages.")
def debug_recv(socket: Path, wait: float, limit: int) -> None:
    """Take waiting messages; they come again when their lease ends, as nobody handles them."""
    _call(socket, "recv", {"wait_seconds": wait, "max": limit})


def _call(socket: Path, verb: str, args: dict[str, Any]) -> None:
    post = importlib.import_module("hyperhive.harness.post")
    with _told_in_one_line():
        click.echo(dumps(asyncio.run(post.call_once(socket, verb, args))))


@contextlib.contextmanager
def _told_in_one_line() -> Iterator[None]:
    try:
        yield
    except HiveError as error:
        raise click.ClickException(error.message) from None
