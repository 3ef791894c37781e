"""Verbs that look at the event log and the audit log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import click

from hyperhive.admin.client import AdminClient
from hyperhive.cli.render import json_text, one_line, safe, table
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


FOLLOW_SECONDS = 1.0
FOLLOW_LINES = 1_000


@click.command()
@click.argument("name")
@click.option("-n", "--lines", default=100, show_default=True, type=click.IntRange(1, 1_000))
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until interrupted.")
@json_option
@click.pass_obj
def logs(session: Session, name: str, lines: int, follow: bool, as_json: bool) -> None:
    """The last lines of an agent's log."""
    if follow:
        session.run(lambda client: _follow(client, name, lines, as_json))
        return
    answer = session.call("logs", name=name, lines=lines)
    show(answer["lines"], as_json, lambda: "\n".join(safe(line) for line in answer["lines"]))


async def _follow(client: AdminClient, name: str, lines: int, as_json: bool) -> None:
    answer = await client.call("logs", name=name, lines=FOLLOW_LINES)
    seen: list[str] = answer["lines"]
    fresh = seen[-lines:]
    while True:
        for line in fresh:
            click.echo(json_text(line) if as_json else safe(line))
        await asyncio.sleep(FOLLOW_SECONDS)
        now = (await client.call("logs", name=name, lines=FOLLOW_LINES))["lines"]
        seen, fresh = now, fresh_lines(seen, now)


def fresh_lines(before: Sequence[str], now: list[str]) -> list[str]:
    """What came after `before`, where both are the end of one growing log.

    The longest overlap counts: lines that are all alike are taken to be the same ones.
    """
    for overlap in range(min(len(before), len(now)), 0, -1):
        if list(before[-overlap:]) == now[:overlap]:
            return now[overlap:]
    return now


COMMANDS = (events, logs, audit, login_link)
