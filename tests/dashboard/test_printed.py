"""Logs of deploys: read in parts, bounded, and nothing in them hidden."""

from __future__ import annotations

import asyncio
import time

import pytest

from hyperhive.dashboard import printed
from hyperhive.dashboard.printed import LINES, MAX_LINE, MAX_TEXT, end_of, parts, since
from hyperhive.protocol.errors import Unavailable
from tests.support.deploying import PART, Workshop


async def test_nothing_was_printed(shop: Workshop) -> None:
    assert await end_of(shop.builds, 1) == printed.Printed("", 0)
    assert await since(shop.builds, 1, 0) == printed.Printed("", 0)
    assert [part async for part in parts(shop.builds, 1)] == []


async def test_it_goes_on_where_it_was(shop: Workshop) -> None:
    shop.builds.print(1, "one\ntwo\nthr")
    first = await end_of(shop.builds, 1)
    assert first == printed.Printed("one\ntwo\n", 8)
    shop.builds.print(1, "ee\nfour ü\n")
    assert await since(shop.builds, 1, first.next) == printed.Printed("three\nfour ü\n", 22)


async def test_the_end_of_a_long_one(shop: Workshop) -> None:
    shop.builds.print(1, "".join(f"line {n}\n" for n in range(300_000)))
    found = await end_of(shop.builds, 1)
    lines = found.text.splitlines()
    assert lines == [f"line {n}" for n in range(300_000 - LINES, 300_000)]
    assert found.next == len(shop.builds.printed[1]) > 10 * PART


async def test_long_lines_are_bounded_and_so_is_all_of_them(shop: Workshop) -> None:
    shop.builds.print(1, "".join(f"{n} {'x' * 3_990}\n" for n in range(2_000)))
    lines = (await end_of(shop.builds, 1)).text.splitlines()
    assert {len(line) for line in lines} == {MAX_LINE + 1}
    assert lines[-1].startswith("1999 xx")
    assert lines[-1].endswith("x…")
    assert MAX_TEXT // 4_000 - 2 < len(lines) <= MAX_TEXT // 3_990
    assert all(line[0].isdigit() for line in lines)  # none without its beginning


async def test_a_single_line_without_an_end_is_shown(shop: Workshop) -> None:
    class Endless(type(shop.builds)):  # type: ignore[misc]  # a class made at run time
        async def log(self, deploy: int, offset: int) -> tuple[str, int]:
            return "x" * (MAX_TEXT + 1 - offset), MAX_TEXT + 1

    shop.builds.__class__ = Endless
    assert (await since(shop.builds, 1, 0)).text == "x" * MAX_LINE + "…\n"


async def test_what_would_not_show_is_drawn(shop: Workshop) -> None:
    shop.builds.print(1, "\x1b[31mred\u202e\x00 \ttab\r\nover\rwritten\n")
    shown = (await end_of(shop.builds, 1)).text
    assert shown == "\\x1b[31mred\\u202e\\x00 \ttab\nover\\x0dwritten\n"


async def test_eight_mebibytes_are_read_while_others_are_served(shop: Workshop) -> None:
    shop.builds.print(1, "ünïcode is not the fast case, and not the seldom one\n" * 155_000)
    assert len(shop.builds.printed[1]) > 8 * 2**20
    began = time.monotonic()
    found = await end_of(shop.builds, 1)
    assert time.monotonic() - began < 2
    assert found.text.count("\n") == LINES


async def test_a_log_that_does_not_come_is_not_waited_for(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(deploy: int, offset: int) -> tuple[str, int]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(printed, "READ_SECONDS", 0.01)
    monkeypatch.setattr(shop.builds, "log", hang)
    with pytest.raises(Unavailable, match="cannot be read in time"):
        await end_of(shop.builds, 1)
