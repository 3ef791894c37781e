"""The harness as a process: how soon it says hello, how it ends, what it leaves behind."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hyperhive.harness import run as run_module
from hyperhive.harness.link import HiveGone, Superseded
from hyperhive.harness.main import main
from hyperhive.harness.options import Options
from tests.support.fake_host import FakeHost, Json
from tests.support.processes import Child, child
from tests.support.scripted_model import ScriptedModel, text, tool
from tests.support.wait import wait_for
from tests.support.working import make_options

PROGRAM = ["-m", "hyperhive.harness", "run"]
HELLO_SECONDS = 0.6
"""Aim on an idle machine; see `baseline`."""


@pytest.fixture
def options(socket_dir: Path) -> Options:
    (socket_dir / "tmp").mkdir()
    return make_options(socket_dir)


@contextlib.contextmanager
def harness(options: Options, *python: str, first: Path | None = None) -> Iterator[Child]:
    """`first` is where modules are looked for before all other places."""
    root = options.socket.parent
    argv = [sys.executable, *python, *PROGRAM]
    names = ("socket", "state", "home", "workspace")
    argv += [f"--{name}={getattr(options, name)}" for name in names]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(options.home),
        "TMPDIR": str(root / "tmp"),
        "PYTHONPATH": os.pathsep.join([*([str(first)] if first else []), *sys.path]),
        "ANTHROPIC_API_KEY": "a-real-key",
    }
    with child(argv, root / "harness.log", env=environment, cwd=options.workspace) as process:
        yield process


@pytest.fixture
async def host(options: Options) -> AsyncIterator[FakeHost]:
    async with FakeHost(options.socket) as host:
        yield host


async def ended(process: Child, timeout: float = 10.0) -> int:
    return await asyncio.to_thread(process.process.wait, timeout)


def descendants(pid: int) -> set[int]:
    """Everything in a process's sessions below it, as long as it lives."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            for line in file.read_text().split():
                found |= {int(line), *descendants(int(line))}
    return found


async def test_hello_comes_before_the_heavy_imports(host: FakeHost, options: Options) -> None:
    with harness(options, "-X", "importtime") as process:
        imported = ""

        async def look(ws: object, hello: Json) -> None:
            nonlocal imported
            imported = process.output

        host.on_hello = look
        await wait_for(lambda: imported, 20, "hello")
        assert "hyperhive.harness.link" in imported
        for module in ("aiohttp", "claude_agent_sdk", "mcp", "pydantic", "anyio"):
            assert not re.search(rf"\| +{module}\n", imported), f"{module} was imported"
        host.on_hello = None
        await wait_for(lambda: host.checks, 30, "the self-check")
        assert re.search(r"\| +claude_agent_sdk\n", process.output)
        assert process.stop() == 0


async def test_hello_comes_soon(host: FakeHost, options: Options) -> None:
    """Measured against an interpreter that imports what is needed, for machines under load."""
    imports = "import asyncio, click, ctypes, uuid"
    times, floors = [], []
    for _ in range(3):
        host.hellos.clear()
        begun = time.monotonic()
        subprocess.run([sys.executable, "-c", imports], check=True)
        floors.append(time.monotonic() - begun)
        begun = time.monotonic()
        with harness(options) as process:
            await wait_for(lambda: host.hellos, 20, "hello")
            times.append(time.monotonic() - begun)
            process.stop()
    assert min(times) < max(HELLO_SECONDS, 2 * min(floors))


async def test_sigterm_without_a_host_ends_at_once(options: Options) -> None:
    with harness(options) as process:
        await asyncio.to_thread(process.wait_for_output, "no link to the host")
        assert process.stop(timeout=5) == 0


async def test_sigterm_again_and_again_is_still_a_clean_end(
    host: FakeHost, options: Options
) -> None:
    """Whoever ends it may not wait to see whether the first one was heard."""
    with harness(options) as process:
        await wait_for(lambda: host.checks, 30, "the self-check")

        def gone() -> bool:
            process.process.send_signal(signal.SIGTERM)
            return process.process.poll() is not None

        await wait_for(gone, 10, "the end")
        assert process.process.returncode == 0


