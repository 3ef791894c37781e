"""The command line."""

from hyperhive.cli.main import main

__all__ = ["main"]
