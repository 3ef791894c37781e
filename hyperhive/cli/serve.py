"""Verbs that run the service itself."""

from __future__ import annotations

from pathlib import Path

import click

from hyperhive import config as configuration
from hyperhive.cli.render import one_line

DEFAULT_CONFIG = "/etc/hyperhive/config.yaml"

_config = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, readable=False),
    default=DEFAULT_CONFIG,
    envvar="HYPERHIVE_CONFIG",
    show_default=True,
    show_envvar=True,
)


@click.command()
@_config
@click.option("--unsafe-local", is_flag=True, help="Use a real credential without containers.")
def serve(path: Path, unsafe_local: bool) -> None:
    """Run the service, until SIGTERM (agents go on) or SIGINT (agents are stopped)."""
    from hyperhive import service  # a tenth of a second that no other verb has to wait for

    service.serve(configuration.load(path), unsafe_local=unsafe_local, announce=click.echo)


@click.command("check-config")
@click.argument("path", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG)
def check_config(path: Path) -> None:
    """Check a configuration file without using it. A secret that is not there yet is a warning."""
    from hyperhive.service.credential import secret_problems  # as above

    for problem in secret_problems(configuration.load(path)):
        click.echo(f"warning: {one_line(problem)}", err=True)
    click.echo(f"{path}: ok")


COMMANDS = (serve, check_config)
