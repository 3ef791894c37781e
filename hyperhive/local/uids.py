"""Which uid a new agent gets: one that nobody on this machine uses.

No list is kept: an agent's directories belong to its uid, and that is the record. Other hives on
the machine are seen by their processes; a stopped one is not, and so the choice is random.
"""

from __future__ import annotations

import os
import pwd
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from hyperhive.local.processes import every_process
from hyperhive.protocol.errors import Unavailable

RANGE = 65_536
BASES = range(15_259 * RANGE, 1_879_048_192, RANGE)
"""The ranges for containers between 1,000,000,000 and where systemd's own for containers end."""
AGENT_UID = 1_000
"""Offset of the user `agent` in its range, the same as in a container."""

_SUBORDINATE = (Path("/etc/subuid"), Path("/etc/subgid"))


def own_users() -> bool:
    """Whether each agent gets a uid of its own, for which we must be root."""
    return os.geteuid() == 0


def is_agents(uid: int) -> bool:
    """Whether an agent may run under this uid."""
    return not own_users() or BASES[0] <= uid < BASES.stop


def choose(taken: Iterable[int]) -> int:
    """A uid for a new agent: ours if we are not root. Raises Unavailable when none is free."""
    if not own_users():
        return os.geteuid()
    used = {uid // RANGE for uid in (*taken, *_in_use())}
    free = [base for base in BASES if base // RANGE not in used]
    if not free:
        raise Unavailable("no uid range is free for another agent")
    return secrets.choice(free) + AGENT_UID


def _in_use() -> Iterator[int]:
    for process in every_process():
        yield from process.uids
    for entry in pwd.getpwall():
        yield entry.pw_uid
    for path in _SUBORDINATE:
        yield from _subordinate(path)


def _subordinate(path: Path) -> Iterator[int]:
    """One uid of every range that is given out (subuid(5): `name:first:count`)."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, numbers = line.partition(":")
        first, _, count = numbers.partition(":")
        if first.isdecimal() and count.isdecimal():
            last = min(int(first) + int(count), BASES.stop)
            yield from range(int(first) // RANGE * RANGE, last, RANGE)
