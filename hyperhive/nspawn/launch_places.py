"""An agent's directories on the host, whose owner is the record of its uid range."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hyperhive.nspawn import launch_ranges as ranges
from hyperhive.nspawn.launch_paths import DIRECTORY, locked, open_below, open_trusted, opened
from hyperhive.nspawn.launch_policy import Policy
from hyperhive.nspawn.launch_refusal import Exit, Refused

PARTS = ("state", "home", "workspace")


@dataclass(frozen=True, slots=True)
class Place:
    """An agent's range, and its directory, which is root's and holds `PARTS`."""

    base: int
    path: str


@contextlib.contextmanager
def agents_locked(policy: Policy) -> Iterator[int]:
    """The directory of all agents, held against every other launch and purge meanwhile."""
    path = f"{policy.state_dir}/agents"
    with opened(_open_private(policy, "agents")) as agents, locked(agents, path):
        yield agents


def open_trash(policy: Policy) -> int:
    """Where a purge puts what it deletes; a descriptor."""
    return _open_private(policy, "trash")


def _open_private(policy: Policy, name: str) -> int:
    with opened(open_trusted(policy.state_dir, Exit.DIRECTORIES)) as state:
        fd = open_below(state, [name], 0, policy.state_dir, Exit.DIRECTORIES)
    if (mode := stat.S_IMODE(os.fstat(fd).st_mode)) & 0o077:
        os.close(fd)
        message = f"{policy.state_dir}/{name} has mode {mode:04o} instead of 0700"
        raise Refused(Exit.DIRECTORIES, message)
    return fd


def settle(policy: Policy, name: str, bases: range = ranges.BASES) -> Place:
    """The agent's place, made at its first start; repeatable after a crash at any point.

    Raises Refused when what is there does not say whose it is.
    """
    path = f"{policy.state_dir}/agents/{name}"
    with agents_locked(policy) as agents, opened(_open_own(agents, name, path)) as own:
        others, given_out = _others(policy, agents, name), ranges.given_out()
        base = _recorded(own, path, bases)
        if base is None:
            base = ranges.choose(others | given_out, bases)
        elif base in others:
            message = f"{path} has uid range {base}, which another agent's directories have, too"
            raise Refused(Exit.RANGES, message)
        elif base in given_out:
            message = f"{path} has uid range {base}, which an account or /etc/subuid has, too"
            raise Refused(Exit.RANGES, message)
        for part in PARTS:
            _make(own, part, base + ranges.AGENT)
        os.fsync(own)
        os.fsync(agents)
    return Place(base, path)


def _open_own(agents: int, name: str, path: str) -> int:
    """The agent's own directory, which keeps everybody but root out of what it holds."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=agents)
    own = open_below(agents, [name], 0, os.path.dirname(path), Exit.DIRECTORIES)
    if (mode := stat.S_IMODE(os.fstat(own).st_mode)) & 0o077:
        os.close(own)
        raise Refused(Exit.DIRECTORIES, f"{path} has mode {mode:04o} instead of 0700")
    return own


def _recorded(own: int, path: str, bases: range) -> int | None:
    """The range that all parts lie in, or None before the first start.

    Whoever is root in the container can give the parts to any uid of its range, not of another.
    """
    found: dict[int, str] = {}
    for part in PARTS:
        with contextlib.suppress(FileNotFoundError):
            base = _base_of_part(os.lstat(part, dir_fd=own), f"{path}/{part}", bases)
            found[base] = part
    if len(found) > 1:
        message = f"{path}: {' and '.join(found.values())} belong to different uid ranges"
        raise Refused(Exit.DIRECTORIES, message)
    return next(iter(found), None)


def _base_of_part(found: os.stat_result, shown: str, bases: range) -> int:
    if not stat.S_ISDIR(found.st_mode):
        raise Refused(Exit.DIRECTORIES, f"{shown} is a link or no directory")
    base = ranges.base_of(found.st_uid, bases)
    if base is None or ranges.base_of(found.st_gid, bases) != base:
        message = (
            f"{shown} is owned by {found.st_uid}:{found.st_gid}, which is no uid range for agents;"
            f" move it away, or give it the owner it had"
        )
        raise Refused(Exit.DIRECTORIES, message)
    return base


def _make(own: int, part: str, uid: int) -> None:
    """It appears with its owner, or not at all; later, owner and mode are put right again.

    The guest may have changed them, and could otherwise keep its agent out for good.
    """
    if not _exists(own, part):
        fresh = _fresh(part)
        if _exists(own, fresh):
            os.rmdir(fresh, dir_fd=own)  # of a crash; no guest has seen it, so it is empty
        os.mkdir(fresh, 0o700, dir_fd=own)
        _give(own, fresh, uid)
        os.rename(fresh, part, src_dir_fd=own, dst_dir_fd=own)
    else:
        _give(own, part, uid)


def _exists(directory: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True


def _give(own: int, name: str, uid: int) -> None:
    with opened(os.open(name, DIRECTORY, dir_fd=own)) as fd:
        os.fchown(fd, uid, uid)
        os.fchmod(fd, 0o700)


def _others(policy: Policy, agents: int, name: str) -> set[int]:
    """Ranges of all other agents, and of what purges have not deleted yet."""
    with opened(open_trash(policy)) as trash:
        uids = [*_owners(agents, set(os.listdir(agents)) - {name})]
        uids += [*_owners(trash, os.listdir(trash))]
    return {base for uid in uids if (base := ranges.base_of(uid))}


def _owners(directory: int, names: Iterable[str]) -> Iterator[int]:
    """Of the entries themselves and, in each, of what an agent's directory holds."""
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            found = os.lstat(name, dir_fd=directory)
            yield from (found.st_uid, found.st_gid)
            if stat.S_ISDIR(found.st_mode):
                for part in (*PARTS, *map(_fresh, PARTS)):
                    yield from _owner(directory, f"{name}/{part}")


def _owner(directory: int, path: str) -> tuple[int, ...]:
    try:
        found = os.lstat(path, dir_fd=directory)
    except FileNotFoundError:
        return ()
    return found.st_uid, found.st_gid


def _fresh(part: str) -> str:
    """What a part is called until it has its owner."""
    return f".{part}"
