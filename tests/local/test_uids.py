"""A uid for a new agent is nobody's on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperhive.local import uids
from hyperhive.protocol.errors import Unavailable
from tests.local.conftest import Hive, agent

pytestmark = pytest.mark.root

FIRST, SECOND, THIRD = uids.BASES[-3:]


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the machine had no more than three ranges."""
    monkeypatch.setattr(uids, "BASES", uids.BASES[-3:])


def test_ranges_are_those_for_containers() -> None:
    assert len(uids.BASES) > 13_000
    assert all(base % 65_536 == 0 for base in uids.BASES)
    assert uids.BASES[0] >= 1_000_000_000
    assert uids.BASES[-1] + 65_536 <= 1_879_048_192


def test_the_choice_is_random() -> None:
    chosen = {uids.choose([]) for _ in range(5)}
    assert len(chosen) > 1
    assert all(uid % 65_536 == 1_000 and uids.is_agents(uid) for uid in chosen)


@pytest.mark.usefixtures("three")
def test_what_is_taken_is_not_given_out() -> None:
    assert uids.choose([FIRST + 1_000, SECOND]) == THIRD + 1_000
    with pytest.raises(Unavailable, match="no uid range is free"):
        uids.choose([FIRST, SECOND + 65_535, THIRD])


@pytest.mark.usefixtures("three")
def test_the_uid_of_a_running_process_is_not_given_out() -> None:
    with subprocess.Popen(["sleep", "60"], user=SECOND + 7) as process:
        assert {uids.choose([FIRST]) for _ in range(20)} == {THIRD + 1_000}
        process.kill()


@pytest.mark.usefixtures("three")
def test_subordinate_ranges_are_not_given_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "subuid"
    lines = ["", "odd", "a:b:c", "old:100000:65536", f"someone:{FIRST + 100}:65536"]
    path.write_text("\n".join(lines))
    monkeypatch.setattr(uids, "_SUBORDINATE", (path, tmp_path / "missing"))
    assert {uids.choose([]) for _ in range(20)} == {THIRD + 1_000}


@pytest.mark.usefixtures("three")
async def test_agents_of_another_hive_keep_theirs_even_when_stopped(
    new_hive: Callable[[], Hive],
) -> None:
    """Its directories are found through one of its agents that runs."""
    one, other = new_hive(), new_hive()
    async with one.running("wait", "alice", "bob") as theirs, other.running("wait") as ours:
        await theirs.stop("bob")
        await ours.start(agent("alice"))
        paths = [one.files("alice"), one.files("bob"), other.files("alice")]
        assert len({(path / "state").stat().st_uid for path in paths}) == 3


async def test_an_agent_keeps_its_uid(new_hive: Callable[[], Hive]) -> None:
    hive = new_hive()
    async with hive.running("wait", "alice") as runtime:
        uid = (hive.files("alice") / "state").stat().st_uid
        await runtime.stop("alice")
        other = hive.runtime()
        await other.start(agent("alice"))
        assert {p.stat().st_uid for p in hive.files("alice").iterdir() if p.is_dir()} == {uid}
        assert {u for p in hive.processes("alice") for u in p.uids} == {uid}
        await other.stop("alice")
        await other.close()


@pytest.mark.usefixtures("shared")
def test_without_root_it_is_ours() -> None:
    assert uids.choose([]) == os.geteuid()
    assert uids.is_agents(os.geteuid())
