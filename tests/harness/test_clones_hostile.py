"""Clones in which something waits for git to run it: nothing runs, and nothing leads elsewhere."""

import os
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hyperhive.harness.clone import Clone
from hyperhive.harness.proposals import PROPOSAL
from tests.gateway.configured import git
from tests.harness.cloning import Cloning, cloning, snapshot

HOOKS = (
    *("applypatch-msg", "pre-commit", "prepare-commit-msg", "post-checkout", "post-commit"),
    *("post-index-change", "reference-transaction", "pre-auto-gc", "fsmonitor-watchman"),
    *("post-rewrite", "pre-push", "update", "pre-receive", "post-merge", "proc-receive"),
)


@pytest.fixture
async def c(tmp_path: Path, socket_dir: Path) -> AsyncIterator[Cloning]:
    async with cloning(tmp_path, socket_dir) as c:
        yield c


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that tells that it ran, by a file `sprung` beside it."""
    program = tmp_path / "trap"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >> {tmp_path}/sprung\ncat\n')
    program.chmod(0o755)
    return program


def set_hooks(clone: Path, trap: Path) -> None:
    (clone / ".git/hooks").mkdir()
    for name in HOOKS:
        (clone / ".git/hooks" / name).symlink_to(trap)


def set_commands(clone: Path, trap: Path) -> None:
    """Every key that names a program which some git may run."""
    text = f"""
