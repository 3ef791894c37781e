"""Reading a journal that answers, is too long, does not answer, or is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hyperhive.nspawn import journal
from hyperhive.protocol.errors import InvalidField, Unavailable

BEGINNING = f"#!{sys.executable} -I\nimport sys, time\nout = sys.stdout.buffer\n"


def program(directory: Path, body: str) -> str:
    """Stands in for journalctl, which writes the newest line first."""
    path = directory / "journalctl"
    path.write_text(BEGINNING + body)
    path.chmod(0o755)
    return str(path)


async def test_lines_come_oldest_first(tmp_path: Path) -> None:
    found = program(tmp_path, 'out.write("new ü\\n".encode() + b"\\xff older\\nold\\n")')
    assert await journal.logs("alice", 10, found) == ["old", "\ufffd older", "new ü"]


async def test_what_is_asked_for(tmp_path: Path) -> None:
    found = program(tmp_path, 'print(*sys.argv[1:], sep="\\n")')
    asked = await journal.logs("alice", 12, found)
    wanted = {"--namespace=hyperhive-alice", "--unit=hyperhive-agent@alice.service", "--lines=12"}
    assert wanted < set(asked)


async def test_no_lines(tmp_path: Path) -> None:
    assert await journal.logs("alice", 10, program(tmp_path, "")) == []


async def test_a_flood_is_cut_to_the_newest_whole_lines(tmp_path: Path) -> None:
    body = 'i = 0\nwhile True:\n    out.write(b"%d " % i + b"x" * 999 + b"\\n"); i += 1'
    lines = await journal.logs("alice", 10, program(tmp_path, body))
    assert sum(map(len, lines)) <= journal.LIMIT
    assert 400 < len(lines) < 530
    assert lines[-1].startswith("0 x")
    assert all(len(line) > 999 for line in lines)


async def test_it_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SECONDS", 0.3)
    with pytest.raises(Unavailable, match=r"did not answer within 0\.3 s"):
        await journal.logs("alice", 10, program(tmp_path, "time.sleep(60)"))


async def test_a_journal_that_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"exit status 3.*namespace hyperhive-alice"):
        await journal.logs("alice", 10, program(tmp_path, "sys.exit(3)"))


async def test_without_the_program(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        await journal.logs("alice", 10, str(tmp_path / "nothing"))


@pytest.mark.parametrize("name", ["-x", "a b", "", "*"])
async def test_only_names_of_agents(name: str) -> None:
    with pytest.raises(InvalidField):
        await journal.logs(name, 10)
