"""The history of a repository, as its commits tell it: who wrote what is not believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hyperhive.flakes.git_program import GitFailed, git
from hyperhive.flakes.git_refs import check_id, no_commit

MAX_COMMIT = 64 * 1024
"""Of one commit object, in bytes, as it is accepted from others."""
_SHAPE = ["--format=tformat:%H%x00%T%x00%P%x00%an%x00%at%x00%B", "-z", "--no-patch"]
_FIELDS = 6


@dataclass(frozen=True, slots=True)
class Commit:
    """`at` is in seconds since 1970. Bytes that are no UTF-8 are replaced."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    at: int
    message: str


async def log(
    repository: Path, limit: int, start: str, without: str | None = None
) -> tuple[Commit, ...]:
    """The newest commits from `start` on that are not in `without`. Raises NotFound."""
    ids = [check_id(start), *([] if without is None else [f"^{check_id(without)}"])]
    shape = [*_SHAPE, f"--max-count={limit:d}", "--topo-order"]
    room = limit * 4 * MAX_COMMIT  # an encoding may make more bytes of it
    try:
        answer = await git(
            repository, "log", *shape, "--end-of-options", *ids, "--", output_max=room
        )
    except GitFailed as error:
        raise no_commit(repository, start) from error
    fields = answer.decode(errors="replace").split("\0")
    last = len(fields) - _FIELDS + 1
    return tuple(_commit(fields[at : at + _FIELDS]) for at in range(0, last, _FIELDS))


def _commit(fields: list[str]) -> Commit:
    found, tree, parents, author, at, message = fields
    return Commit(found, tree, tuple(parents.split()), author, int(at or 0), message.strip())
