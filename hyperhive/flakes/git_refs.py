"""What commits and refs of one bare repository are called, and who descends from whom.

Only full ids of commits, and names of refs that are made here, ever reach git's command line.
"""

from __future__ import annotations

import re
from pathlib import Path

from hyperhive.flakes.git_objects import write_tag
from hyperhive.flakes.git_program import GitFailed, git
from hyperhive.protocol.errors import Conflict, InvalidField, NotFound

MAIN = "refs/heads/main"
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TAG = re.compile(r"[a-z][a-z-]{0,30}/[0-9]{1,18}")


def check_id(commit: str, field: str = "commit") -> str:
    if not _ID.fullmatch(commit):
        raise InvalidField(field, "must be a full id of 40 or 64 of 0-9 and a-f")
    return commit


def no_commit(repository: Path, commit: str) -> NotFound:
    return NotFound(f"{repository.stem} has no commit {commit[:12]}")


async def resolve(repository: Path, commit: str, kind: str = "commit") -> str:
    """The full id of the commit, or of its `tree`. Raises NotFound."""
    try:
        return await _verify(repository, f"{check_id(commit)}^{{commit}}^{{{kind}}}")
    except NotFound:
        raise no_commit(repository, commit) from None


async def find(repository: Path, ref: str) -> str | None:
    """The commit that a ref names, or None."""
    try:
        return await _verify(repository, f"{ref}^{{commit}}")
    except NotFound:
        return None


async def named(repository: Path) -> dict[str, str]:
    """All refs, by full name, and the commits that they name."""
    form = "--format=%(refname) %(objectname) %(*objectname)"  # the last is what a tag is of
    answer = await git(repository, "for-each-ref", form)
    lines = [line.split() for line in answer.decode().splitlines()]
    return {fields[0]: fields[-1] for fields in lines}


async def pointed(repository: Path) -> dict[str, str]:
    """All refs, by full name, and what they point to: the tag itself where it is annotated."""
    answer = await git(repository, "for-each-ref", "--format=%(refname) %(objectname)")
    return dict(line.rsplit(" ", 1) for line in answer.decode().splitlines())


async def contains(repository: Path, commit: str, earlier: str) -> bool:
    """Whether `earlier` is an ancestor, or the same. Both must be there."""
    ids = [check_id(earlier), check_id(commit)]
    return await _says_yes(repository, "merge-base", "--is-ancestor", *ids)


async def reachable(repository: Path, commit: str) -> bool:
    """Whether a ref leads to the commit: so all is there that it needs, which is not said of what
    merely exists."""
    try:
        await resolve(repository, commit)
        answer = await git(repository, "rev-list", "--max-count=1", commit, "--not", "--all")
    except (NotFound, GitFailed):
        return False
    return answer == b""


async def advance(repository: Path, old: str | None, new: str) -> None:
    """Move `main` from exactly `old` (None: it has none) to its descendant `new`, at once.

    Raises Conflict where it is somewhere else, or `new` is no descendant; NotFound.
    """
    name = repository.stem
    target = await resolve(repository, new)
    if old is not None and not await contains(repository, target, old):
        raise Conflict(f"{new[:12]} does not contain {old[:12]}, which {name} is at")
    expected = "0" * len(target) if old is None else old
    try:
        await git(repository, "update-ref", MAIN, target, expected)
    except GitFailed as error:
        if await find(repository, MAIN) != old:
            raise Conflict(f"{name} has moved on meanwhile; look again") from error
        raise


async def tag(repository: Path, word: str, commit: str, message: str | None = None) -> None:
    """Name a commit for good, e.g. `deployed/7`; with a message, an annotated tag.

    The same again is fine. Raises Conflict where the tag names another commit; NotFound.
    """
    if not _TAG.fullmatch(word):
        raise InvalidField("tag", "must be a word, a slash and a number")
    target = await resolve(repository, commit)
    before = await find(repository, f"refs/tags/{word}")
    if before is not None:
        if before != target:
            raise Conflict(f"{word} names another commit of {repository.stem}")
        return
    new = target
    if message is not None:
        # Of the commit's own time, so that the same tag again is the same object.
        new = await write_tag(repository, word, target, message, await _when(repository, target))
    await git(repository, "update-ref", f"refs/tags/{word}", new, "0" * len(target))


async def _when(repository: Path, commit: str) -> int:
    answer = await git(repository, "log", "--format=%at", "--max-count=1", "--no-patch", commit)
    return int(answer)


async def _verify(repository: Path, revision: str) -> str:
    try:
        wanted = ["--verify", "--quiet", "--end-of-options", revision]
        answer = await git(repository, "rev-parse", *wanted)
    except GitFailed as error:
        if error.exit_status == 1:
            raise NotFound(f"{repository.stem} has no {revision}") from None
        raise
    return answer.decode().split()[-1]


async def _says_yes(repository: Path, *command: str) -> bool:
    try:
        await git(repository, *command)
    except GitFailed as error:
        if error.exit_status == 1:
            return False
        raise
    return True
