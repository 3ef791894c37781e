"""Verbs about agents: what there are, and their lives."""

from __future__ import annotations

import uuid
from typing import Any

import click

from hyperhive.cli.render import duration, one_line, size, table
from hyperhive.cli.session import Session, json_option, show
from hyperhive.protocol.errors import InvalidField, TooLarge
from hyperhive.protocol.model import MAX_BODY

_SPARE = ("cpu", "tasks", "memory", "role", "today", "model")
"""Columns of agents that a narrow terminal does without, those of least use first."""
_SENTENCES = ("budget", "storage_low", "unreachable")
"""Reasons of a hold whose detail says it all; that of others is in the words of the API."""


@click.command()
@json_option
@click.pass_obj
def status(session: Session, as_json: bool) -> None:
    """What the hive is doing."""
    answer = session.call("status")

    def text() -> str:
        lines = [
            f"runtime    {answer['runtime']}",
            f"dashboard  {answer['dashboard']}",
            f"questions  {answer['open_questions']} for you",
            f"approvals  {answer['open_approvals']} for you",
            f"inbox      {answer['unread']} unread",
        ]
        if answer["dead_letters"]:
            lines.append(f"dead       {answer['dead_letters']} messages could not be handled")
        lines += [f"warning    {w}" for w in answer["warnings"]]
        return "\n".join([*lines, "", agent_table(answer["agents"])])

    show(answer, as_json, text)


@click.command()
@json_option
@click.pass_obj
def agents(session: Session, as_json: bool) -> None:
    """Every agent and its state."""
    answer = session.call("agents")
    show(answer["agents"], as_json, lambda: agent_table(answer["agents"]))


def agent_table(rows: list[dict[str, Any]]) -> str:
    head = ("name", "role", "state", "model", "mail", "today", "memory", "cpu", "tasks", "note")
    lines = [
        (
            a["name"],
            a["role"],
            a["state"],
            a["model"],
            a["waiting"],
            f"${a['today']['usd']:.4f}",
            size(a["usage"]["memory_bytes"]),
            duration(a["usage"]["cpu_seconds"]),
            a["usage"]["tasks"] or "-",
            _note(a),
        )
        for a in rows
    ]
    return table(head, lines, "no agents", _SPARE)


def _note(agent: dict[str, Any]) -> str:
    """What is wrong, or else what it is for."""
    end = agent["last_end"] or {}
    down = end.get("unexpected") and agent["state"] in ("starting", "quarantined", "unhealthy")
    found = (end["text"] if down else "", agent["problem"], _hold(agent["hold"] or {}))
    return "; ".join(text for text in found if text) or str(agent["description"])


def _hold(hold: dict[str, Any]) -> str:
    reason, detail = hold.get("reason", ""), hold.get("detail", "")
    if reason in _SENTENCES and detail:
        return str(detail)
    return ": ".join(text for text in (reason.replace("_", " "), detail) if text)


@click.command()
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@click.option("--module", "path", metavar="FILE", help="Its `agent.nix`, instead of the defaults'.")
@json_option
@click.pass_obj
def spawn(session: Session, name: str, description: str, path: str | None, as_json: bool) -> None:
    """Make a new agent and start it. FILE '-' reads stdin."""
    module = None if path is None else _module(path)
    key = uuid.uuid4().hex
    answer = session.call("spawn", name=name, description=description, module=module, key=key)
    follow = f"\nFollow it: hyperhive deploy-log {answer['deploy']} -f" if answer["deploy"] else ""
    show(answer, as_json, lambda: f"{name} is being made{follow}")


def _module(path: str) -> str:
    """The text of a file, or of standard input. Raises InvalidField, TooLarge."""
    try:
        with click.open_file(path, "rb") as file:
            data: bytes = file.read(MAX_BODY + 1)
    except OSError as error:
        raise InvalidField(path, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BODY:
        raise TooLarge(f"{path} has more than {MAX_BODY} bytes, which a module cannot have")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidField(path, f"is not UTF-8 at byte {error.start}") from None


def _lifecycle(verb: str, doc: str, done: str) -> click.Command:
    @click.command(verb.replace("_", "-"), help=doc)
    @click.argument("name")
    @json_option
    @click.pass_obj
    def command(session: Session, name: str, as_json: bool) -> None:
        answer = session.call(verb, name=name)
        show(answer, as_json, lambda: f"{name} {done}")

    return command


start = _lifecycle("start", "Start an agent; lifts a quarantine.", "is being started")
kill = _lifecycle("kill", "Stop an agent. Its files and mail stay.", "is being stopped")
restart = _lifecycle("restart", "Stop an agent and start it again.", "is being restarted")
revive = _lifecycle(
    "revive", "Bring a destroyed agent back with its files and mail.", "is back, and being started"
)
cancel_turn = _lifecycle("cancel_turn", "Interrupt what an agent is doing.", "is told to stop")
new_session = _lifecycle(
    "new_session",
    "Have an agent forget its conversation before its next turn.",
    "begins a new session",
)


@click.command()
@click.argument("name")
@click.option("--purge", is_flag=True, help="Also delete its state, home and workspace for good.")
@click.option("--yes", help="The name again, instead of being asked for it.")
@json_option
@click.pass_obj
def destroy(session: Session, name: str, purge: bool, yes: str | None, as_json: bool) -> None:
    """Remove an agent. Unless --purge is given its files stay, and `revive` brings it back."""
    if purge:
        _confirm(name, yes)
    answer = session.call("destroy", name=name, purge=purge)
    show(answer, as_json, lambda: f"{name} is being {'purged' if purge else 'destroyed'}")


def _confirm(name: str, typed: str | None) -> None:
    if typed is None:
        try:
            typed = click.prompt(f"Type {name} again to delete its files", err=True)
        except click.Abort:
            raise click.ClickException("nothing was done; --yes NAME answers this") from None
    if typed != name:
        raise click.ClickException(f"{one_line(str(typed))!r} is not {name!r}: nothing was done")


@click.command()
@click.argument("name")
@click.argument("model", required=False)
@click.option("--default", "default", is_flag=True, help="Take the override back.")
@json_option
@click.pass_obj
def model(session: Session, name: str, model: str | None, default: bool, as_json: bool) -> None:
    """Show an agent's model, or override it from its next turn on."""
    if model is None and not default:
        answer = session.call("agent", name=name)
        names = ", ".join(answer["models"])
        show(answer["model"], as_json, lambda: f"{answer['model']}  (known: {names})")
        return
    if model is not None and default:
        raise click.UsageError("give a model or --default, not both")
    answer = session.call("model", name=name, model=model)
    show(answer, as_json, lambda: f"{name} uses {answer['model']} from its next turn on")


@click.command()
@json_option
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Look for what is wrong and say how to mend it. Exit code 1 if it keeps agents from work."""
    checks = context.obj.call("doctor")["checks"]

    def text() -> str:
        marks = {"ok": "ok  ", "warning": "WARN", "failure": "FAIL"}
        rows = [(marks[c["level"]], c["name"], one_line(c["text"])) for c in checks]
        return "\n".join(f"{mark}  {name}: {text}" for mark, name, text in rows)

    show(checks, as_json, text)
    context.exit(1 if any(c["level"] == "failure" for c in checks) else 0)


COMMANDS = (
    *(status, agents, spawn, start, kill, restart, destroy, revive),
    *(model, cancel_turn, new_session, doctor),
)
