"""Verbs about deploys, against a service that builds agents but carries no deploy out."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import pytest

from hyperhive.hive.deploy_rows import DeployState
from tests.admin.conftest import serving
from tests.cli.conftest import PROGRAM, Result, Run
from tests.cli.test_verbs import HOSTILE, good, refused
from tests.support.deploying import Workshop, workshop

T = TypeVar("T")


class Beside:
    """The service in a thread of its own; `do` runs something there."""

    def __init__(self, directory: Path, socket: Path) -> None:
        self.socket = socket
        self._directory = directory
        self._ready: Future[Workshop] = Future()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        try:
            async with (
                workshop(self._directory) as made,
                serving(made.made, self._directory, self.socket),
            ):
                self._ready.set_result(made)
                await self._over.wait()
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise

    def start(self) -> None:
        self._thread.start()
        self.made = self._ready.result(60)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(60)
        self._loop.close()

    def do(self, act: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(60)


@pytest.fixture
def beside(tmp_path: Path, socket_dir: Path) -> Iterator[Beside]:
    made = Beside(tmp_path, socket_dir / "admin.sock")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def run(anywhere: Run, beside: Beside, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HYPERHIVE_ADMIN_SOCKET", str(beside.socket))
    return anywhere


def told(result: Result, said: str) -> str:
    """What it printed, having said this beside it."""
    assert (result.code, result.err) == (0, said)
    return result.out


def test_deploys(run: Run, beside: Beside) -> None:
    assert good(run("deploys")).out == "no deploys\n"
    beside.do(beside.made.deploy("alice", commit="a" * 40))
    beside.do(beside.made.deploy("manager", "failed", error=f"error: {HOSTILE}"))
    head, second, first = good(run("deploys")).out.splitlines()
    assert head.split() == ["ID", "AGENT", "KIND", "STATE", "COMMIT", "BY", "TOOK", "ERROR"]
    assert first.split() == ["1", "alice", "update", "done", "a" * 12, "operator", "83", "s"]
    assert "\\u001b[2J" in second
    assert second.endswith(" more\\u0007")
    assert [d["id"] for d in good(run("deploys", "--json")).json] == [2, 1]
    assert [d["id"] for d in good(run("deploys", "alice", "--json")).json] == [1]
    assert len(good(run("deploys", "--limit", "1", "--json")).json) == 1
    refused(run("deploys", "nobody"), "no agent 'nobody'")


def test_deploy_log(run: Run, beside: Beside) -> None:
    deploy = beside.do(beside.made.deploy("alice", "failed", error="error: no\nsuch option"))
    beside.made.builds.print(deploy.id, "evaluating\n\x1b[2Jevil\n")
    result = run("deploy-log", str(deploy.id))
    assert told(result, "deploy 1: failed: error: no such option\n") == (
        "evaluating\n\\u001b[2Jevil\n"
    )
    refused(run("deploy-log", "9"), "no deploy 9")
    assert run("deploy-log", "0").code == 2


def test_the_log_of_what_is_only_asked_for(run: Run, beside: Beside) -> None:
    number = beside.do(beside.made.propose("alice", "c" * 40, "b" * 40, "two")).id
    beside.do(beside.made.checking(number))
    beside.made.builds.print(number, "evaluating\n")
    result = run("deploy-log", str(number))
    assert told(result, f"approval {number}: checking\n") == "evaluating\n"


def test_a_log_is_followed_to_its_end(run: Run, beside: Beside) -> None:
    deploy = beside.do(beside.made.deploy("alice", "building"))
    beside.made.builds.print(deploy.id, "one\n")
    assert told(run("deploy-log", "1"), "deploy 1: building\n") == "one\n"
    argv = [str(PROGRAM), f"--socket={beside.socket}", "deploy-log", "1", "-f"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"one\n"
        beside.made.builds.print(deploy.id, "two\n")
        assert process.stdout.readline() == b"two\n"
        beside.made.builds.print(deploy.id, "three\n")
        beside.do(beside.made.change(deploy.id, state="done", ended_at=0.0))
        assert process.stdout.read() == b"three\n"
        assert (process.wait(20), process.stderr.read()) == (0, b"deploy 1: done\n")


def test_what_came_to_nothing_is_told_to_scripts(run: Run, beside: Beside) -> None:
    codes: dict[DeployState, int] = {"rolled_back": 1, "failed": 1, "cancelled": 1, "done": 0}
    for state, code in codes.items():
        number = str(beside.do(beside.made.deploy("alice", state)).id)
        assert run("deploy-log", number).code == 0
        assert run("deploy-log", number, "--follow").code == code


def test_update(run: Run, beside: Beside) -> None:
    refused(run("update", "alice"), "alice has no configuration yet")
    assert good(run("update", "--all")).out == "all are up to date\n"
    beside.do(beside.made.deploy("alice"))
    assert good(run("update", "alice")).out == "being updated: alice (deploy 2)\n"
    refused(run("update", "alice"), "deploy 2 of alice is queued; cancel it, or wait")
    assert good(run("update", "--all", "--json")).json == []
    good(run("cancel-deploy", "2"))
    beside.made.builds.host = "host-2"
    (order,) = good(run("update", "--all", "--json")).json
    assert (order["agent"], order["kind"]) == ("alice", "update")
    for wrong in ([], ["alice", "--all"]):
        result = run("update", *wrong)
        assert (result.code, "give a name or --all" in result.err) == (2, True)


def test_rollback_and_cancel_deploy(run: Run, beside: Beside) -> None:
    refused(run("rollback", "alice"), "alice has run nothing else before")
    made = beside.made

    async def run_both() -> None:
        for number, text in enumerate(("one", "two"), 1):
            commit = await made.commit("alice", text)
            await made.deploy("alice", commit=commit)
            await made.configs.settle("alice", number, commit)

    beside.do(run_both())
    assert good(run("rollback", "alice")).out == "alice goes back, as deploy 3\n"
    assert good(run("cancel-deploy", "3")).out == "deploy 3 is cancelled\n"
    refused(run("cancel-deploy", "3"), "deploy 3 is cancelled")
    assert good(run("rollback", "alice", "--to", "1", "--json")).json["kind"] == "rollback"
    refused(run("rollback", "alice", "--to", "9"), "deploy 9 is none that alice has run")
    assert good(run("cancel-deploy", "4", "--json")).json["state"] == "cancelled"


def test_diff(run: Run, beside: Beside) -> None:
    made = beside.made
    one = beside.do(made.commit("alice", "one\n"))
    deploy = beside.do(made.deploy("alice", commit=one))
    beside.do(made.configs.settle("alice", deploy.id, one))
    evil = beside.do(made.commit("alice", f"two\n{HOSTILE}\n"))
    asked = beside.do(made.propose("alice", evil, one, f"do it {HOSTILE}"))
    shown = good(run("diff", str(asked.id))).out
    assert f"approval {asked.id} is pending: a change of alice" in shown
    assert f"against  {one}, what runs now" in shown
    assert "-one\n+two\n+\\u001b[2J\\u009b\\u202eevil\\u2066\\u000d\n+more\\u0007\n" in shown
    assert not {"\x1b", "\x9b", "\u202e", "\r", "\x07"} & set(shown)
    answer = good(run("diff", str(asked.id), "--json"))
    assert answer.json["changes"]["files"][0]["path"] == "agent.nix"
    assert answer.json["seen"]
    assert "deploy 1 is done" in good(run("diff", str(deploy.id))).out
    assert "What one would change: hyperhive diff ID" in good(run("approvals")).out
    refused(run("diff", str(asked.id), "--base", "previous"), "base: there is none")
    refused(run("diff", "99"), "no approval and no deploy 99")
    assert run("diff", "x").code == 2
    assert run("diff", "1", "--base", "x").code == 2
