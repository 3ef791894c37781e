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
lock.mark("open", 7)
print("held", flush=True)
sys.stdin.read()
"""


def test_it_remembers_how_the_last_one_ended(path: Path) -> None:
    lock = Lock(path)
    assert (lock.ended, lock.commits) == ("never began", 0)
    lock.mark("open", 3)
    lock.committed(4)
    lock.release()
    lock = Lock(path)
    assert (lock.ended, lock.commits) == ("open", 4)
    lock.mark("clean", 5)
    lock.release()
    lock = Lock(path)
    assert (lock.ended, lock.commits) == ("clean", 5)
    lock.release()


@pytest.mark.parametrize("content", ["opened by hand", "clean 1", "clean 1 x\n", "\0" * 37])
def test_what_is_not_a_record_only_says_that_there_was_something(path: Path, content: str) -> None:
    path.with_name("hive.db.lock").write_text(content)
    lock = Lock(path)
    assert (lock.ended, lock.commits) == ("open", 0)
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
    assert (lock.ended, lock.commits) == ("open", 7)
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
