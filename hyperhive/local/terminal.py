"""A shell on a pseudo-terminal (pty(7)), run as an agent's user in its workspace."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

from hyperhive.local import uids
from hyperhive.local.directories import Place
from hyperhive.local.processes import Process, end_all
from hyperhive.local.reach import check_reach
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.terminal import SHELL_ENVIRONMENT
from hyperhive.pty_stream import PtyStream, window

log = logging.getLogger(__name__)

GRACE = 0.5
"""Seconds between SIGHUP, which the kernel sends when the terminal closes, and SIGKILL."""

_IUTF8 = 0o40000
"""Erasing takes whole characters (termios(3)); Python does not name it."""

# The terminal becomes the session's own before the shell runs in it (ioctl_tty(2)), with what the
# harness tells the agent's shells.
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv("/bin/sh", ["sh", "-c", sys.argv[1], *sys.argv[2:]])
"""
_SHELL = 'test ! -r "$1" || . "$1"; exec "$0" -i'


def open_terminal(agent: str, place: Place, rows: int, columns: int) -> PtyStream:
    """Start a shell. Raises Unavailable naming what is in the way.

    Not a login shell: /etc/profile would take away the PATH that the agent has.
    """
    shell = shutil.which("bash") or "/bin/sh"
    try:
        master, slave = os.openpty()
        try:
            _prepare(slave, place.uid, rows, columns)
            return _Shell(agent, _spawn(shell, place, slave)).attached(master)
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
    except OSError as error:
        raise Unavailable(f"{agent} gets no terminal: {error}") from None


def _prepare(slave: int, uid: int, rows: int, columns: int) -> None:
    fcntl.ioctl(slave, termios.TIOCSWINSZ, window(rows, columns))
    modes = termios.tcgetattr(slave)
    modes[0] |= _IUTF8
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    if uids.own_users():
        os.fchown(slave, uid, -1)  # programs may open it again by its name


def _spawn(shell: str, place: Place, slave: int) -> subprocess.Popen[bytes]:
    own_user = place.uid if uids.own_users() else None
    if own_user is not None:
        for path in (Path(sys.executable), Path(shell), place.workspace):
            check_reach(path, place.uid)
    take = (sys.executable, "-I", "-S", "-c", _TAKE_TERMINAL)
    return subprocess.Popen(
        [*take, _SHELL, shell, str(place.state / SHELL_ENVIRONMENT)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=place.workspace,
        env=_environment(place, shell),
        start_new_session=True,
        user=own_user,
        group=own_user,
        extra_groups=None if own_user is None else [],
        umask=0o077,
    )


def _environment(place: Place, shell: str) -> dict[str, str]:
    """Built from nothing, and without the names by which a harness is found again."""
    return {
        "HOME": str(place.home),
        "TMPDIR": str(place.tmp),
        "PATH": os.environ.get("PATH", os.defpath),
        "SHELL": shell,
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
    }


@dataclass(frozen=True, slots=True)
class _Shell:
    """`child` leads a session; its pid names that session until the child is waited for."""

    agent: str
    child: subprocess.Popen[bytes]

    def attached(self, master: int) -> PtyStream:
        """Its terminal, which ends with it even while its children go on."""
        loop = asyncio.get_running_loop()
        try:
            pidfd = os.pidfd_open(self.child.pid)
        except OSError:
            self.child.kill()
            self.child.wait()
            raise

        async def hang_up() -> None:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            await self._end_session()

        def ended() -> None:
            loop.remove_reader(pidfd)
            stream.end()

        stream = PtyStream(master, hang_up)
        loop.add_reader(pidfd, ended)
        return stream

    async def _end_session(self) -> None:
        if not await end_all(self._is_in_session, GRACE) or self.child.poll() is None:
            log.error("a process of a terminal of %s cannot be ended", self.agent)

    def _is_in_session(self, process: Process) -> bool:
        return process.session == self.child.pid
