"""Why the programs that run as root refuse: one exit status and one line in the journal each."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable
from enum import IntEnum

PROGRAMS = ("launcher", "purge")
_LONGEST = 2000
"""Bytes of a line; systemd takes at most 4096 of a notification."""


class Exit(IntEnum):
    """Exit statuses of launcher and purge.

    After a launch the unit's status is the guest's, who may choose these as well: it is the
    launcher's only when `launch/<name>.json` does not name the unit's invocation.
    """

    USAGE = 64
    """Not called as the unit does: one agent's name, uid 0, INVOCATION_ID in the environment."""
    POLICY = 65
    """The host's policy is missing, unsafe or wrong."""
    BUNDLE_MISSING = 66
    """The service has set no bundle for this agent, or it is not there (any more)."""
    BUNDLE_OUTSIDE = 67
    """The bundle, or the system in it, does not lie where the policy allows."""
    BUNDLE_UNSAFE = 68
    """A link in the way, not owned by root, or writable by others."""
    SETTINGS = 69
    """`agent.json` is not acceptable."""
    SYSTEM = 70
    """The bundle has no system that can be booted."""
    SOCKET = 71
    """The directory of the agent's socket is missing or unsafe."""
    DIRECTORIES = 72
    """The agent's directories, or those above them, are not as this program made them."""
    RANGES = 73
    """No uid range is free, or the agent's own collides with another."""
    ROOT = 74
    """The container's root could not be built."""
    LIMITS = 75
    """systemd did not take the limits."""
    PROGRAM = 76
    """systemd-nspawn or systemctl is not on PATH."""
    BUSY = 77
    """Another launch or purge held the lock for too long."""
    RUNNING = 80
    """Purge: processes of the agent are left."""
    MOUNTED = 81
    """Purge: something is mounted in the agent's directories."""
    INCOMPLETE = 82
    """Purge: something could not be deleted; it can be repeated."""
    FAILED = 99
    """An error of the system that none of the above names."""


class Refused(Exception):
    """Ends the program with `status`; the message is for the operator and says the remedy."""

    def __init__(self, status: Exit, message: str) -> None:
        super().__init__(message)
        self.status = status


def run_and_exit(what: str, main: Callable[[], None]) -> int:
    """Run `main`; whatever goes wrong becomes one journal line and an exit status."""
    try:
        main()
    except Refused as refused:
        return _report(what, str(refused), refused.status)
    except (OSError, MemoryError, RecursionError) as error:
        return _report(what, f"{type(error).__name__}: {error}", Exit.FAILED)
    return 0


def is_refusal(status_text: str) -> bool:
    """Whether a unit's StatusText is of one of these programs; a container's has another start."""
    return status_text.startswith(tuple(f"{what}: " for what in PROGRAMS))


def _report(what: str, message: str, status: Exit) -> int:
    _tell_systemd(_line(what, f"{message} [{status.name.lower()}, exit {status.value}]"))
    return status


def _line(what: str, message: str) -> str:
    """sd-daemon(3): the priority, of an error, in front; names in the message may hold anything."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in f"{what}: {message}")
    safe = shown.encode(errors="backslashreplace")[:_LONGEST].decode(errors="ignore")
    sys.stderr.write(f"<3>{safe}\n")
    sys.stderr.flush()
    return safe


def _tell_systemd(line: str) -> None:
    """As the unit's StatusText (sd_notify(3)), which the service reads; the journal has it too."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.settimeout(1.0)
        notify.sendto(f"STATUS={line}".encode(), address)
