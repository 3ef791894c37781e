"""Verbs about what agents are built from: what was deployed, and the way forth and back."""

from __future__ import annotations

import time
from typing import Any

import click

from hyperhive.cli.numbers import number_of
from hyperhive.cli.render import one_line, safe, table
from hyperhive.cli.session import Session, json_option, show

_ID = click.argument("number", metavar="ID", type=number_of("a deploy"))
_CAME_TO_NOTHING = ("failed", "rolled_back", "cancelled", "denied", "superseded", "stale_base")
_OPEN = ("checking", "queued", "evaluating", "building", "starting")
_LOOK_SECONDS = 0.5


@click.command()
@click.argument("agent", required=False)
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@json_option
@click.pass_obj
def deploys(session: Session, agent: str | None, limit: int, as_json: bool) -> None:
    """What was deployed, or waits for its turn, newest first."""
    rows = session.call("deploys", agent=agent, limit=limit)["deploys"]
    head = ("id", "agent", "kind", "state", "commit", "by", "took", "error")
    show(rows, as_json, lambda: table(head, [_line(d) for d in rows], "no deploys"))


def _line(deploy: dict[str, Any]) -> tuple[Any, ...]:
    took = "-" if deploy["seconds"] is None else f"{deploy['seconds']:g} s"
    return (
        *(deploy["id"], deploy["agent"], deploy["kind"], deploy["state"]),
        *(deploy["commit"][:12], deploy["actor"], took, one_line(deploy["error"])),
    )


@click.command("deploy-log")
@_ID
@click.option("--follow", "-f", is_flag=True, help="Until the deploy is over.")
@click.pass_obj
def deploy_log(session: Session, number: int, follow: bool) -> None:
    """What Nix printed for a deploy."""
    offset = 0
    while True:
        answer = session.call("deploy_log", id=number, offset=offset)
        click.echo(safe(answer["log"]), nl=False)
        more, offset = answer["next"] > offset, answer["next"]
        going_on = answer["state"] in _OPEN
        if not more:
            if not (follow and going_on):
                break
            time.sleep(_LOOK_SECONDS)
    state, error = answer["state"].replace("_", " "), one_line(answer["error"])
    click.echo(f"{answer['of']} {number}: {state}{error and f': {error}'}", err=True)
    if follow and answer["state"] in _CAME_TO_NOTHING:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("name", required=False)
@click.option("--all", "everyone", is_flag=True, help="Every agent that is out of date.")
@json_option
@click.pass_obj
def update(session: Session, name: str | None, everyone: bool, as_json: bool) -> None:
    """Build an agent against the hyperhive and Nixpkgs of now, and run that."""
    if (name is None) != everyone:
        raise click.UsageError("give a name or --all")
    rows = session.call("update", name=name)["deploys"]
    said = ", ".join(f"{d['agent']} (deploy {d['id']})" for d in rows)
    show(rows, as_json, lambda: f"being updated: {said}" if rows else "all are up to date")


@click.command()
@click.argument("name")
@click.option(
    "--to",
    metavar="ID",
    type=number_of("a deploy"),
    help="The deploy to go back to; else the one before.",
)
@json_option
@click.pass_obj
def rollback(session: Session, name: str, to: int | None, as_json: bool) -> None:
    """Have an agent run again what it ran before."""
    deploy = session.call("rollback", name=name, to=to)
    show(deploy, as_json, lambda: f"{name} goes back, as deploy {deploy['id']}")


@click.command("cancel-deploy")
@_ID
@json_option
@click.pass_obj
def cancel_deploy(session: Session, number: int, as_json: bool) -> None:
    """Give up a deploy that is not tried yet."""
    deploy = session.call("cancel_deploy", id=number)
    show(deploy, as_json, lambda: f"deploy {number} is cancelled")


COMMANDS = (deploys, deploy_log, update, rollback, cancel_deploy)