[core]
fsmonitor = {trap}
hooksPath = {clone}/.git/hooks
sshCommand = {trap}
askPass = {trap}
pager = {trap}
editor = {trap}
gitProxy = {trap}
alternateRefsCommand = {trap}
[gpg]
program = {trap}
[diff]
external = {trap}
[diff "evil"]
command = {trap}
textconv = {trap}
[merge "evil"]
driver = {trap}
[credential]
helper = {trap}
[uploadpack]
packObjectsHook = {trap}
[extensions]
partialClone = evil
[remote "evil"]
promisor = true
url = ext::{trap}
uploadpack = {trap}
[alias]
status = !{trap}
rev-parse = !{trap}
pack-objects = !{trap}
[interactive]
diffFilter = {trap}
[trailer "evil"]
command = {trap}
[includeIf "gitdir:/"]
path = {clone}/.git/more
"""
    (clone / ".git/more").write_text(f"[core]\nfsmonitor = {trap}\n")
    with (clone / ".git/config").open("a") as file:
        file.write(text)


def set_filters(clone: Path, trap: Path) -> None:
    attributes = "* filter=evil diff=evil merge=evil\n"
    (clone / ".gitattributes").write_text(attributes)
    (clone / ".git/info").mkdir(exist_ok=True)
    (clone / ".git/info/attributes").write_text(attributes)
    with (clone / ".git/config").open("a") as file:
        file.write(f'[filter "evil"]\nclean = {trap}\nsmudge = {trap}\nprocess = {trap}\n')
        file.write("required = true\n[core]\nattributesFile = .git/info/attributes\n")


def set_submodule(clone: Path, trap: Path) -> None:
    """One whose own configuration waits for a `git status` of what is around it."""
    inner = clone / "inner"
    run(clone, "init", "-q", "inner")
    run(inner, *AS_EVIL, "commit", "-q", "--allow-empty", "-m", "x")
    set_commands(inner, trap)
    commit = run(inner, "--no-pager", "-c", "core.fsmonitor=false", "rev-parse", "HEAD")
    run(clone, "update-index", "--add", "--cacheinfo", f"160000,{commit},inner")


AS_EVIL = ("-c", "user.name=e", "-c", "user.email=e@localhost")


def run(directory: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words],
        cwd=directory,
        capture_output=True,
        check=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        timeout=30,
    )
    return done.stdout.strip()


async def all_of_it(c: Cloning, made: str) -> Any:
    """Everything that the harness ever does with a clone that is there."""
    await c.host.runs("alice", "one")
    await c.clones.keep_in_step()
    return await c.caller.call(
        PROPOSAL, {"agent": "bob", "commit_ref": made[:9], "description": "", "key": "k"}
    )


TRAPS = [set_hooks, set_commands, set_filters, set_submodule]


async def set_up(c: Cloning, trap: Path, put: Callable[[Path, Path], None]) -> str:
    """A commit, and a file that differs from it in content only: git has to look into it."""
    made = await c.commit("two")
    (c.bob / "agent.nix").write_text("TWO")
    os.utime(c.bob / "agent.nix", (0, 0))
    put(c.bob, trap)
    return made


@pytest.mark.parametrize("put", TRAPS)
async def test_nothing_of_it_runs(
    c: Cloning, trap: Path, put: Callable[[Path, Path], None]
) -> None:
    await c.host.configs.mark("bob", "denied", 9, await c.git("rev-parse", "main"))
    made = await set_up(c, trap, put)
    answer = await all_of_it(c, made)
    assert (answer["state"], answer["commit"]) == ("checking", made)
    assert "not as in this commit" in answer["note"]
    assert (c.bob / ".git/refs/tags/denied/9").exists()
    assert not trap.with_name("sprung").exists()


@pytest.mark.parametrize("put", TRAPS)
async def test_the_traps_work(c: Cloning, trap: Path, put: Callable[[Path, Path], None]) -> None:
    await set_up(c, trap, put)
    for words in (("update-ref", "refs/x", "HEAD"), ("status",)):
        subprocess.run(["git", *words], cwd=c.bob, capture_output=True, check=False, timeout=30)
    assert trap.with_name("sprung").exists()


async def test_a_checkout_runs_no_filter_that_files_ask_for(
    c: Cloning, trap: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(f'[filter "evil"]\nsmudge = {trap}\n[core]\nhooksPath = {tmp_path}/hooks\n')
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/post-checkout").symlink_to(trap)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(trap))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    await c.host.runs("alice", "one", **{".gitattributes": b"* filter=evil\n"})
    await c.clones.keep_in_step()
    monkeypatch.undo()
    assert (c.agents / "alice/agent.nix").read_text() == "one"
    assert not trap.with_name("sprung").exists()


async def test_a_replaced_commit_is_not_what_is_sent(c: Cloning, tmp_path: Path) -> None:
    made = await c.commit("harmless")
    await c.git("switch", "-q", "-c", "evil", "main~")
    evil = await c.commit("evil")
    await c.git("replace", made, evil)
    (c.bob / ".git/info").mkdir(exist_ok=True)
    (c.bob / ".git/info/grafts").write_text(f"{made} {evil}\n")
    (c.bob / ".git/shallow").write_text(f"{made}\n")
    answer = await all_of_it(c, made)
    assert answer["commit"] == made
    place = tmp_path / "applied/bob.incoming"
    assert await git(place, "show", f"{made}:agent.nix") == "harmless"


async def test_names_mean_nothing(c: Cloning) -> None:
    made = await c.commit("two")
    await c.git("branch", made[:9], "main~")
    await c.git("tag", made, "main~")
    assert (await all_of_it(c, made))["commit"] == made


async def test_locks_that_were_left_are_said_and_in_nobodys_way(
    c: Cloning, caplog: pytest.LogCaptureFixture
) -> None:
    made = await c.commit("two")
    for name in ("index", "HEAD", "refs/remotes/applied/main", "packed-refs", "config"):
        (c.bob / f".git/{name}.lock").touch()
    (c.bob / ".git/refs/tags/denied").write_text("in the way")
    commit = await c.git("rev-parse", "main~")
    await c.host.configs.mark("bob", "denied", 9, commit)
    await c.git("update-ref", "refs/heads/applied", commit)
    (c.bob / ".git/refs/remotes/applied/main").unlink()
    answer = await all_of_it(c, made)
    assert answer["commit"] == made
    assert "refs/tags/denied/9 cannot be written: Not a directory" in answer["note"]
    assert "refs/remotes/applied/main.lock is there" in answer["note"]
    assert len([r for r in caplog.records if "denied/9" in r.getMessage()]) == 1
    (c.bob / ".git/refs/remotes/applied/main.lock").unlink()
    (c.bob / ".git/refs/tags/denied").unlink()
    await c.clones.keep_in_step()
    assert await c.git("rev-parse", "denied/9") == commit


async def test_links_are_not_followed(c: Cloning, tmp_path: Path) -> None:
    made = await c.commit("two")
    outside = tmp_path / "outside"
    (outside / "tags").mkdir(parents=True)
    (outside / "file").write_text("theirs")
    tags = c.bob / ".git/refs/tags"
    tags.rename(tags.with_name("were"))
    tags.symlink_to(outside / "tags")
    main = c.bob / ".git/refs/remotes/applied/main"
    main.unlink()
    main.symlink_to(outside / "file")
    before = snapshot(outside)
    answer = await all_of_it(c, made)
    assert "refs/tags/deployed/1 cannot be written" in answer["note"]
    assert snapshot(outside) == before
    assert await c.git("rev-parse", "applied/main") == await c.git("rev-parse", "main~")


async def test_borrowed_objects_and_odd_indexes_do_no_harm(c: Cloning, tmp_path: Path) -> None:
    made = await c.commit("two")
    (c.bob / ".git/objects/info").mkdir(exist_ok=True)
    (c.bob / ".git/objects/info/alternates").write_text("/proc/self/root\n../objects\n/dev/zero\n")
    (c.bob / ".git/index").write_bytes(os.urandom(500))
    assert await all_of_it(c, made) == {"id": 3, "state": "checking", "commit": made}


async def test_a_pipe_in_place_of_the_index_costs_only_time(
    c: Cloning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperhive.harness.clone.LOOK_SECONDS", 0.3)
    made = await c.commit("two")
    (c.bob / ".git/index").unlink()
    os.mkfifo(c.bob / ".git/index")
    assert await all_of_it(c, made) == {"id": 3, "state": "checking", "commit": made}


async def test_a_large_work_tree_is_looked_at_in_time(c: Cloning) -> None:
    made = await c.commit("two")
    for d in range(100):
        directory = c.bob / f"d{d}"
        directory.mkdir()
        for n in range(1_000):
            os.close(os.open(directory / str(n), os.O_CREAT | os.O_WRONLY))
    assert await Clone(c.bob).differing(made) == 100
    await c.git("add", ".")
    assert await Clone(c.bob).differing(made) == 100_000
