"""Which uids an agent's container has: 65,536 that nothing else on this machine uses.

No list is kept: the agent's directories belong to its range, and that is the record.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

from hyperhive.nspawn.launch_refusal import Exit, Refused

SIZE = 65_536
BASES = range(15_259 * SIZE, 1_879_048_192, SIZE)
"""Between 1,000,000,000 and where systemd's own range for containers ends (see its UIDS-GIDS)."""
AGENT = 1_000
"""The user `agent` in the container, as offset in its range."""
SUBORDINATE = ("/etc/subuid", "/etc/subgid")
ACCOUNTS = ("/etc/passwd", "/etc/group")


def base_of(uid: int, bases: range = BASES) -> int | None:
    """The range that a uid or gid lies in, if it is one for agents."""
    base = uid - uid % SIZE
    return base if base in bases else None


def choose(taken: Collection[int], bases: range = BASES) -> int:
    """A free range. By chance, since a stopped container of another program shows nowhere.

    Raises Refused when none is free.
    """
    free = [base for base in bases if base not in taken]
    if not free:
        message = f"none of {len(bases)} uid ranges is free; purge agents that are gone"
        raise Refused(Exit.RANGES, message)
    return free[int.from_bytes(os.urandom(8)) % len(free)]


def given_out(
    subordinate: Sequence[str] = SUBORDINATE, accounts: Sequence[str] = ACCOUNTS
) -> set[int]:
    """Ranges in which the host has given ids to users, groups or users' own containers."""
    taken = {base for path in accounts for uid in _third_fields(path) if (base := base_of(uid))}
    for path in subordinate:
        for first, count in _subordinate(path):
            taken.update(base for base in BASES if first - SIZE < base < first + count)
    return taken


def _third_fields(path: str) -> Iterator[int]:
    """The ids in passwd(5) and group(5)."""
    for line in _lines(path):
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdecimal():
            yield int(fields[2])


def _subordinate(path: str) -> Iterator[tuple[int, int]]:
    """First and count of every line, whether it begins with a name or a number (subuid(5))."""
    for line in _lines(path):
        numbers = line.strip().split(":")[1:]
        if len(numbers) == 2 and all(map(str.isdecimal, numbers)):
            yield int(numbers[0]), int(numbers[1])


def _lines(path: str) -> list[str]:
    """Without them two containers could share uids: only that there is none may be passed over."""
    if not os.path.lexists(path):
        return []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readlines()
    except OSError as error:
        raise Refused(Exit.RANGES, f"{path} cannot be read: {error.strerror}") from None
