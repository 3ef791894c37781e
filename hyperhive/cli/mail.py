"""Verbs about messages."""

from __future__ import annotations

import shutil
import sys
import uuid
from typing import Any

import click

from hyperhive.cli.numbers import number_of
from hyperhive.cli.render import safe
from hyperhive.cli.session import Session, json_option, show, text_argument
from hyperhive.demo.plain_text import wrap
from hyperhive.protocol.model import OPERATOR
from hyperhive.protocol.system_mail import system_facts


@click.command()
@click.argument("to")
@click.argument("body")
@click.option(
    "--reply-to", metavar="ID", type=number_of("a message"), help="Id of the message this answers."
)
@click.option("--key", help="Idempotency key: the same key sends once.")
@json_option
@click.pass_obj
def send(
    session: Session, to: str, body: str, reply_to: int | None, key: str | None, as_json: bool
) -> None:
    """Send a message as the operator to an agent, or to everyone with '*'. BODY '-' reads stdin."""
    answer = session.call(
        "send",
        to=to,
        body=text_argument(body),
        in_reply_to=reply_to,
        key=key or uuid.uuid4().hex,
    )

    def text() -> str:
        results = ", ".join(f"{r['to']}: {r['status']}" for r in answer["results"])
        return f"message {answer['id']} ({results or 'nobody to send it to'})"

    show(answer, as_json, text)


@click.command()
@click.option("--all", "flow", is_flag=True, help="Messages between all agents, not only yours.")
@click.option("--agent", help="Only what this agent sent or received.")
@click.option("--keep-unread", is_flag=True, help="Do not mark your mail as read.")
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(1, 1_000))
@json_option
@click.pass_obj
def inbox(
    session: Session, flow: bool, agent: str | None, keep_unread: bool, limit: int, as_json: bool
) -> None:
    """Your mail, oldest first."""
    if flow or agent:
        answer = session.call("messages", agent=agent, limit=limit)
    else:
        answer = session.call("inbox", limit=limit)
    messages = list(reversed(answer["messages"]))
    show(messages, as_json, lambda: "\n\n".join(map(message_text, messages)) or "no messages")
    unread = [m["delivery"] for m in messages if m["state"] == "accepted"]
    if unread and not (flow or agent or keep_unread):
        session.call("mark_read", deliveries=unread)  # only now that they were shown


def message_text(message: dict[str, Any]) -> str:
    """The body is indented and wrapped, so that no line of it passes for another message's head."""
    state = message["state"]
    if message["to"] == OPERATOR:  # whose mail is read, not leased
        state = {"accepted": "unread", "acked": "read"}.get(state, state)
    head = f"#{message['id']}  {message['from']} -> {message['to']}  {message['sent_at']}  {state}"
    width = shutil.get_terminal_size().columns - 2  # a terminal wraps to its first column
    facts = system_facts(message["kind"], message["body"])
    if facts is None:
        body = _wrapped(message["body"], width)
    else:
        body = [line for fact in facts.items() for line in _fact(*fact, width)]
    return "\n".join([head, *(f"  {line}" for line in body)])


def _fact(name: str, value: str, width: int) -> list[str]:
    """What does not fit is indented further, so that it does not pass for another fact."""
    first, *more = _wrapped(value if name == "event" else f"{name}: {value}", width - 2)
    return [first, *(f"  {line}" for line in more)]


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(safe(text).expandtabs(4), width, sys.maxsize)


COMMANDS = (send, inbox)
