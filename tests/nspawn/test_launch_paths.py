"""Opening what others may have put in the way."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperhive.nspawn import launch_paths
from hyperhive.nspawn.launch_paths import locked, open_below, open_trusted, opened, read_regular
from hyperhive.nspawn.launch_refusal import Exit, Refused

pytestmark = pytest.mark.root


@pytest.fixture
def top(tmp_path: Path) -> Iterator[int]:
    with opened(os.open(tmp_path, os.O_RDONLY)) as fd:
        yield fd


def read(top: int, limit: int = 10) -> bytes:
    return read_regular(top, "file", "/shown", limit, Exit.SETTINGS)


def test_a_file_up_to_the_limit(tmp_path: Path, top: int) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read(top) == b"0123456789"
    with pytest.raises(Refused, match=r"/shown has more than 9 bytes"):
        read(top, 9)


def test_a_pipe_does_not_hold_it_up(tmp_path: Path, top: int) -> None:
    os.mkfifo(tmp_path / "file")
    with pytest.raises(Refused, match="no regular file"):
        read(top)


@pytest.mark.parametrize("path", ["/..", "/usr/../usr", "/usr/.", "/usr/./bin"])
def test_no_component_leads_back(path: str) -> None:
    with pytest.raises(Refused, match="no path may contain"):
        open_trusted(path, Exit.POLICY)


def test_the_wrong_component_is_named_and_no_descriptor_is_kept(tmp_path: Path, top: int) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").symlink_to("/")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(Refused, match="/shown/a/b/c is a link"):
        open_below(top, ["a", "b", "c"], 0, "/shown", Exit.POLICY)
    with pytest.raises(Refused, match="/shown/a is owned by uid 0 instead of 5"):
        open_below(top, ["a", "b"], 5, "/shown", Exit.POLICY)
    assert os.listdir("/proc/self/fd") == before


def test_what_is_missing_may_have_its_own_status(top: int) -> None:
    with pytest.raises(Refused) as refused:
        open_below(top, ["a"], 0, "/shown", Exit.POLICY, missing=Exit.BUNDLE_MISSING)
    assert refused.value.status == Exit.BUNDLE_MISSING


def test_a_lock_that_is_held_is_not_waited_for_for_ever(
    tmp_path: Path, top: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_paths, "_LOCK_WAIT", 0.1)
    with opened(os.open(tmp_path, os.O_RDONLY)) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Refused) as refused, locked(top, "/shown"):
            pytest.fail("it is held")
        assert refused.value.status == Exit.BUSY
    with locked(top, "/shown"):
        pass
