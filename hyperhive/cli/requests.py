"""Verbs about questions and approvals: what waits for the operator's word."""

from __future__ import annotations

import uuid
from typing import Any

import click

from hyperhive.cli.numbers import number_of
from hyperhive.cli.render import duration, one_line, safe, table
from hyperhive.cli.session import Session, json_option, show, text_argument

_QUESTION = click.argument("number", metavar="ID", type=number_of("a question"))
_APPROVAL = click.argument("number", metavar="ID", type=number_of("an approval"))
_all = click.option("--all", "everything", is_flag=True, help="Also those that are settled.")


@click.command()
@_all
@json_option
@click.pass_obj
def questions(session: Session, everything: bool, as_json: bool) -> None:
    """Open questions."""
    rows = session.call("questions", all=everything)["questions"]
    head = ("id", "from", "to", "state", "left", "question")
    lines = [
        (q["id"], q["asker"], q["target"], q["state"], duration(q["seconds_left"]), _asked(q))
        for q in rows
    ]
    show(rows, as_json, lambda: table(head, lines, "no open questions"))


def _asked(question: dict[str, Any]) -> str:
    options = " | ".join(question["options"])
    text = one_line(question["question"])
    return f"{text}  [{one_line(options)}]" if options else text


@click.command()
@click.argument("to")
@click.argument("question")
@click.option("--option", "options", multiple=True, help="A suggested answer; may be repeated.")
@click.option("--multi", is_flag=True, help="Several options may be chosen.")
@click.option("--ttl", type=click.IntRange(1), help="Seconds after which it expires.")
@json_option
@click.pass_obj
def ask(
    session: Session,
    to: str,
    question: str,
    options: tuple[str, ...],
    multi: bool,
    ttl: int | None,
    as_json: bool,
) -> None:
    """Ask an agent a question. QUESTION '-' reads stdin."""
    answer = session.call(
        "ask",
        to=to,
        question=text_argument(question),
        options=list(options),
        multi=multi,
        ttl_seconds=ttl,
        key=uuid.uuid4().hex,
    )
    show(answer, as_json, lambda: f"question {answer['id']} is asked")


@click.command()
@_QUESTION
@click.argument("answer")
@json_option
@click.pass_obj
def answer(session: Session, number: int, answer: str, as_json: bool) -> None:
    """Answer a question. ANSWER '-' reads stdin."""
    question = session.call("answer", id=number, answer=text_argument(answer))
    show(question, as_json, lambda: f"question {number} is answered")


@click.command("cancel-question")
@_QUESTION
@json_option
@click.pass_obj
def cancel_question(session: Session, number: int, as_json: bool) -> None:
    """End a question without an answer."""
    question = session.call("cancel_question", id=number)
    show(question, as_json, lambda: f"question {number} is cancelled")


@click.command()
@_all
@json_option
@click.pass_obj
def approvals(session: Session, everything: bool, as_json: bool) -> None:
    """Requests that wait for your decision."""
    rows = session.call("approvals", all=everything)["approvals"]
    head = ("id", "kind", "agent", "commit", "by", "state", "description")
    lines = [
        (
            *(a["id"], _kind(a), a["agent"], a["binding"].get("commit", "-")[:12]),
            *(a["requester"], a["state"], _words(a)),
        )
        for a in rows
    ]
    text = table(head, lines, "nothing waits for approval", ("commit", "by"))
    show(rows, as_json, lambda: "\n".join((text, *_next_steps(rows))))


def _next_steps(rows: list[dict[str, Any]]) -> list[str]:
    """What to type, after an empty line."""
    states = {a["state"] for a in rows}
    steps = []
    if any("commit" in a["binding"] for a in rows):
        steps.append("What one would change: hyperhive diff ID")
    if "pending" in states:
        steps.append("To decide: hyperhive approve ID, or hyperhive deny ID REASON")
    if "checking" in states:
        steps.append("What is checking is being evaluated: it can be approved when it is pending.")
    return ["", *steps] if steps else []


def _words(approval: dict[str, Any]) -> str:
    """What was asked for, and what was said to it."""
    note = approval["note"] and f"[{approval['note']}]"
    return " ".join(filter(None, (approval["description"], note)))


def _kind(approval: dict[str, Any]) -> str:
    return "purge" if approval["binding"].get("purge") else str(approval["kind"])


@click.command()
@_APPROVAL
@click.option("--note", default="", help="A word that reaches the requester.")
@click.option("--commit", metavar="PREFIX", help="Only if it is about the commit of this id.")
@json_option
@click.pass_obj
def approve(session: Session, number: int, note: str, commit: str | None, as_json: bool) -> None:
    """Approve a request; it is carried out at once."""
    approval = session.call("approve", id=number, note=note, commit=commit)
    show(approval, as_json, lambda: _approved(approval))


def _approved(approval: dict[str, Any]) -> str:
    what = f"approved: {_kind(approval)} {safe(approval['agent'])}"
    if commit := approval["binding"].get("commit"):
        follow = f"hyperhive deploy-log {approval['id']} -f"
        return f"{what}, commit {commit[:12]}\nFollow it: {follow}"
    return what


@click.command()
@_APPROVAL
@click.argument("reason", default="")
@json_option
@click.pass_obj
def deny(session: Session, number: int, reason: str, as_json: bool) -> None:
    """Deny a request; the reason reaches the requester."""
    approval = session.call("deny", id=number, reason=reason)
    show(approval, as_json, lambda: f"denied: {approval['kind']} {safe(approval['agent'])}")


COMMANDS = (questions, ask, answer, cancel_question, approvals, approve, deny)
