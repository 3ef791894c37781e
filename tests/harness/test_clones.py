"""Clones beside a real host: there at first sight, in step afterwards, never in the way."""

import logging
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.harness.clones import Clones
from hyperhive.protocol.errors import Conflict, Unavailable
from tests.gateway.configured import configured, git
from tests.harness.cloning import PATIENCE, Cloning, cloning, snapshot


@pytest.fixture
async def c(tmp_path: Path, socket_dir: Path) -> AsyncIterator[Cloning]:
    async with cloning(tmp_path, socket_dir) as c:
        yield c


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


async def test_at_first_sight_it_is_ready_for_work(c: Cloning) -> None:
    refs = (await c.host.refs("manager"))["bob"]
    assert (c.bob / "agent.nix").read_text() == "one"
    assert await c.git("status", "-s", "-b") == "## main...applied/main"
    assert await c.git("rev-parse", "HEAD", "main", "applied/main") == "\n".join([refs["main"]] * 3)
    assert await c.git("tag") == "deployed/1"
    assert await c.git("fsck", "--strict") == ""
    made = await c.commit("two")
    assert await c.git("show", "-s", "--format=%an %ae", made) == "manager manager@hyperhive"
    assert await c.git("status", "-s", "-b") == "## main...applied/main [ahead 1]"
    assert sorted(path.name for path in c.agents.iterdir()) == ["bob"]


async def test_afterwards_only_what_the_host_knows_is_moved(c: Cloning) -> None:
    await c.git("switch", "-q", "-c", "mine")
    await c.commit("two")
    (c.bob / "agent.nix").write_text("staged")
    await c.git("add", ".")
    (c.bob / "agent.nix").write_text("unstaged")
    before = snapshot(c.bob, "objects", "applied", "tags")
    main = await c.host.runs("bob", "three")
    await c.clones.keep_in_step()
    assert snapshot(c.bob, "objects", "applied", "tags") == before
    assert await c.git("rev-parse", "applied/main", "deployed/2") == f"{main}\n{main}"
    assert await c.git("show", "applied/main:agent.nix") == "three"
    assert await c.git("status", "-s", "-b") == "## mine\nMM agent.nix"


async def test_a_tag_has_the_reason(c: Cloning) -> None:
    main = await c.git("rev-parse", "main")
    await c.host.configs.mark("bob", "denied", 7, main, "No: <that>\nis too much.")
    await c.clones.keep_in_step()
    assert "No: <that>\nis too much." in await c.git("show", "denied/7")
    assert await c.git("rev-parse", "denied/7^{commit}") == main
    made = await c.commit("two")
    await c.clones.prepare("bob", made, PATIENCE)


async def test_what_is_gone_or_moved_comes_back(c: Cloning) -> None:
    main = await c.git("rev-parse", "applied/main")
    await c.commit("two")
    await c.git("tag", "-f", "deployed/1")
    await c.git("update-ref", "-d", "refs/remotes/applied/main")
    await c.git("gc", "-q", "--prune=now")
    await c.host.runs("bob", "three")
    await c.clones.keep_in_step()
    assert await c.git("rev-parse", "deployed/1") == main
    assert await c.git("log", "--format=%s", "applied/main", "-1")


