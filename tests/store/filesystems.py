"""Filesystems in files, on loop devices: small, and cut off at any moment."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def make_ext4(image: Path, size: int) -> None:
    with image.open("wb") as file:
        file.truncate(size)
    # No blocks kept for root, and the inode tables written now and not later by the kernel.
    options = ["-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
    subprocess.run(["mkfs.ext4", "-q", *options, image], check=True)


@contextmanager
def mounted(image: Path, target: Path) -> Iterator[Path]:
    """Mounted so that only fsync writes: the kernel's own commit is minutes away."""
    target.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop,commit=300", image, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)


def cut(image: Path, copy: Path) -> None:
    """What the device has at this moment, without what the page cache would still write to it."""
    subprocess.run(["cp", "--sparse=always", image, copy], check=True)


@contextmanager
def filled(directory: Path) -> Iterator[Path]:
    """The filesystem without a free block, until the yielded file is deleted."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
        os.fsync(file.fileno())
    try:
        yield filler
    finally:
        filler.unlink(missing_ok=True)
