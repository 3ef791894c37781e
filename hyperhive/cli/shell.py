"""`hyperhive shell`: a terminal of an agent in the one that this runs in."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from hyperhive.admin.client import AdminClient
from hyperhive.admin.remote_terminal import RemoteTerminal
from hyperhive.cli.keyboard import Escape, raw, read, size
from hyperhive.cli.session import Session
from hyperhive.protocol.model import check_name

_END_OF_FILE = b"\x04"
"""What a terminal takes for the end of what is typed (termios(3), VEOF)."""
_GREETING_SECONDS = 3.0
"""For the shell's prompt: what is typed before it is thrown away by a shell that is starting."""
_AGAIN = 0.3
"""Seconds after which it is typed again."""


@click.command()
@click.argument("name")
@click.option(
    "--user",
    type=click.Choice(["agent", "root"]),
    default="agent",
    show_default=True,
    help="As whom; root only where agents are containers.",
)
@click.pass_obj
def shell(session: Session, name: str, user: str) -> None:
    """A shell beside an agent, as its user and in its workspace.

    `~.` at the beginning of a line closes it. Without a terminal here, standard input is typed and
    then ended.
    """
    check_name(name)
    session.run(lambda client: _attach(client, name, user))


async def _attach(client: AdminClient, name: str, user: str) -> None:
    async with client.terminal(name, user, *size()) as remote:
        greeted = asyncio.Event()
        with raw(sys.stdin.fileno()), _signals(remote):
            typing = asyncio.create_task(_type(remote, greeted))
            try:
                while data := await remote.read():
                    greeted.set()
                    await asyncio.to_thread(_write, data)
            finally:
                typing.cancel()
                await asyncio.wait([typing])


@contextmanager
def _signals(remote: RemoteTerminal) -> Iterator[None]:
    """A resized window is told; an order to end closes, so that the terminal here is mended."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def on(number: signal.Signals) -> None:
        work = remote.resize(*size()) if number == signal.SIGWINCH else remote.close()
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    handled = (signal.SIGWINCH, signal.SIGTERM, signal.SIGHUP)
    for number in handled:
        loop.add_signal_handler(number, on, number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


async def _type(remote: RemoteTerminal, greeted: asyncio.Event) -> None:
    """Until there is no more; that the terminal has ended is seen by who reads it."""
    fd = sys.stdin.fileno()
    escape = Escape() if os.isatty(fd) else None
    with suppress(TimeoutError):  # a shell without a prompt
        async with asyncio.timeout(_GREETING_SECONDS):
            await greeted.wait()
    with suppress(ConnectionError):
        last = b"\n"
        while data := await read(fd):
            last = data[-1:]
            wanted, closing = escape.take(data) if escape else (data, False)
            await remote.write(wanted)
            if closing:
                await remote.close()
                return
        # What is just starting up, or taking over the terminal, does not see what was typed before.
        if last != b"\n":
            await remote.write(b"\n")  # in the middle of a line it would mean something else
        while True:
            await remote.write(_END_OF_FILE)
            await asyncio.sleep(_AGAIN)


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(sys.stdout.fileno(), left) :]
