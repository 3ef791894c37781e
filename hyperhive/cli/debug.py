"""Hidden verbs for finding faults: they act in an agent's place."""

from __future__ import annotations

import uuid
from typing import Any

import click

from hyperhive.cli.render import json_text
from hyperhive.cli.session import Session, text_argument


@click.group(hidden=True)
def debug() -> None:
    """Act in an agent's place. For finding faults; prints JSON."""


def _print(answer: dict[str, Any]) -> None:
    click.echo(json_text(answer, indent=2))


@debug.command()
@click.argument("sender")
@click.argument("to")
@click.argument("body")
@click.option("--key")
@click.pass_obj
def send(session: Session, sender: str, to: str, body: str, key: str | None) -> None:
    """Send a message as an agent."""
    text = text_argument(body)
    _print(session.call("debug_send", sender=sender, to=to, body=text, key=key or uuid.uuid4().hex))


@debug.command()
@click.argument("name")
@click.option("--instance")
@click.option("--max", "most", default=1)
@click.option("--wait", default=0.0)
@click.pass_obj
def recv(session: Session, name: str, instance: str | None, most: int, wait: float) -> None:
    """Lease an agent's mail."""
    _print(session.call("debug_recv", name=name, instance=instance, max=most, wait_seconds=wait))


@debug.command()
@click.argument("name")
@click.argument("deliveries", nargs=-1, type=int, required=True)
@click.option("--instance")
@click.pass_obj
def ack(session: Session, name: str, deliveries: tuple[int, ...], instance: str | None) -> None:
    """Settle deliveries that `recv` leased."""
    _print(session.call("debug_ack", name=name, deliveries=list(deliveries), instance=instance))


@debug.command()
@click.pass_obj
def leases(session: Session) -> None:
    """Every leased delivery and its holder."""
    _print(session.call("debug_leases"))


@debug.command()
@click.argument("name")
@click.pass_obj
def wake(session: Session, name: str) -> None:
    """Tell an agent's harness to look for mail."""
    _print(session.call("debug_wake", name=name))
