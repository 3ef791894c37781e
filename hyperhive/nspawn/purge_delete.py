"""Deletes trees that somebody hostile has filled, and may still be changing.

Each directory in them is moved up to the trash, where only root can reach it, and is emptied there.
So neither depth nor the length of paths matter, one name below one descriptor is all that
is ever looked up, and what is swapped for a link meanwhile is deleted as a link.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field

from hyperhive.nspawn import purge_flags
from hyperhive.nspawn.launch_paths import DIRECTORY

_SHOWN = 10
_TRIES = 100
"""Rounds over one directory into which somebody alive puts new entries as fast as they go."""


@dataclass(slots=True)
class Deletion:
    """What one purge deletes from the trash, an open directory of root's with mode 0700."""

    trash: int
    prefix: str
    """Of every name in the trash that belongs to it."""
    problems: list[str] = field(default_factory=list)
    """The first few; `left` counts all."""
    left: int = 0
    _waiting: list[str] = field(default_factory=list)

    def fresh_name(self) -> str:
        return self.prefix + os.urandom(8).hex()

    def run(self) -> None:
        """Delete everything whose name begins with `prefix`; what cannot be is in `problems`."""
        mount = mount_id(self.trash)
        self._waiting = [name for name in os.listdir(self.trash) if name.startswith(self.prefix)]
        while self._waiting:
            name = self._waiting.pop()
            try:
                self._delete(name, mount)
            except FileNotFoundError:
                continue  # another purge of this agent was faster
            except OSError as error:
                self._leave(name, error)

    def _delete(self, name: str, mount: int) -> None:
        if not stat.S_ISDIR(os.lstat(name, dir_fd=self.trash).st_mode):
            _unlink(self.trash, name)
            return
        fd = os.open(name, DIRECTORY, dir_fd=self.trash)
        try:
            if mount_id(fd) != mount:
                raise OSError("something is mounted there")
            purge_flags.clear(fd)
            self._empty(fd)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=self.trash)

    def _empty(self, directory: int) -> None:
        """Directories in it are moved to the trash, all else is deleted."""
        stuck: dict[str, OSError] = {}
        for _ in range(_TRIES):
            if not self._go_through(directory, stuck):
                break
        for name, problem in stuck.items():
            self._leave(name, problem)

    def _go_through(self, directory: int, stuck: dict[str, OSError]) -> bool:
        """One round, without the names that are `stuck`; whether there were others."""
        found = False
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name not in stuck:
                    found = True
                    try:
                        self._remove(directory, entry)
                    except FileNotFoundError:
                        pass  # somebody moved it: the next round may find it
                    except OSError as error:
                        stuck[entry.name] = error
        return found

    def _remove(self, directory: int, entry: os.DirEntry[str]) -> None:
        """What it is may change at any time: neither way follows a link."""
        if entry.is_dir(follow_symlinks=False):
            self._move(directory, entry.name)
            return
        try:
            _unlink(directory, entry.name)
        except IsADirectoryError:
            self._move(directory, entry.name)

    def _move(self, directory: int, name: str) -> None:
        target = self.fresh_name()
        try:
            _rename(directory, name, self.trash, target)
        except PermissionError:
            if not purge_flags.clear_entry(directory, name):
                raise
            _rename(directory, name, self.trash, target)
        self._waiting.append(target)

    def _leave(self, name: str, error: OSError) -> None:
        self.left += 1
        if len(self.problems) < _SHOWN:
            self.problems.append(f"{name[:100]!r}: {error.strerror or error}")


def mount_id(fd: int) -> int:
    """Of the mount that an open file is on (proc(5), fdinfo): bind mounts share a device."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["mnt_id"])


def _rename(source: int, name: str, target: int, new: str) -> None:
    os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)


def _unlink(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except PermissionError:
        if not purge_flags.clear_entry(directory, name):
            raise
        os.unlink(name, dir_fd=directory)
