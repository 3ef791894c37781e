"""How a harness is started as a child process."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hyperhive.local import uids
from hyperhive.local.directories import Place
from hyperhive.local.logs import open_log
from hyperhive.local.reach import check_reach
from hyperhive.protocol.errors import Unavailable

# By these a harness is found again, and what it left behind.
HIVE = "HYPERHIVE_HIVE"
AGENT = "HYPERHIVE_AGENT"
INVOCATION = "HYPERHIVE_INVOCATION"


@dataclass(frozen=True, slots=True)
class Spawner:
    """`command` is the harness without the places; `needs` is what it reads besides."""

    command: tuple[str, ...]
    needs: tuple[Path, ...]
    agents_dir: Path
    sockets_dir: Path

    def spawn(self, name: str, place: Place, invocation: str) -> subprocess.Popen[bytes]:
        """Start it. Raises Unavailable naming what is in the way."""
        if uids.own_users():
            socket = self.sockets_dir / name / "hive.sock"
            for path in (Path(self.command[0]), *self.needs, socket, place.workspace):
                check_reach(path, place.uid)
        try:
            log = open_log(place.log)
            try:
                return self._popen(name, place, invocation, log)
            finally:
                os.close(log)
        except OSError as error:
            raise Unavailable(f"{name} cannot be started: {error}") from None

    def _popen(self, name: str, place: Place, invocation: str, log: int) -> subprocess.Popen[bytes]:
        own_user = place.uid if uids.own_users() else None
        return subprocess.Popen(
            [
                *self.command,
                f"--socket={self.sockets_dir / name / 'hive.sock'}",
                f"--state={place.state}",
                f"--home={place.home}",
                f"--workspace={place.workspace}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.workspace,
            env=self._environment(name, place, invocation),
            start_new_session=True,
            user=own_user,
            group=own_user,
            extra_groups=None if own_user is None else [],
            umask=0o077,
        )

    def _environment(self, name: str, place: Place, invocation: str) -> dict[str, str]:
        """Built from nothing: the service's own environment may hold secrets."""
        return {
            HIVE: str(self.agents_dir),
            AGENT: name,
            INVOCATION: invocation,
            "HOME": str(place.home),
            "TMPDIR": str(place.tmp),
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
