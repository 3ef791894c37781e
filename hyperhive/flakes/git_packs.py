"""Packs of commits for those who have some already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hyperhive.flakes import git_refs
from hyperhive.flakes.git_program import git
from hyperhive.protocol.errors import InvalidField, NotFound, TooLarge

MAX_PACK = 32 * 2**20
MAX_IDS = 1_000


async def pack(repository: Path, want: Sequence[str], have: Sequence[str]) -> bytes:
    """A thin pack, for `git index-pack --stdin --fix-thin`.

    `want` is of commits and tags that refs name, else NotFound; of `have` the unknown ones are
    ignored.
    Raises InvalidField, TooLarge.
    """
    for field, ids in (("want", want), ("have", have)):
        if len(ids) > MAX_IDS:
            raise InvalidField(field, f"has {len(ids)} ids, more than {MAX_IDS}")
        for id in ids:
            git_refs.check_id(id, field)
    named = {*(await git_refs.named(repository)).values()}
    named.update((await git_refs.pointed(repository)).values())
    for id in want:
        if id not in named:
            raise NotFound(f"{repository.stem} has nothing named {id[:12]}")
    asked = [*want, *(f"^{id}" for id in await _known(repository, have))]
    shape = ["--revs", "--stdout", "--thin", "--delta-base-offset", "--quiet"]
    given = "".join(f"{id}\n" for id in asked).encode()
    try:
        return await git(repository, "pack-objects", *shape, given=given, output_max=MAX_PACK)
    except TooLarge:
        raise TooLarge(f"what is wanted has more than {MAX_PACK} bytes; want less of it") from None


async def _known(repository: Path, ids: Sequence[str]) -> list[str]:
    form = "--batch-check=%(objectname) %(objecttype)"
    given = "".join(f"{id}\n" for id in ids).encode()
    lines = (await git(repository, "cat-file", form, given=given)).decode().splitlines()
    return [line.split()[0] for line in lines if line.endswith((" commit", " tag"))]
