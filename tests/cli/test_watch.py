"""Following an agent's log, as it is written."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

import pytest

from hyperhive.cli.watch import fresh_lines
from tests.support.real_service import Swarm


@pytest.mark.parametrize(
    ("before", "now", "fresh"),
    [
        ("", "", ""),
        ("", "ab", "ab"),
        ("ab", "ab", ""),
        ("ab", "abc", "c"),
        ("abc", "bcd", "d"),
        ("abab", "ababab", "ab"),
        ("abc", "xyz", "xyz"),
        ("abc", "", ""),
        ("aaaa", "aaaa", ""),
    ],
)
def test_what_is_new_is_what_comes_after_the_overlap(before: str, now: str, fresh: str) -> None:
    assert fresh_lines(list(before), list(now)) == list(fresh)


def test_a_log_is_followed(service: Swarm, start: Callable[..., subprocess.Popen[bytes]]) -> None:
    log = service.root / "agents" / "bob" / "harness.log"
    log.write_text("one\ntwo\n")
    child = start("logs", "bob", "-n", "1", "--follow", stdout=subprocess.PIPE)
    try:
        assert child.stdout
        assert child.stdout.readline() == b"two\n"
        with log.open("ab") as file:
            file.write(b"\x1b[2Jthree\nfour\n")
        assert child.stdout.readline() == b"\\u001b[2Jthree\n"
        assert child.stdout.readline() == b"four\n"
    finally:
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 130
        child.communicate()
        log.unlink()
