"""Trees that somebody hostile has filled are deleted, and nothing else."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyperhive.local import removal
from hyperhive.local.removal import remove_tree
from tests.local.conftest import open_files


def tree_of(path: Path) -> dict[str, tuple[int, ...]]:
    """What a sentinel must keep: inode, mode, owner, size, time of change of all in it."""
    found = [path, *path.rglob("*")]
    stats = {str(p): p.lstat() for p in found}
    return {
        p: (s.st_ino, s.st_mode, s.st_uid, s.st_gid, s.st_size, s.st_mtime_ns)
        for p, s in stats.items()
    }


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[Path]:
    """A directory outside that must stay as it is."""
    directory = tmp_path / "sentinel"
    (directory / "inner").mkdir(parents=True)
    (directory / "file").write_text("precious")
    (directory / "inner" / "file").write_text("precious")
    before = tree_of(directory)
    yield directory
    assert tree_of(directory) == before


def links(tree: Path, sentinel: Path) -> None:
    targets = (str(sentinel), str(sentinel / "file"), "/", "..", "../../sentinel")
    for number, target in enumerate(targets):
        (tree / f"link{number}").symlink_to(target)
    (tree / "dangling").symlink_to("nowhere")
    (tree / "loop").symlink_to("loop")
    (tree / "directory").mkdir()
    (tree / "directory" / "link").symlink_to(sentinel)


def hard_link(tree: Path, sentinel: Path) -> None:
    os.link(sentinel / "file", tree / "hard")


def odd_names(tree: Path, sentinel: Path) -> None:
    for name in (b"-rf", b"a\nb", b"x" * 255, b"\xff\xfe", b" ", b"\\", b"*", b"..."):
        (tree / os.fsdecode(name)).write_text("")
        (tree / os.fsdecode(b"d" + name[:200])).mkdir()


def special_files(tree: Path, sentinel: Path) -> None:
    os.mkfifo(tree / "fifo")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(tree):
        listener.bind("socket")


def closed(tree: Path, sentinel: Path) -> None:
    """Directories closed to their owner, and files that cannot be written."""
    for mode in (0o000, 0o100, 0o200, 0o400, 0o555):
        directory = tree / f"{mode:o}"
        (directory / "inner").mkdir(parents=True)
        (directory / "inner" / "file").write_text("")
        (directory / "inner").chmod(mode)
        directory.chmod(mode)
    (tree / "file").write_text("")
    (tree / "file").chmod(0o000)


def deep(tree: Path, sentinel: Path) -> None:
    """Deeper than Python recurses, than descriptors last, and than a path may be long."""
    top = os.open(tree, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("directory", dir_fd=top)
        below = os.open("directory", os.O_RDONLY, dir_fd=top)
        os.close(top)
        top = below
    os.symlink(sentinel, "link", dir_fd=top)
    os.close(top)


def many(tree: Path, sentinel: Path) -> None:
    """More than are taken at once."""
    for number in range(250):
        (tree / str(number)).touch()
    for number in range(150):
        (tree / f"d{number}").mkdir()


@pytest.mark.parametrize(
    "fill",
    [links, hard_link, odd_names, special_files, closed, deep, many],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("user", ["root", "shared"])
def test_a_hostile_tree_goes_and_nothing_else(
    fill: Callable[[Path, Path], None],
    user: str,
    sentinel: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if user == "shared":
        request.getfixturevalue("shared")
    elif os.geteuid() != 0:
        pytest.skip("needs uid 0")
    trash = tmp_path / "trash"
    (trash / "alice.1").mkdir(parents=True)
    fill(trash / "alice.1", sentinel)
    before = open_files()
    monkeypatch.setattr(removal, "_AT_ONCE", 100)
    remove_tree(trash, "alice.1")
    assert list(trash.iterdir()) == []
    assert open_files() == before


@pytest.mark.root
def test_trees_closed_to_their_owner_go_without_root(tmp_path: Path) -> None:
    """As another user, for whom modes count."""
    trash = tmp_path / "trash"
    (trash / "alice.1").mkdir(parents=True)
    closed(trash / "alice.1", tmp_path)
    subprocess.run(["chown", "-R", "65534:65534", str(trash)], check=True)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65_534)
            os.setuid(65_534)
            remove_tree(trash, "alice.1")
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert status == 0
    assert list(trash.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "file", "fifo"])
def test_what_is_no_directory_at_all(kind: str, sentinel: Path, tmp_path: Path) -> None:
    trash = tmp_path / "trash"
    trash.mkdir()
    if kind == "link":
        (trash / "alice.1").symlink_to(sentinel)
    elif kind == "file":
        (trash / "alice.1").write_text("")
    else:
        os.mkfifo(trash / "alice.1")
    remove_tree(trash, "alice.1")
    assert list(trash.iterdir()) == []


def test_a_tree_that_is_changed_meanwhile(sentinel: Path, tmp_path: Path) -> None:
    """Somebody swaps a directory for a link to the sentinel, over and over."""
    trash, done = tmp_path / "trash", threading.Event()
    trash.mkdir()

    def swap() -> None:
        while not done.is_set():
            for path in list(trash.glob("alice.*/swapped"))[:1]:
                with contextlib.suppress(OSError):
                    path.rename(path.with_name("aside"))
                    path.symlink_to(sentinel)
                    path.unlink()
                    path.with_name("aside").rename(path)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for number in range(200):
            (tmp_path / "new" / "swapped").mkdir(parents=True)
            (tmp_path / "new" / "swapped" / "file").write_text("")
            (tmp_path / "new").rename(trash / f"alice.{number}")
            for name in os.listdir(trash):
                with contextlib.suppress(OSError):  # it is tried again
                    remove_tree(trash, name)
    finally:
        done.set()
        swapper.join()
    for name in list(os.listdir(trash)):
        remove_tree(trash, name)
    assert list(trash.iterdir()) == []
