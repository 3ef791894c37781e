"""A job's log is followed while it is written."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from hyperhive.flakes import logs
from hyperhive.flakes.logs import LINE_MAX, Lines, follow
from tests.support.wait import wait_for


def lines_of(*parts: bytes) -> list[str]:
    found: list[str] = []
    lines = Lines(found.append)
    for part in parts:
        lines.feed(part)
    lines.feed(b"", final=True)
    return found


def test_lines_end_where_they_end() -> None:
    assert lines_of(b"one\ntw", b"o\n\nthr", b"ee") == ["one", "two", "", "three"]
    assert lines_of(b"") == []


def test_letters_that_are_cut_are_put_together() -> None:
    assert lines_of("ü".encode()[:1], "ü".encode()[1:], b"\xff\n") == ["ü\ufffd"]


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    found: list[str] = []
    lines = Lines(found.append)
    for _ in range(10):
        lines.feed(b"x" * LINE_MAX)
    assert len(found) == 9
    assert lines_of(b"x" * (LINE_MAX + 1) + b"\n") == ["x" * LINE_MAX, "x"]


async def test_each_line_comes_while_it_is_written(tmp_path: Path) -> None:
    path, found, over = tmp_path / "log", list[str](), asyncio.Event()
    task = asyncio.create_task(follow(path, found.append, over))
    with path.open("w", buffering=1) as file:
        for line in ("first", "second"):
            file.write(f"{line}\n")
            await wait_for(lambda: found, what=line)
            assert found == [line]
            found.clear()
        file.write("last")
    over.set()
    await task
    assert found == ["last"]


async def test_no_more_is_read_than_may_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_LOG", 10)
    (tmp_path / "log").write_text("1234\n" * 100)
    found: list[str] = []
    await follow(tmp_path / "log", found.append, asyncio.Event())
    assert found == ["1234", "1234"]


@pytest.mark.parametrize("kind", ["missing", "pipe", "link", "directory"])
async def test_what_is_no_log_is_left_alone(tmp_path: Path, kind: str) -> None:
    path, found, over = tmp_path / "log", list[str](), asyncio.Event()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        (tmp_path / "secret").write_text("secret\n")
        path.symlink_to(tmp_path / "secret")
    elif kind == "directory":
        path.mkdir()
    over.set()
    async with asyncio.timeout(5):
        await follow(path, found.append, over)
    assert found == []
