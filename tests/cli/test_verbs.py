"""Every verb against a real service, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hyperhive.cli import deploys
from hyperhive.cli.agents import doctor
from hyperhive.cli.main import cli
from tests.cli.conftest import Result, Run
from tests.support.real_service import Swarm
from tests.support.wait import wait_until

HOSTILE = "\x1b[2J\x9b\u202eevil\u2066\r\nmore\x07"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb of the command tree."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def good(result: Result) -> Result:
    assert (result.code, result.err) == (0, "")
    return result


def refused(result: Result, *words: str) -> None:
    assert result.code == 1
    assert result.out == ""
    assert result.err.startswith("hyperhive: ")
    assert result.err.count("\n") == 1
    for word in words:
        assert word in result.err


def test_status_and_agents(run: Run) -> None:
    assert "runtime    local" in good(run("status")).out
    status = good(run("status", "--json")).json
    assert status["dashboard"].startswith("http://127.0.0.1:")
    listed = good(run("agents")).out.splitlines()
    assert listed[0].split() == [
        *("NAME", "ROLE", "STATE", "MODEL", "MAIL", "TODAY", "MEMORY", "CPU", "TASKS", "NOTE")
    ]
    agents = good(run("agents", "--json")).json
    assert [a["name"] for a in agents] == [line.split()[0] for line in listed[1:]]
    assert agents[0]["limits"]["memory_max"] == 4 * 2**30
    assert agents[0]["usage"]["tasks"] is None
    assert agents[0]["last_end"] is None


def test_mail(run: Run) -> None:
    sent = good(run("send", "alice", "hello", "--key", "mail-1"))
    assert sent.out.startswith("message ")
    assert "alice: accepted" in sent.out
    again = good(run("send", "alice", "hello", "--key", "mail-1", "--json"))
    assert f"message {again.json['id']} " in sent.out
    refused(run("send", "alice", "other", "--key", "mail-1"))
    refused(run("send", "nobody", "hello"), "no agent 'nobody'")
    refused(run("send", "alice", ""), "body: must not be empty")
    refused(run("send", "Not A Name", "x"), "to: must be an agent's name")
    good(run("debug", "send", "alice", "operator", "an answer"))
    assert good(run("inbox", "--keep-unread", "--json")).json[-1]["state"] == "accepted"
    assert "an answer" in good(run("inbox")).out
    assert good(run("inbox", "--json")).json[-1]["state"] == "acked"
    assert "hello" in good(run("inbox", "--all")).out
    assert good(run("inbox", "--agent", "bob")).out == "no messages\n"
    refused(run("inbox", "--agent", "nobody"), "no agent 'nobody'")
    assert len(good(run("inbox", "--all", "-n", "1", "--json")).json) == 1


def test_only_what_was_shown_is_read(run: Run) -> None:
    for number in range(3):
        good(run("debug", "send", "alice", "operator", f"note {number}"))
    assert good(run("status", "--json")).json["unread"] == 3
    assert len(good(run("inbox", "-n", "2", "--json")).json) == 2
    assert good(run("status", "--json")).json["unread"] == 1
    good(run("inbox"))
    assert good(run("status", "--json")).json["unread"] == 0


def test_a_text_from_standard_input(run: Run) -> None:
    good(run("send", "bob", "-", stdin="zwölf\n\n".encode()))
    assert good(run("inbox", "--agent", "bob", "--json")).json[-1]["body"] == "zwölf\n"
    refused(run("send", "bob", "-", stdin=b"\xff"), "stdin: is not UTF-8 at byte 0")
    refused(run("send", "bob", "-", stdin=b"\n"), "body: must not be empty")
    refused(run("send", "bob", "-", stdin=b"x" * 10**6), "body: must have at most 65536")
    refused(run("send", "bob", "\udcff"), "body: must not contain lone surrogates")


def test_questions(run: Run) -> None:
    assert good(run("questions")).out == "no open questions\n"
    options = ("--option", "tea", "--option", "coffee", "--multi", "--ttl", "60")
    asked = good(run("ask", "alice", "What?", *options, "--json")).json["id"]
    line = good(run("questions")).out.splitlines()[1]
    assert line.split()[:4] == [str(asked), "operator", "alice", "open"]
    assert line.endswith("What? [tea | coffee]")
    assert f"question {asked} is answered" in good(run("answer", str(asked), "tea")).out
    refused(run("answer", str(asked), "coffee"), "answered")
    refused(run("cancel-question", str(asked)), "answered")
    other = good(run("ask", "bob", "-", "--json", stdin=b"When?")).json["id"]
    assert f"question {other} is cancelled" in good(run("cancel-question", str(other))).out
    assert [q["state"] for q in good(run("questions", "--all", "--json")).json] == [
        "cancelled",
        "answered",
    ]
    refused(run("answer", "999", "x"), "999")
    refused(run("ask", "nobody", "x"), "'nobody'")


def test_approvals(run: Run) -> None:
    assert good(run("approvals")).out == "nothing waits for approval\n"
    assert good(run("approvals", "--all", "--json")).json == []
    refused(run("approve", "999", "--note", "x"), "999")
    refused(run("deny", "999", "no"), "999")


def test_lives(run: Run) -> None:
    assert good(run("spawn", "carol", "--description", "counts")).out == "carol is being made\n"
    refused(run("spawn", "carol"), "carol")
    refused(run("spawn", "manager"), "manager")
    refused(run("spawn", "A"), "name: must be 1 to 20")
    assert good(run("start", "carol")).out == "carol is being started\n"
    assert good(run("kill", "carol")).out == "carol is being stopped\n"
    for verb in ("restart", "kill"):
        assert good(run(verb, "carol", "--json")).json["agent"] == "carol"
        refused(run(verb, "nobody"), "no agent 'nobody'")
    for verb in ("cancel-turn", "new-session"):
        refused(run(verb, "bob"), "bob is not connected now")
        refused(run(verb, "nobody"), "no agent 'nobody'")
    assert good(run("destroy", "carol")).out == "carol is being destroyed\n"
    refused(run("spawn", "carol"), "revive it, or purge it")
    assert good(run("revive", "carol")).out == "carol is back, and being started\n"
    refused(run("revive", "carol"), "carol is not destroyed")
    refused(run("revive", "nobody"), "no agent 'nobody'")
    good(run("destroy", "carol"))
    refused(run("destroy", "manager"), "manager")
    wait_until(lambda: not good(run("status", "--json")).json["operations"], 60)


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [([], b""), ([], b"carl\n"), (["--yes", "carl"], b""), (["--yes", "\x1b[2J"], b"")],
)
def test_a_purge_is_confirmed_with_the_name(run: Run, arguments: list[str], typed: bytes) -> None:
    before = good(run("agents", "--json")).json
    result = run("destroy", "bob", "--purge", *arguments, stdin=typed)
    assert result.code == 1
    assert "nothing was done" in result.err
    assert "\x1b" not in result.err
    assert good(run("agents", "--json")).json == before


@pytest.mark.parametrize("how", ["--yes", "typed"])
def test_a_purge(run: Run, how: str) -> None:
    name = f"purged-{how.strip('-')}"
    good(run("spawn", name))
    if how == "typed":
        result = run("destroy", name, "--purge", stdin=f"{name}\n".encode())
        assert f"Type {name} again" in result.err
        assert (result.code, result.out) == (0, f"{name} is being purged\n")
    else:
        good(run("destroy", name, "--purge", "--yes", name))


def test_models(run: Run) -> None:
    assert good(run("model", "alice")).out == "model-large  (known: large, small)\n"
    assert "alice uses model-small" in good(run("model", "alice", "small")).out
    assert good(run("model", "alice", "--json")).json == "model-small"
    assert good(run("model", "alice", "--default", "--json")).json["override"] is None
    refused(run("model", "alice", "huge"), "known are large, small")
    assert run("model", "alice", "small", "--default").code == 2


def test_logs(run: Run, service: Swarm) -> None:
    assert good(run("logs", "alice", "--json")).json == []
    log = service.root / "agents" / "alice" / "harness.log"
    log.write_bytes(b"one\n" + HOSTILE.encode() + b"\nthree\n")
    try:
        assert good(run("logs", "alice", "-n", "1")).out == "three\n"
        text = good(run("logs", "alice")).out
        assert "\x1b" not in text
        assert "\\u001b[2J\\u009b\\u202eevil" in text
    finally:
        log.unlink()
    refused(run("logs", "nobody"), "no agent 'nobody'")


def test_what_agents_write_cannot_command_the_terminal(run: Run) -> None:
    good(run("debug", "send", "alice", "operator", HOSTILE))
    good(run("spawn", "eve", "--description", HOSTILE.replace("\n", "")))
    good(run("ask", "bob", HOSTILE, "--option", "\x1b[31mred"))
    for verb in (["inbox", "--keep-unread"], ["agents"], ["questions"], ["audit"], ["status"]):
        for form in ([], ["--json"]):
            text = good(run(*verb, *form)).out
            assert not any(c in text for c in "\x1b\x9b\u202e\u2066\x07\r"), verb
    good(run("destroy", "eve", "--purge", "--yes", "eve"))


def test_decisions_and_logins(run: Run) -> None:
    good(run("model", "bob", "small"))
    assert "agent.model" in good(run("audit", "-n", "5")).out
    assert good(run("audit", "-n", "1", "--json")).json[0]["subject"] == "bob"
    link = good(run("login-link")).out.strip()
    assert "/login#" in link
    assert good(run("login-link", "--json")).json["url"] != link


def test_doctor(run: Run) -> None:
    """Without containers there is always something to say."""
    assert "WARN  isolation: " in good(run("doctor")).out
    assert {c["name"] for c in run("doctor", "--json").json} == {"isolation", "version", "disk"}


@pytest.mark.parametrize(("worst", "code"), [("ok", 0), ("warning", 0), ("failure", 1)])
def test_only_what_keeps_agents_from_work_fails(worst: str, code: int) -> None:
    class Answering:
        def call(self, verb: str) -> dict[str, object]:
            levels = ("ok", worst)
            return {"checks": [{"name": "disk", "level": n, "text": "half full"} for n in levels]}

    result = CliRunner().invoke(doctor, obj=Answering())
    assert result.exit_code == code
    assert result.output.splitlines()[0] == "ok    disk: half full"


def test_debug(run: Run) -> None:
    good(run("send", "bob", "for bob"))
    while waiting := good(run("debug", "recv", "bob", "--max", "32")).json["messages"]:
        numbers = [str(m["delivery"]) for m in waiting]
        leased = good(run("debug", "leases")).json["leases"]
        assert {lease["instance"] for lease in leased} == {"debug-instance"}
        good(run("debug", "ack", "bob", *numbers))
    assert good(run("debug", "leases")).json == {"leases": []}
    refused(run("debug", "ack", "bob", "999"))
    refused(run("debug", "recv", "bob", "--instance", "x"), "instance: ")
    assert good(run("debug", "wake", "bob")).json["linked"] is False
    assert "debug" not in [line.split()[0] for line in run("--help").out.splitlines() if line]


def test_check_config(run: Run, service: Swarm) -> None:
    good(run("check-config", str(service.root / "config.yaml")))


def test_every_verb_was_tried() -> None:
    """By its name in this file; some have files of their own."""
    source = Path(__file__).read_text()
    elsewhere = {("serve",), ("demo",), ("diff",), ("events",), ("shell",)}
    elsewhere |= {(command.name or "",) for command in deploys.COMMANDS}
    missing = [v for v in commands(cli) if v not in elsewhere and f'"{v[-1]}"' not in source]
    assert missing == []
