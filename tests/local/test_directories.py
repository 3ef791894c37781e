"""Directories of agents: their owners and modes, made whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperhive.local import directories, uids
from hyperhive.local.directories import Directories
from hyperhive.protocol.errors import Unavailable
from tests.local.conftest import Hive, agent

PARTS = {"state", "home", "workspace", "tmp"}


@pytest.mark.root
def test_owners_and_modes(tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        place = Directories(tmp_path / "agents").make("alice")
    finally:
        os.umask(mask)
    for directory in (tmp_path / "agents", place.root):
        found = directory.stat()
        assert (found.st_uid, found.st_mode & 0o7777) == (0, 0o711)
    assert {path.name for path in place.root.iterdir()} == PARTS
    for path in place.root.iterdir():
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (place.uid, place.uid)
        assert found.st_mode & 0o7777 == 0o700
    assert uids.is_agents(place.uid)


def test_the_place_is_found_again(tmp_path: Path) -> None:
    dirs = Directories(tmp_path / "agents")
    assert dirs.find("alice") is None
    assert dirs.names() == []
    place = dirs.make("alice")
    assert dirs.find("alice") == place == dirs.make("alice")
    assert dirs.names() == ["alice"]
    assert dirs.all() == [place]


@pytest.mark.root
@pytest.mark.parametrize("fails", ["mkdir", "chown", "rename"])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_crash_at_any_step_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, at: int
) -> None:
    """No part is ever there with another owner than the others."""
    dirs, calls = Directories(tmp_path / "agents"), iter(range(1, 100))
    target = os if fails == "chown" else Path
    real = getattr(target, fails)

    def crash(*args: object, **options: object) -> object:
        if (fails != "mkdir" or options.get("mode") == 0o700) and next(calls) == at:
            raise KeyboardInterrupt
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(target, fails, crash)
        with pytest.raises(KeyboardInterrupt):
            dirs.make("alice")
    before = dirs.find("alice")
    place = dirs.make("alice")
    assert before in (None, place)
    assert {p.name: p.stat().st_uid for p in place.root.iterdir()} == dict.fromkeys(
        PARTS, place.uid
    )


@pytest.mark.root
async def test_no_agent_runs_as_somebody_else(new_hive: Callable[[], Hive]) -> None:
    hive = new_hive()
    (hive.files("alice") / "state").mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"alice belongs to uid 0, which is no agent's; move"):
        await hive.runtime().start(agent("alice"))


def test_what_is_no_agent_is_not_listed(tmp_path: Path) -> None:
    for name in (".trash", "A", "host", "alice", "bob"):
        (tmp_path / name).mkdir()
    (tmp_path / "carol").write_text("")
    (tmp_path / "dave").symlink_to("alice")
    assert sorted(Directories(tmp_path).names()) == ["alice", "bob"]
    (tmp_path / "alice" / "state").symlink_to("/")
    assert Directories(tmp_path).all() == []


def test_a_place_is_removed_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge that breaks off has taken the name away, and the next one ends it."""
    dirs = Directories(tmp_path / "agents")
    for name in ("a", "a-b"):
        (dirs.make(name).home / "file").write_text("text")

    def refuse(parent: Path, name: str) -> None:
        raise OSError(16, "Device or resource busy", name)

    with monkeypatch.context() as patch:
        patch.setattr(directories, "remove_tree", refuse)
        with pytest.raises(OSError, match="busy"):
            dirs.remove("a")
    assert dirs.names() == ["a-b"]
    trash = tmp_path / "agents" / ".trash"
    assert trash.stat().st_mode & 0o777 == 0o700
    assert len(list(trash.iterdir())) == 1
    dirs.remove("a-b")
    assert len(list(trash.iterdir())) == 1
    dirs.remove("a")
    assert list(trash.iterdir()) == []
