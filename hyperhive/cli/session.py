"""How every verb reaches the service and shows what it answers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from hyperhive.admin.client import AdminClient
from hyperhive.cli.render import json_text
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.model import MAX_BODY

T = TypeVar("T")

DEFAULT_SOCKET = "/run/hyperhive/service/admin.sock"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@dataclass(frozen=True, slots=True)
class Session:
    """The socket that this command talks to."""

    socket: str

    def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """One call to the service; arguments that are None are left out."""
        given = {name: value for name, value in arguments.items() if value is not None}

        async def one(client: AdminClient) -> dict[str, Any]:
            return await client.call(verb, **given)

        return self.run(one)

    def run(self, work: Callable[[AdminClient], Coroutine[Any, Any, T]]) -> T:
        """Several calls over one connection."""

        async def connected() -> T:
            async with AdminClient(Path(self.socket)) as client:
                return await work(client)

        return asyncio.run(connected())


def show(answer: Any, as_json: bool, text: Callable[[], str]) -> None:
    """The answer as JSON, or as text for people."""
    click.echo(json_text(answer, indent=2) if as_json else text())


def text_argument(value: str) -> str:
    """The argument itself, or for `-` standard input without its last line end.

    Raises InvalidField.
    """
    if value != "-":
        return value
    data = sys.stdin.buffer.read(MAX_BODY + 2)
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise InvalidField("stdin", f"is not UTF-8 at byte {error.start}") from None
