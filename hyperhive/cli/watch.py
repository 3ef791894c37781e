"""Verbs that look at the event log and the audit log."""

from __future__ import annotations

import json

import click

from hyperhive.admin.client import AdminClient
from hyperhive.cli.render import json_text, one_line, table
from hyperhive.cli.session import Session, json_option, show


@click.command()
@click.option("--after", type=click.IntRange(0), help="Begin behind this event; default: now.")
@json_option
@click.pass_obj
def events(session: Session, after: int | None, as_json: bool) -> None:
    """Follow what happens, until interrupted."""

    async def follow(client: AdminClient) -> None:
        async for event in client.events(after):
            if event.get("reset"):
                raise click.ClickException("that event is no longer in the log; leave out --after")
            if as_json:
                click.echo(json_text(event))
            else:
                data = one_line(json.dumps(event["data"], ensure_ascii=False))
                head = f"{event['seq']:>7}  {event['at']}  {event['kind']:<16}"
                click.echo(f"{head}  {event['agent'] or '-':<20}  {data[:300]}")

    session.run(follow)


@click.command()
@click.option("-n", "--limit", default=50, show_default=True, type=click.IntRange(1, 1_000))
@json_option
@click.pass_obj
def audit(session: Session, limit: int, as_json: bool) -> None:
    """Who decided what, newest first."""
    rows = session.call("audit", limit=limit)["entries"]
    head = ("at", "actor", "action", "subject", "detail")
    lines = [[entry[name] for name in head] for entry in rows]
    show(rows, as_json, lambda: table(head, lines, "no decisions yet"))


@click.command("login-link")
@json_option
@click.pass_obj
def login_link(session: Session, as_json: bool) -> None:
    """A link that logs a browser in, once, within ten minutes."""
    answer = session.call("login_code")
    show(answer, as_json, lambda: str(answer["url"]))


COMMANDS = (events, audit, login_link)
