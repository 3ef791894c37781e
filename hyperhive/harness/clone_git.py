"""Runs git on the objects of a clone, without reading anything else of it.

The agent may write everything in its clone, and git runs what a configuration, hooks and attributes
name. So git is given a repository of our own, empty and made for one use, and of the clone only
its objects (GIT_OBJECT_DIRECTORY, git(1)): they are data.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hyperhive.harness.programs import run
from hyperhive.protocol.errors import Unavailable

SECONDS = 30.0
OUTPUT_MAX = 4 * 2**20

_SETTINGS = {
    "core.attributesFile": "/dev/null",
    "core.commitGraph": "false",  # a cache, which may lie
    "core.excludesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.multiPackIndex": "false",
    "core.untrackedCache": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
}
_ENVIRONMENT = {
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
}


class GitFailed(Unavailable):
    """git ended with an exit status that was not expected."""


class Git:
    """git with these objects; `digits` is how long an id is there."""

    def __init__(self, repository: Path, objects: Path, digits: int) -> None:
        self._repository = repository
        self._objects = objects
        self.digits = digits

    async def __call__(
        self,
        *arguments: str,
        given: bytes = b"",
        also: Mapping[str, str] | None = None,
        limit: int = OUTPUT_MAX,
        seconds: float = SECONDS,
    ) -> bytes:
        """What it wrote. Raises GitFailed, TooLarge, Unavailable."""
        where = {"GIT_DIR": str(self._repository), "GIT_OBJECT_DIRECTORY": str(self._objects)}
        return await git(
            *arguments, given=given, also={**where, **(also or {})}, limit=limit, seconds=seconds
        )

    def set_head(self, commit: str) -> None:
        (self._repository / "HEAD").write_text(f"{commit}\n")

    async def known(self, ids: Sequence[str], kind: str = "") -> list[str]:
        """Those of them that are here, as this kind of object if one is named."""
        asked = "".join(f"{each}\n" for each in ids).encode()
        answer = await self("cat-file", "--batch-check=%(objectname) %(objecttype)", given=asked)
        found = [line.split() for line in answer.decode(errors="replace").splitlines()]
        return [name for name, what, *_ in found if what != "missing" and kind in ("", what)]


async def git(
    *arguments: str,
    given: bytes = b"",
    also: Mapping[str, str] | None = None,
    limit: int = OUTPUT_MAX,
    seconds: float = SECONDS,
) -> bytes:
    """git by itself, as `Git` without a repository."""
    settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
    environment = {**_ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath), **(also or {})}
    ended = await run(
        ["git", "--no-pager", *settings, *arguments],
        environment=environment,
        seconds=seconds,
        limit=limit,
        given=given,
    )
    if ended.status != 0:
        said = ended.errors[:2_000].decode(errors="replace").strip().removeprefix("fatal: ")
        raise GitFailed(f"git {arguments[0]}: {said or f'exit status {ended.status}'}")
    return ended.output


@contextmanager
def git_for(objects: Path, digits: int) -> Iterator[Git]:
    """For ids of 40 (SHA-1) or 64 (SHA-256) digits."""
    with tempfile.TemporaryDirectory(prefix="hyperhive-git-") as place:
        repository = Path(place)
        (repository / "refs").mkdir()
        (repository / "HEAD").write_text("ref: refs/heads/none\n")
        (repository / "config").write_text(_FORMATS[digits])
        yield Git(repository, objects, digits)


_FORMATS = {
    40: "[core]\nrepositoryformatversion = 0\nbare = true\n",
    64: "[core]\nrepositoryformatversion = 1\nbare = true\n[extensions]\nobjectformat = sha256\n",
}