async def test_where_nothing_is_new_no_git_runs(
    c: Cloning, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise Unavailable("git was run")

    monkeypatch.setattr("hyperhive.harness.clone_git.run", broken)
    await c.clones.keep_in_step()
    assert not warnings(caplog)
    await Clones(c.host.world.socket("manager"), c.agents, "manager").keep_in_step()
    assert warnings(caplog) == ["clone of bob's configuration: git was run"]


async def test_who_may_propose_for_itself_has_its_own(tmp_path: Path, socket_dir: Path) -> None:
    async with cloning(tmp_path, socket_dir, by="bob") as c:
        await c.host.runs("manager", "x")
        await c.clones.keep_in_step()
        assert sorted(path.name for path in c.agents.iterdir()) == ["bob"]
        assert await c.git("config", "user.email") == "bob@hyperhive"


async def test_a_clone_that_was_moved_away_is_made_anew(c: Cloning) -> None:
    c.bob.rename(c.agents / "old")
    await c.clones.keep_in_step()
    assert await c.git("status", "-s", "-b") == "## main...applied/main"
    (c.agents / "empty").mkdir()
    c.bob.rename(c.agents / "older")
    (c.agents / "empty").rename(c.bob)
    await c.clones.keep_in_step()
    assert await c.git("status", "-s", "-b") == "## main...applied/main"


async def test_the_clone_of_an_agent_that_is_gone_stays(c: Cloning) -> None:
    before = snapshot(c.bob)
    bob = await c.host.world.agent("bob")
    await c.host.world.hive.store.write(lambda tx: tx.agents.save(replace(bob, state="tombstone")))
    assert "bob" not in await c.host.refs("manager")
    await c.clones.keep_in_step()
    assert snapshot(c.bob) == before


async def test_without_a_first_deploy_there_is_what_failed(
    tmp_path: Path, socket_dir: Path
) -> None:
    async with configured(tmp_path, socket_dir) as host:
        commit = await host.configs.declare("bob", {"agent.nix": b"throw"}, None)
        agents = tmp_path / "workspace" / "agents"
        clones = Clones(host.world.socket("manager"), agents, "manager")
        await clones.keep_in_step()
        assert not agents.exists()
        await host.configs.mark("bob", "failed", 3, commit, "no\nsuch thing")
        await clones.keep_in_step()
        assert await git(agents / "bob", "rev-parse", "main", "failed/3^{commit}") == (
            f"{commit}\n{commit}"
        )
        main = await host.runs("bob", "one")
        await clones.keep_in_step()
        assert await git(agents / "bob", "rev-parse", "applied/main") == main


async def a_file(directory: Path) -> None:
    directory.write_text("mine")


async def files(directory: Path) -> None:
    directory.mkdir()
    (directory / "notes.md").write_text("mine")


async def a_repository(directory: Path) -> None:
    directory.mkdir()
    await git(directory, "init", "-q")


async def a_link(directory: Path) -> None:
    await a_repository(directory.with_name("other"))
    directory.symlink_to("other")


async def a_linked_repository(directory: Path) -> None:
    await a_link(directory.with_name("linked"))
    directory.mkdir()
    (directory / ".git").symlink_to("../other/.git")


async def a_gitfile(directory: Path) -> None:
    await a_repository(directory.with_name("other"))
    directory.mkdir()
    (directory / ".git").write_text("gitdir: ../other/.git\n")


@pytest.mark.parametrize(
    "put", [a_file, files, a_repository, a_link, a_linked_repository, a_gitfile]
)
async def test_what_stands_there_already_is_left_alone(
    c: Cloning, put: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(put)
    c.bob.rename(c.agents / "was")
    await put(c.bob)
    before = snapshot(c.agents)
    for _ in range(2):
        await c.clones.keep_in_step()
    assert snapshot(c.agents) == before
    (told,) = warnings(caplog)
    assert told.startswith("clone of bob's configuration: ")
    assert "move it away, and the clone is made anew" in told
    with pytest.raises(Conflict, match="move it away"):
        await c.clones.prepare("bob", "abcd", PATIENCE)
    assert snapshot(c.agents) == before


async def test_a_damaged_clone_is_said_and_left(
    c: Cloning, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(c.bob / ".git/objects/pack")
    (c.bob / ".git/objects/pack").write_text("mine")
    await c.host.runs("bob", "two")
    before = snapshot(c.bob, "objects")
    await c.clones.keep_in_step()
    (told,) = warnings(caplog)
    assert "is damaged: git " in told
    assert snapshot(c.bob, "objects") == before
    with pytest.raises(Conflict, match="damaged"):
        await c.clones.prepare("bob", "abcd", PATIENCE)


async def test_a_place_that_cannot_be_used_is_said(
    tmp_path: Path, socket_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with configured(tmp_path, socket_dir) as host:
        await host.runs("bob", "one")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (tmp_path / "agents").symlink_to(elsewhere)
        (tmp_path / "file").write_text("")
        for place, words in (("agents", "no plain directory"), ("file", "File exists")):
            clones = Clones(host.world.socket("manager"), tmp_path / place, "manager")
            await clones.keep_in_step()
            assert words in warnings(caplog)[-1]
        assert not list(elsewhere.iterdir())


async def test_what_makers_left_that_were_killed_goes(c: Cloning) -> None:
    old, new = c.agents / ".hyperhive-old", c.agents / ".hyperhive-new"
    for path in (old, new):
        (path / "deep").mkdir(parents=True)
    os.utime(old, (0, 0))
    c.bob.rename(c.agents / "was")
    await c.clones.keep_in_step()
    assert sorted(path.name for path in c.agents.iterdir()) == [".hyperhive-new", "bob", "was"]


async def test_a_host_that_is_away_is_said_once(
    c: Cloning, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hyperhive.harness.clones.STEP_SECONDS", 0.3)
    await c.host.world.gateway.__aexit__(None, None, None)
    for _ in range(2):
        await c.clones.keep_in_step()
    (told,) = warnings(caplog)
    assert told.startswith("clones: not in step with the host")
    await c.host.world.open_all()
    await c.clones.keep_in_step()
    assert len(warnings(caplog)) == 1
