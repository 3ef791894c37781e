"""The lock file: one holder, and a mark that tells how the last one ended."""

import subprocess
import sys
from pathlib import Path

import pytest

from hyperhive.store.failures import DatabaseRefused
from hyperhive.store.lock import Lock

HOLDER = """
import sys, pathlib
from hyperhive.store.lock import Lock
lock = Lock(pathlib.Path(sys.argv[1]))
lock.write("open")
print("held", flush=True)
sys.stdin.read()
"""


def test_the_mark_survives_and_is_empty_at_first(path: Path) -> None:
    lock = Lock(path)
    assert lock.mark == ""
    for mark in ("open", "closing", "clean"):
        lock.write(mark)
        assert lock.mark == mark
    lock.release()
    again = Lock(path)
    assert again.mark == "clean"
    again.release()


def test_what_is_not_a_mark_is_not_taken_for_one(path: Path) -> None:
    lock = Lock(path)
    lock.path.write_text("opened by hand")
    assert lock.mark == "unknown"
    lock.release()


def test_another_process_is_named_and_its_death_frees_the_lock(path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(DatabaseRefused) as refusal:
        Lock(path)
    assert f"{path}.lock: another hyperhive (process {holder.pid})" in refusal.value.message
    assert "stop that one first" in refusal.value.message
    holder.kill()
    holder.communicate()
    lock = Lock(path)
    assert lock.mark == "open"
    lock.release()


def test_a_lock_file_that_is_a_link_is_not_followed(path: Path) -> None:
    target = path.with_name("elsewhere")
    path.with_name("hive.db.lock").symlink_to(target)
    with pytest.raises(DatabaseRefused, match="check its owner and mode"):
        Lock(path)
    assert not target.exists()


def test_without_a_directory_there_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused, match="No such file or directory"):
        Lock(tmp_path / "absent" / "hive.db")
