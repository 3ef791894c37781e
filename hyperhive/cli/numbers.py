"""Ids as arguments."""

from __future__ import annotations

from collections.abc import Callable

import click


def number_of(thing: str) -> Callable[[str], int]:
    """A type for click: the id of `thing`, such as "an approval"."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) > 0):
            raise click.BadParameter(f"{text!r} must be the number of {thing}")
        return int(text)

    return read
