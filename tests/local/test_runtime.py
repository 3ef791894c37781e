"""The lives of agents as processes: started, stopped, crashed, adopted, purged."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperhive.local import runs
from hyperhive.protocol.errors import InvalidField, Unavailable
from tests.local.conftest import Hive, agent, open_files
from tests.support.wait import wait_for

HOSTILE_NAMES = ["", ".", "..", "../x", "a/b", "-rf", "a\n", "A", "a" * 21, "a\0", ".trash", "host"]


async def test_an_agent_starts_once_and_stops(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime:
        first = (await runtime.running())["alice"]
        assert await runtime.start(agent("alice")) == first
        assert len(hive.processes("alice")) == 1
        await runtime.stop("alice", "another invocation")
        assert await runtime.running() == {"alice": first}
        await runtime.stop("alice", first.id)
        assert await runtime.running() == {}
        assert hive.processes("alice") == []
        await runtime.stop("alice")
        ended = await hive.end_of("alice")
        assert (ended.invocation, ended.reason, ended.exit) == (first, "clean", 0)
        assert (await runtime.start(agent("alice"))).id != first.id


async def test_one_that_does_not_listen_is_killed(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "STOP_SECONDS", 0.2)
    async with hive.running("stubborn", "alice") as runtime:
        await runtime.stop("alice")
        ended = await hive.end_of("alice")
        assert (ended.reason, ended.exit) == ("killed", -signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "reason"), [(0, "clean"), (1, "crash"), (75, "crash")], ids=["0", "1", "75"]
)
async def test_an_end_is_told_with_its_code(hive: Hive, code: int, reason: str) -> None:
    async with hive.running(f"exit-{code}") as runtime:
        invocation = await runtime.start(agent("alice"))
        ended = await hive.end_of("alice")
        assert (ended.invocation, ended.reason, ended.exit) == (invocation, reason, code)
        assert await runtime.running() == {}


@pytest.mark.parametrize(
    ("number", "reason"), [(signal.SIGKILL, "killed"), (signal.SIGSEGV, "crash")], ids=str
)
async def test_a_signal_is_told_as_a_negative_code(
    hive: Hive, number: signal.Signals, reason: str
) -> None:
    async with hive.running("wait", "alice"):
        (process,) = hive.processes("alice")
        os.kill(process.pid, number)
        ended = await hive.end_of("alice")
        assert (ended.reason, ended.exit) == (reason, -number)


async def test_a_listener_that_left_hears_nothing(hive: Hive) -> None:
    heard: list[object] = []
    async with hive.running("wait") as runtime:
        runtime.subscribe(heard.append)()
        await runtime.start(agent("alice"))
        await runtime.stop("alice")
        await hive.end_of("alice")
    assert heard == []


# --- over restarts of the service ---


async def test_a_new_runtime_adopts_what_runs(hive: Hive) -> None:
    before = hive.runtime()
    invocation = await before.start(agent("alice"))
    await hive.is_up(before, "alice")
    await before.close()
    assert len(hive.processes("alice")) == 1
    async with hive.running("wait") as runtime:
        await runtime.adopt()
        adopted = (await runtime.running())["alice"]
        assert adopted.id == invocation.id
        assert adopted.started_at == pytest.approx(invocation.started_at, abs=2)
        assert await runtime.start(agent("alice")) == adopted
        await runtime.stop("alice")
        ended = await hive.end_of("alice")
        assert (ended.invocation, ended.reason, ended.exit) == (adopted, "unknown", None)
        assert hive.processes("alice") == []


@pytest.mark.parametrize("what", ["impostor", "twin"])
async def test_the_harness_is_adopted_and_not_what_looks_like_it(hive: Hive, what: str) -> None:
    before = hive.runtime(what)
    await before.start(agent("alice"))
    await hive.is_up(before, "alice")
    harness = before._runs.get("alice")
    await hive.children("alice")
    await before.close()
    async with hive.running("wait") as runtime:
        await runtime.adopt()
        adopted = runtime._runs.get("alice")
        assert list(await runtime.running()) == ["alice"]
        assert harness is not None
        assert adopted is not None
        assert adopted.pid == harness.pid


async def test_another_hive_is_left_alone(new_hive: Callable[[], Hive]) -> None:
    one, other = new_hive(), new_hive()
    async with one.running("wait", "alice"), other.running("wait", "alice") as runtime:
        await runtime.adopt()
        (theirs,) = one.processes("alice")
        await runtime.stop("alice")
        assert other.processes("alice") == []
        await runtime.purge("alice")
        assert one.processes("alice") == [theirs]


async def test_ending_for_good_ends_all(hive: Hive) -> None:
    async with hive.running("wait", "alice", "bob", "carol") as runtime:
        await runtime.stop_all()
        assert await runtime.running() == {}
        assert [p for name in ("alice", "bob", "carol") for p in hive.processes(name)] == []


# --- purge ---


async def test_purge(hive: Hive) -> None:
    async with hive.running("wait", "alice", "bob") as runtime:
        with pytest.raises(Unavailable, match="alice still runs"):
            await runtime.purge("alice")
        await runtime.stop("alice")
        (hive.files("alice") / "workspace" / "file").write_text("text")
        for _ in range(2):
            await runtime.purge("alice")
            assert not hive.files("alice").exists()
        assert list((hive.agents / ".trash").iterdir()) == []
        assert hive.files("bob").exists()
        await runtime.purge("never-there")
        await runtime.start(agent("alice"))
        assert not (hive.files("alice") / "workspace" / "file").exists()


# --- names, peers, descriptors ---


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_only_names_of_agents_become_paths(hive: Hive, name: str) -> None:
    runtime = hive.runtime()
    for act in (runtime.start(agent(name)), runtime.purge(name), runtime.stop(name)):
        with pytest.raises(InvalidField):
            await act
    with pytest.raises(InvalidField):
        runtime.peer_allowed(name, 0)
    assert sorted(p.name for p in hive.root.iterdir()) == ["run", "stand_in.py"]


async def test_peers(hive: Hive) -> None:
    runtime = hive.runtime()
    assert not runtime.peer_allowed("alice", os.geteuid())
    async with hive.running("wait", "alice", "bob"):
        uid = (hive.files("alice") / "state").stat().st_uid
        assert runtime.peer_allowed("alice", uid)
        assert not runtime.peer_allowed("alice", uid + 1)
        assert not runtime.peer_allowed("alice", 65_534)


@pytest.mark.root
async def test_peers_of_other_agents(new_hive: Callable[[], Hive]) -> None:
    hive = new_hive()
    async with hive.running("wait", "alice", "bob") as runtime:
        bob = (hive.files("bob") / "state").stat().st_uid
        assert not runtime.peer_allowed("alice", bob)
        assert not runtime.peer_allowed("alice", 0)


async def test_lives_leave_no_descriptors(hive: Hive) -> None:
    async with hive.running("wait", "alice") as runtime:
        await runtime.stop("alice")
        before = open_files()
        for _ in range(3):
            await runtime.start(agent("alice"))
            await runtime.logs("alice", 5)
            await runtime.stop("alice")
        await wait_for(lambda: open_files() <= before, 5)


async def test_what_cannot_be_started_leaves_none_either(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = hive.runtime()
    runtime._spawner = type(runtime._spawner)(
        ("/nowhere/python",), (), hive.agents, hive.root / "run"
    )
    with pytest.raises(Unavailable, match=r"alice cannot be started: .*/nowhere/python"):
        await runtime.start(agent("alice"))
    before = open_files()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await runtime.start(agent("alice"))
    assert open_files() == before

    def refuse(_: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    runtime = hive.runtime()
    with pytest.raises(Unavailable, match="alice cannot be watched"):
        await runtime.start(agent("alice"))
    assert await runtime.running() == {}
    assert hive.processes("alice") == []


async def test_warnings_tell_how_far_apart_agents_are(hive: Hive, request: object) -> None:
    (warning,) = hive.runtime().warnings
    assert ("your own user" in warning) == ("shared" in str(request))
    assert Path(hive.agents).exists() is False
