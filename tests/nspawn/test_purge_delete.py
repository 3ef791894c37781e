"""Trees that are made to harm whoever deletes them; a sentinel outside must stay as it is."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyperhive.nspawn.purge_delete import Deletion
from tests.nspawn.purge_sentinel import Sentinel

pytestmark = pytest.mark.root


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[Sentinel]:
    sentinel = Sentinel(tmp_path / "outside")
    yield sentinel
    sentinel.check()


@pytest.fixture
def trash(tmp_path: Path) -> Path:
    path = tmp_path / "trash"
    path.mkdir(0o700)
    return path


def delete(trash: Path) -> Deletion:
    fd = os.open(trash, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deletion = Deletion(fd, "alice.")
        deletion.run()
        return deletion
    finally:
        os.close(fd)


def run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, timeout=30)


def links_everywhere(top: Path, sentinel: Sentinel) -> None:
    (top / "absolute").symlink_to(sentinel.directory)
    (top / "relative").symlink_to("../../outside/directory")
    (top / "to the file").symlink_to(sentinel.file)
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/deeper").symlink_to(sentinel.directory)
    (top / "around").symlink_to(".")
    (top / "up").symlink_to("..")
    (top / "nowhere").symlink_to("/nonexistent")
    (top / "root").symlink_to("/")


def link_at_the_top(top: Path, sentinel: Sentinel) -> None:
    top.rmdir()
    top.symlink_to(sentinel.directory)


def magic_links(top: Path, sentinel: Sentinel) -> None:
    (top / "cwd").symlink_to("/proc/self/cwd")
    (top / "root").symlink_to("/proc/self/root")
    (top / "fd").symlink_to("/proc/self/fd/0")


def hard_links(top: Path, sentinel: Sentinel) -> None:
    for number in range(100):
        os.link(sentinel.file, top / str(number))


def odd_names(top: Path, sentinel: Sentinel) -> None:
    for name in (
        b"-rf",
        b"--",
        b"a\nb",
        b"\xff\xfe",
        b" ",
        b"*",
        b"$(id)",
        b"~",
        b"...",
        b"x" * 255,
    ):
        os.mkdir(os.fsencode(top) + b"/" + name)
        for inner in (name, b"alice.0123"):
            with open(os.fsencode(top) + b"/" + name + b"/" + inner, "w"):
                pass


def special_files(top: Path, sentinel: Sentinel) -> None:
    os.mkfifo(top / "fifo")
    os.mknod(top / "null", 0o666 | 0o020000, os.makedev(1, 3))
    os.mknod(top / "disk", 0o666 | 0o060000, os.makedev(7, 99))
    with socket.socket(socket.AF_UNIX) as server:
        fd = os.open(top, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{fd}/socket")
        os.close(fd)


def closed_directories(top: Path, sentinel: Sentinel) -> None:
    (top / "a/b/c").mkdir(parents=True)
    (top / "a/b/c/file").touch(0)
    for name in ("a/b/c", "a/b", "a"):
        (top / name).chmod(0)
    top.chmod(0)


def setuid_files(top: Path, sentinel: Sentinel) -> None:
    for mode in (0o4777, 0o2777, 0o1777, 0o0):
        (top / f"{mode:o}").touch()
        (top / f"{mode:o}").chmod(mode)


def sparse_file(top: Path, sentinel: Sentinel) -> None:
    with (top / "huge").open("wb") as file:
        file.truncate(2**40)


def many_files(top: Path, sentinel: Sentinel) -> None:
    for number in range(5_000):
        os.close(os.open(top / str(number), os.O_CREAT))


def wide(top: Path, sentinel: Sentinel) -> None:
    for number in range(1_000):
        os.makedirs(top / str(number) / "a")


def long_path(top: Path, sentinel: Sentinel) -> None:
    fd = os.open(top, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("y" * 255, dir_fd=fd)
        inner = os.open("y" * 255, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.symlink(sentinel.directory, "out", dir_fd=fd)
    os.close(fd)


def immutable(top: Path, sentinel: Sentinel) -> None:
    (top / "directory/inner").mkdir(parents=True)
    (top / "directory/file").touch()
    (top / "append").touch()
    run("chattr", "+i", top / "directory/file", top / "directory/inner", top / "directory")
    run("chattr", "+a", top / "append", top)


def foreign_owners(top: Path, sentinel: Sentinel) -> None:
    (top / "a").mkdir()
    for uid in (0, 1000, 65_534, 2**31):
        (top / f"a/{uid}").touch()
        os.chown(top / f"a/{uid}", uid, uid)
    os.chown(top / "a", 1000, 1000)


def names_of_the_trash(top: Path, sentinel: Sentinel) -> None:
    for name in ("alice.0", "bob.0", "trash", "agents"):
        (top / name / "alice.0").mkdir(parents=True)


def loop_of_hard_links(top: Path, sentinel: Sentinel) -> None:
    (top / "a").touch()
    (top / "b").mkdir()
    for number in range(1_000):
        os.link(top / "a", top / f"b/{number}")


def just_a_file(top: Path, sentinel: Sentinel) -> None:
    top.rmdir()
    os.link(sentinel.file, top)


def a_fifo(top: Path, sentinel: Sentinel) -> None:
    top.rmdir()
    os.mkfifo(top)


def a_repository(top: Path, sentinel: Sentinel) -> None:
    run("git", "init", "-q", top / "work")
    (top / "work/.git/objects/info/alternates").write_text(str(sentinel.directory))


def attributes(top: Path, sentinel: Sentinel) -> None:
    (top / "a").touch()
    os.setxattr(top / "a", "user.much", b"x" * 1_000)
    os.setxattr(top / "a", "trusted.overlay.redirect", b"/")
    os.setxattr(top, "trusted.overlay.opaque", b"y")


TREES: list[Callable[[Path, Sentinel], None]] = [
    *(links_everywhere, link_at_the_top, magic_links, hard_links, odd_names, special_files),
    *(closed_directories, setuid_files, sparse_file, many_files, wide, long_path, immutable),
    *(foreign_owners, names_of_the_trash, loop_of_hard_links, just_a_file, a_fifo),
    *(a_repository, attributes),
]


@pytest.mark.parametrize("make", TREES)
def test_a_hostile_tree_is_deleted_and_nothing_else(
    trash: Path, sentinel: Sentinel, make: Callable[[Path, Sentinel], None]
) -> None:
    top = trash / "alice.0123"
    top.mkdir()
    make(top, sentinel)
    (trash / "alice-x.0123").mkdir()
    deletion = delete(trash)
    assert deletion.problems == []
    assert os.listdir(trash) == ["alice-x.0123"]


def test_depth_does_not_matter(trash: Path) -> None:
    (trash / "alice.0").mkdir()
    fd = os.open(trash / "alice.0", os.O_RDONLY)
    for _ in range(20_000):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    assert delete(trash).left == 0
    assert os.listdir(trash) == []


@pytest.fixture(params=["tmpfs", "bind", "file", "top"])
def mounted(request: pytest.FixtureRequest, trash: Path, sentinel: Sentinel) -> Iterator[Path]:
    point = trash / "alice.0123" / ("" if request.param == "top" else "a/point")
    point.parent.mkdir(parents=True, exist_ok=True)
    if request.param == "tmpfs":
        point.mkdir()
        run("mount", "-t", "tmpfs", "tmpfs", point)
        (point / "kept").touch()
    elif request.param == "file":
        point.touch()
        run("mount", "--bind", sentinel.file, point)
    else:
        point.mkdir(exist_ok=True)
        run("mount", "--bind", sentinel.directory, point)
    yield point
    for moved in mount_points(trash):  # with what is above it
        run("umount", moved)


def mount_points(below: Path) -> list[str]:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point.startswith(f"{below}/")]


@pytest.mark.usefixtures("mounted")
def test_what_is_mounted_is_left_and_the_rest_deleted(trash: Path) -> None:
    for number in range(3):
        (trash / f"alice.{number}/a").mkdir(parents=True)
    deletion = delete(trash)
    assert deletion.left >= 1
    assert deletion.problems
    (point,) = mount_points(trash)
    left = [str(path) for path in trash.iterdir()]
    assert left == [point] or left == [os.path.dirname(point)]


def test_a_repetition_after_a_crash_deletes_the_rest(trash: Path, sentinel: Sentinel) -> None:
    class Crash(BaseException):
        pass

    class Crashing(Deletion):
        steps = 0

        def _move(self, directory: int, name: str) -> None:
            super()._move(directory, name)
            Crashing.steps -= 1
            if Crashing.steps == 0:
                raise Crash

    crashes = 0
    for step in range(1, 12):
        (trash / "alice.0").mkdir()
        for name in ("a/b/c", "d/e"):
            (trash / "alice.0" / name).mkdir(parents=True)
            links_everywhere(trash / "alice.0" / name, sentinel)
        Crashing.steps = step
        fd = os.open(trash, os.O_RDONLY | os.O_DIRECTORY)
        try:
            Crashing(fd, "alice.").run()
        except Crash:
            crashes += 1
        finally:
            os.close(fd)
        assert delete(trash).left == 0
        assert os.listdir(trash) == []
    assert crashes > 5
