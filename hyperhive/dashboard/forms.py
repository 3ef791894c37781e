"""What browsers send: the fields of every form, and how they are read strictly."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from aiohttp import web

from hyperhive.dashboard.render import Fields
from hyperhive.protocol.errors import InvalidField, TooLarge
from hyperhive.protocol.model import MAX_BODY, AgentName, Body, Key, Recipient
from hyperhive.protocol.schema import Items, Text
from hyperhive.protocol.verbs import Reason

MAX_FORM = 4 * MAX_BODY
"""Bytes of a form: a body whose every byte is percent-encoded, and a little more."""
READ_SECONDS = 30.0
"""A browser that sends slower than this is not waited for."""

LISTS = frozenset({"choice"})
"""Fields of which there may be several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """A form that is only a button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    code: Annotated[str, Text(max=1_000)]


Choice = Annotated[
    str, Text(max=4, pattern="[0-9]+|none", problem="must be the number of an option, or `none`")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`choice` are numbers of the question's options, from 0, or `none`; `text` is one's own."""

    choice: Annotated[tuple[Choice, ...], Items(max=20)] = ()
    text: Annotated[str, Text(min=0, max_bytes=MAX_BODY)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`note` is the reason, which reaches the requester. `seen` names what the page showed,
    `complete` says that it showed all of it: of a change both are sent only where that is so."""

    note: Reason = ""
    seen: Annotated[str, Text(min=0, max=64, pattern="[0-9a-f]*", problem="is not from a page")] = (
        ""
    )
    complete: Literal["1"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    to: Recipient
    body: Body
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    name: AgentName
    description: Annotated[str, Text(min=0, max=2_000)] = ""
    module: Annotated[str, Text(min=0, max_bytes=MAX_BODY)] = ""
    """Its `agent.nix` to begin with, if not the default one."""
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroy:
    """`confirm` is the agent's name once more, asked for when its files go too."""

    purge: Literal["yes"] | None = None
    confirm: Annotated[str, Text(min=0, max=100)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """`to` is a deploy that came up: what it ran shall run again."""

    to: Annotated[str, Text(max=15, pattern="[0-9]+", problem="must be the number of a deploy")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Empty takes the override back."""

    model: Annotated[str, Text(min=0, max=100)] = ""


async def read_form(request: web.Request) -> Fields:
    """The fields as sent, line ends as line feeds. Raises InvalidField, TooLarge."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise InvalidField("form", "must be application/x-www-form-urlencoded")
    try:
        async with asyncio.timeout(READ_SECONDS):
            text = (await request.read()).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=50, errors="strict")
    except TimeoutError:
        raise InvalidField("form", f"took more than {READ_SECONDS:.0f} s to arrive") from None
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge(f"a form has at most {MAX_FORM:,} bytes") from None
    except ValueError:
        raise InvalidField("form", "must be UTF-8, with at most 50 fields") from None
    return _gather(pairs, LISTS)


def _gather(pairs: list[tuple[str, str]], lists: Collection[str]) -> Fields:
    fields: dict[str, str | list[str]] = {name: [] for name in lists if name in dict(pairs)}
    for name, value in pairs:
        value = value.replace("\r\n", "\n")  # browsers send line feeds of text areas so
        present = fields.get(name)
        if isinstance(present, list):
            present.append(value)
        elif present is None:
            fields[name] = value
        else:
            raise InvalidField(name[:80], "stands in the form twice")
    return fields


def number(text: str, field: str) -> int:
    """A row id or event number, as it stands in addresses. Raises InvalidField."""
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise InvalidField(field, "must be a number")
    return int(text)
