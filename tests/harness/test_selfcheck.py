"""The self-check: what is wrong is told, nothing is leased before; told again when it is due."""

import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.fake_host import FakeHost, restarted
from tests.support.scripted_model import ScriptedModel, text
from tests.support.turns import claude_runs
from tests.support.wait import wait_for
from tests.support.working import harness, make_options, working

pytestmark = pytest.mark.claude


async def test_a_fit_harness_says_so_without_asking_a_model(socket_dir: Path) -> None:
    async with working(socket_dir, [text("ok")]) as w:
        assert w.host.checks == [{"ok": True, "problem": "", "settings_version": 1}]
        assert not w.model.requests


async def test_mail_waits_for_the_check(socket_dir: Path) -> None:
    async with (
        ScriptedModel([text("ok")]) as model,
        FakeHost(socket_dir / "hive.sock", model_url=model.url) as host,
    ):
        await host.mail("early")
        async with harness(make_options(socket_dir)):
            turn = await host.wait_for_end()
        assert turn.end["result"] == "clean"
        verbs = [call.verb for call in host.calls]
        begun = [n for n, call in enumerate(host.calls) if call.args.get("turn") in host.turns]
        assert verbs.index("self_check") < begun[0]


async def test_it_is_told_again_to_a_host_that_restarted(socket_dir: Path) -> None:
    async with working(socket_dir, [text("ok")]) as w:
        async with restarted(w.host):
            pass
        await w.host.mail("go")
        await w.host.wait_for_end()
        assert w.host.checks[0] == {"ok": True, "problem": "", "settings_version": 1}


async def test_a_directory_that_is_missing(socket_dir: Path) -> None:
    async with FakeHost(socket_dir / "hive.sock") as host:
        options = make_options(socket_dir)
        options.state.rmdir()
        async with harness(options):
            await wait_for(lambda: host.checks, 30, "the self-check")
            assert not host.checks[0]["ok"]
            assert f"{options.state} cannot be written to" in host.checks[0]["problem"]


async def test_a_server_that_does_not_start(socket_dir: Path) -> None:
    broken = {"extraMcpServers": {"weather": {"command": "/nonexistent/server"}}}
    async with working(socket_dir, [text("ok")], settings=broken) as w:
        assert not w.host.checks[0]["ok"]
        assert "weather" in w.host.checks[0]["problem"]
        await w.host.change_settings(extraMcpServers={})
        await wait_for(lambda: w.host.checks[-1]["ok"], 30, "a good self-check")


async def test_a_server_that_comes_with_new_settings(socket_dir: Path) -> None:
    async with working(socket_dir, [text("ok")]) as w:
        await w.host.change_settings(extraMcpServers={"weather": {"command": "/nonexistent"}})
        await wait_for(lambda: not w.host.checks[-1]["ok"], 30, "a bad self-check")
        assert "weather" in w.host.checks[-1]["problem"]
        assert w.host.checks[-1]["settings_version"] == w.host.settings_version
        await w.host.change_settings(extraMcpServers={})
        await wait_for(lambda: w.host.checks[-1]["ok"], 30, "a good self-check")


async def test_newer_settings_end_the_trial_of_a_server_that_hangs(socket_dir: Path) -> None:
    """Claude Code alone would wait for half a minute."""
    async with working(socket_dir, [text("ok")]) as w:
        seconds = str(1_000_000 + os.getpid())  # like no other process's
        silent = {"command": "/usr/bin/sleep", "args": [seconds]}
        await w.host.change_settings(extraMcpServers={"weather": silent})
        await wait_for(lambda: running(seconds), 30, "the server")
        await w.host.change_settings(extraMcpServers={})
        version = w.host.settings_version
        await wait_for(lambda: w.host.checks[-1]["settings_version"] == version, 10, "a check")
        assert [check["ok"] for check in w.host.checks] == [True, True]
        await wait_for(lambda: not running(seconds), 10, "the end of the server")


async def test_what_is_tried_does_not_reach_a_turn_that_begins(socket_dir: Path) -> None:
    """Claude Code reads its files a while after it was started with their names."""
    async with working(socket_dir, [text("ok")]) as w:
        silent = {"command": "/usr/bin/sleep", "args": ["1000"]}
        await w.host.mail("go")
        await wait_for(lambda: claude_runs(w), 10, "Claude Code")
        began = time.monotonic()
        await w.host.change_settings(extraMcpServers={"weather": silent})
        await w.host.wait_for_end()
        assert time.monotonic() - began < 20


async def test_settings_that_are_not_understood(socket_dir: Path) -> None:
    """As from a host that is newer than the harness."""
    async with working(socket_dir, [text("ok")]) as w:
        w.host.settings_version += 1
        odd = {**w.host.settings, "allowedBash": ["git*"]}
        await w.host.push("settings", settings=odd, settings_version=w.host.settings_version)
        await wait_for(lambda: len(w.host.checks) == 2, 10, "another self-check")
        assert not w.host.checks[1]["ok"]
        assert "allowedBash" in w.host.checks[1]["problem"]
        await w.host.change_settings(allowedBash=["git *"])
        await wait_for(lambda: w.host.checks[-1]["ok"], 10, "a good self-check")


def running(argument: str) -> bool:
    """Whether a process has this for its last argument."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().endswith(f"\0{argument}\0".encode()):
                return True
    return False
