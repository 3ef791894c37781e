"""Log files: bounded, and opened as what they must be."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperhive.local.logs import LIMIT, TAIL, open_log, tail
from hyperhive.protocol.errors import Unavailable
from tests.local.conftest import Hive, agent, open_files


def write(path: Path, data: bytes) -> None:
    fd = open_log(path)
    os.write(fd, data)
    os.close(fd)


def test_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "harness.log"
    assert tail(path, 10) == []
    write(path, b"")
    assert tail(path, 10) == []
    write(path, b"one\ntwo\n")
    write(path, b"three\x0cstill three\n\xff")
    assert tail(path, 10) == ["one", "two", "three\x0cstill three", "\ufffd"]
    assert tail(path, 2) == ["three\x0cstill three", "\ufffd"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_tail_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "harness.log"
    write(path, b"".join(b"%07d\n" % n for n in range(TAIL // 4)))
    lines = tail(path, 10**9)
    assert lines[-1] == f"{TAIL // 4 - 1:07d}"
    assert len(lines) == TAIL // 8 - 1
    write(path, b"x" * TAIL)
    assert tail(path, 10) == []


def test_a_log_that_grew_too_long_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "harness.log"
    write(path, b"a" * LIMIT)
    write(path, b"b")
    assert path.stat().st_size == LIMIT + 1
    write(path, b"c")
    assert path.read_bytes() == b"c"
    assert (tmp_path / "harness.log.1").stat().st_size == LIMIT + 1
    write(path, b"d" * LIMIT)
    write(path, b"e")
    assert {p.name for p in tmp_path.iterdir()} == {"harness.log", "harness.log.1"}


def plant(path: Path, what: str) -> None:
    if what == "link":
        path.with_name("secret").write_text("secret")
        path.symlink_to("secret")
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()


@pytest.mark.parametrize("what", ["link", "fifo", "device", "directory"])
def test_what_is_no_log_is_neither_read_nor_written(tmp_path: Path, what: str) -> None:
    """An agent without a uid of its own can put it there."""
    path = tmp_path / "harness.log"
    plant(path, what)
    before = open_files()
    for act in (lambda: open_log(path), lambda: tail(path, 5)):
        with pytest.raises(OSError, match=r"harness\.log"):
            act()
    assert open_files() == before
    if what == "link":
        assert (tmp_path / "secret").read_text() == "secret"


async def test_then_an_agent_is_not_started(new_hive: Callable[[], Hive], shared: None) -> None:
    hive = new_hive()
    async with hive.running("wait", "alice") as runtime:
        await runtime.stop("alice")
        (hive.files("alice") / "harness.log").unlink()
        plant(hive.files("alice") / "harness.log", "fifo")
        with pytest.raises(Unavailable, match=r"alice cannot be started: .*harness\.log"):
            await runtime.start(agent("alice"))
        with pytest.raises(Unavailable, match="the log of alice cannot be read"):
            await runtime.logs("alice", 5)
        assert await runtime.logs("bob", 5) == []