async def test_sigterm_in_the_middle_of_an_import(host: FakeHost, options: Options) -> None:
    stub = options.socket.parent / "slow/claude_agent_sdk"
    program = stub / "_bundled/claude"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    begun = options.socket.parent / "begun"
    (stub / "__init__.py").write_text(
        f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(60)\n"
    )
    with harness(options, first=stub.parent) as process:
        await wait_for(begun.exists, 30, "the import")
        family = descendants(process.pid)
        process.process.send_signal(signal.SIGTERM)
        assert await ended(process, 3.0) == 0
        assert "told to end" in process.output
        assert not [pid for pid in family if Path(f"/proc/{pid}/exe").exists()]
        assert not list((options.socket.parent / "tmp").iterdir())


@pytest.mark.claude
async def test_sigterm_in_a_turn_leaves_it_and_nothing_else(options: Options) -> None:
    command = "touch begun; (setsid tail -f /dev/null &); tail -f /dev/null"
    async with (
        ScriptedModel([tool("Bash", command=command), text("ok")]) as model,
        FakeHost(options.socket, model_url=model.url, settings={"allowedBash": ["*"]}) as host,
    ):
        with harness(options) as process:
            await host.mail("go")
            await wait_for((options.workspace / "begun").exists, 30)
            family = descendants(process.pid)
            assert len(family) >= 2, "Claude Code and its command"
            begun = time.monotonic()
            process.process.send_signal(signal.SIGTERM)
            assert await ended(process) == 0
            assert time.monotonic() - begun < 5
        (turn,) = host.turns.values()
        assert turn.end == {}
        assert [event["tool"] for event in turn.events] == ["Bash"], "what was known was told"
        left = [pid for pid in family if Path(f"/proc/{pid}/exe").exists()]
        assert not left, left
        assert not list((options.socket.parent / "tmp").iterdir())
        assert "Traceback" not in process.output
        assert "a-real-key" not in str([dict(request.headers) for request in model.requests])


@pytest.mark.claude
async def test_the_next_process_goes_on(options: Options) -> None:
    async with (
        ScriptedModel([text("ok")]) as model,
        FakeHost(options.socket, model_url=model.url) as host,
    ):
        for number in (1, 2):
            with harness(options) as process:
                await host.mail(f"mail {number}")
                turn = await host.wait_for_end(number)
                assert turn.end["result"] == "clean"
                assert await asyncio.to_thread(process.stop) == 0
        assert "mail 1" in model.turns[-1].all_text
        assert len({hello["instance"] for hello in host.hellos}) == 2


async def test_a_newer_harness_ends_an_older_one(host: FakeHost, options: Options) -> None:
    with harness(options) as older:
        await host.linked()
        with harness(options) as newer:
            assert await ended(older) == run_module.SUPERSEDED
            assert "a newer harness of this agent has taken over" in older.output
            await host.linked(2)
            assert newer.stop() == 0


async def test_an_end_has_its_exit_status() -> None:
    async def raising(error: Exception) -> None:
        raise error

    async def status(error: Exception) -> int:
        ended, other = asyncio.create_task(raising(error)), asyncio.create_task(asyncio.sleep(60))
        await asyncio.wait({ended})
        other.cancel()
        return run_module._status(ended, other)

    assert await status(Superseded("newer")) == 3
    assert await status(HiveGone("gone")) == 4
    with pytest.raises(ZeroDivisionError):
        await status(ZeroDivisionError())


def test_wrong_usage_is_told_in_one_line() -> None:
    shown = CliRunner().invoke(main, ["run", "--idle-release=soon"])
    assert shown.exit_code == 2
    assert "'soon' is not a valid float" in shown.output


def test_each_place_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Options] = []
    monkeypatch.setattr(run_module, "run", seen.append)
    places = {name: f"/x/{name}" for name in ("socket", "state", "home", "workspace")}
    environment = {f"HYPERHIVE_{name.upper()}": place for name, place in places.items()}
    assert CliRunner().invoke(main, ["run"], env=environment).exit_code == 0
    assert {name: str(getattr(seen[0], name)) for name in places} == places
