"""The verb that shows what a request would change, before it is decided."""

from __future__ import annotations

import shutil
import sys

import click

from hyperhive.cli.diff_text import Paper, diff_text
from hyperhive.cli.numbers import number_of
from hyperhive.cli.session import Session, json_option, show


@click.command()
@click.argument("number", metavar="ID", type=number_of("an approval or a deploy"))
@click.option(
    "--base",
    type=click.Choice(("running", "approved", "previous")),
    default="running",
    show_default=True,
    help="Compare with what runs, the last that was approved, or the request before.",
)
@json_option
@click.pass_obj
def diff(session: Session, number: int, base: str, as_json: bool) -> None:
    """What a request, or a deploy, changes: files, rights and packages."""
    answer = session.call("diff", id=number, base=base, whole=True)
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else None
    show(answer, as_json, lambda: diff_text(answer, Paper(is_terminal, width)))
