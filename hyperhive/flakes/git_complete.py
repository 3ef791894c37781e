"""Checks that a commit from others has all that it needs, and not too much of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hyperhive.flakes.git_log import MAX_COMMIT
from hyperhive.flakes.git_program import git
from hyperhive.protocol.errors import InvalidField, TooLarge

MAX_NEW_COMMITS = 1_000


async def check_complete(repository: Path, commit: str, known: Iterable[str]) -> None:
    """Beyond the commits that are `known`, whose objects are there.

    Raises InvalidField, TooLarge; GitFailed where something is missing, or not what it should be.
    """
    kind = (await _of(repository, "objecttype", [commit]))[0]
    if kind != "commit":
        missing = kind.endswith("missing")
        problem = "is not in the pack" if missing else f"names a {kind}, not a commit"
        raise InvalidField("commit", problem)
    walk = "\n".join([commit, *(f"^{id}" for id in known), ""]).encode()
    await _check_commits(repository, walk)
    await git(repository, "rev-list", "--objects", "--quiet", "--stdin", given=walk)


async def _check_commits(repository: Path, walk: bytes) -> None:
    count = f"--max-count={MAX_NEW_COMMITS + 1}"
    new = (await git(repository, "rev-list", count, "--stdin", given=walk)).decode().split()
    if len(new) > MAX_NEW_COMMITS:
        raise TooLarge(f"it has more than {MAX_NEW_COMMITS} new commits")
    sizes = await _of(repository, "objectsize", new)
    for id, size in zip(new, sizes, strict=True):
        if int(size) > MAX_COMMIT:
            raise TooLarge(f"commit {id[:12]} itself has {size} bytes, more than {MAX_COMMIT}")


async def _of(repository: Path, what: str, ids: list[str]) -> list[str]:
    given = "".join(f"{id}\n" for id in ids).encode()
    answer = await git(repository, "cat-file", f"--batch-check=%({what})", given=given)
    return answer.decode().splitlines()
