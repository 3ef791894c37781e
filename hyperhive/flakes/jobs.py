"""The directories of jobs, through which files pass between the service and Nix's user.

    ID/        in/request.json, in/flake/...    what is asked; the other user reads it
               out/log, out/result.json         what came of it; the other user writes it

The parent is setgid, so that all of them have the other user's group from the start.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hyperhive.protocol import wire
from hyperhive.protocol.builds import JOB_PATTERN, Request
from hyperhive.protocol.errors import Conflict, InvalidField, Unavailable

log = logging.getLogger(__name__)

_ID = re.compile(JOB_PATTERN)


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    path: Path

    @property
    def flake(self) -> Path:
        return self.path / "in/flake"

    @property
    def out(self) -> Path:
        return self.path / "out"


class Jobs:
    """All jobs of one hive. Everything blocks, and raises Unavailable where it is not let."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def ids(self) -> Iterator[str]:
        """Of every job that is there, whoever left it."""
        try:
            names = os.listdir(self._directory)
        except OSError as error:
            raise Unavailable(f"{self._directory}: {error.strerror}") from None
        return filter(_ID.fullmatch, names)

    def make(self, number: int, request: Request) -> Job:
        """Raises Conflict where there is one of this number."""
        job = self.job(str(number))
        try:
            self._make(job, request)
        except FileExistsError:
            raise Conflict(f"there is a job {job.id} already") from None
        except OSError as error:
            raise Unavailable(f"{job.path} cannot be made: {error.strerror}") from None
        return job

    def _make(self, job: Job, request: Request) -> None:
        job.path.mkdir(mode=0o700)
        for name, mode in (("in", 0o750), ("out", 0o770)):
            (job.path / name).mkdir(mode=0o700)
            (job.path / name).chmod(mode)
        job.path.chmod(0o750)
        given = {key: value for key, value in asdict(request).items() if value is not None}
        write_plain(job.path / "in/request.json", wire.dumps(given))

    def add_flake(self, job: Job, flake: Path, agent: str) -> None:
        """The host's own, which is trusted, with the agent's name in `host.json`."""
        try:
            _copy(flake, job.flake)
            write_plain(job.flake / "host.json", wire.dumps({"name": agent}))
        except OSError as error:
            raise Unavailable(f"{flake} cannot be copied: {error}") from None

    def remove(self, id: str) -> None:
        """What cannot be removed is logged: its files are another user's."""
        shutil.rmtree(self.job(id).path, onerror=_complain)

    def job(self, id: str) -> Job:
        if not _ID.fullmatch(id):
            raise InvalidField("job", "must have 1 to 12 digits")
        return Job(id, self._directory / id)


def write_plain(path: Path, text: str) -> None:
    """Readable for whoever may enter the directory, whatever the umask."""
    path.write_text(text)
    path.chmod(0o644)


def _copy(source: Path, target: Path) -> None:
    """Links are followed: on NixOS the source is links into the store."""
    target.mkdir()
    target.chmod(0o755)
    for path in source.iterdir():
        copy = target / path.name
        if path.is_dir():
            _copy(path, copy)
        else:
            shutil.copyfile(path, copy)
            copy.chmod(0o644)


def _complain(_: object, path: str, __: object) -> None:
    if os.path.lexists(path):
        log.warning("%s cannot be removed", path)
