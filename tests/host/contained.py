"""Two agents in containers, and programs that run inside as their root or their agent."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nested.host import ENVIRONMENT, NestedHost
from tests.host.attempts import DONE
from tests.host.hosted import Hosted, start

CLONE = Path(__file__).parents[2]
AGENTS = ("alice", "bob")
USERS = ("root", "agent")
_ZIP = "/tmp/attempts-{}.zip"
_UNPACK = 'cat >"$1" && exec "$0" -I "$@"'


@dataclass(frozen=True)
class Contained:
    """alice and bob, both linked."""

    hive: Hosted

    @property
    def host(self) -> NestedHost:
        return self.hive.host

    def run(
        self,
        user: str,
        argv: Sequence[str],
        *,
        agent: str = "alice",
        given: bytes = b"",
        check: bool = True,
        seconds: float = 60.0,
    ) -> str:
        """What it wrote. As `machinectl shell` does, the container's own PID 1 starts it, so that
        it has the filters, bounds and limits of everything in there.
        """
        done = subprocess.run(
            self._command(user, argv, agent),
            env=ENVIRONMENT,
            input=given,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        output = done.stdout.decode()
        if check and done.returncode:
            raise AssertionError(f"{argv} failed: {output}\n{done.stderr.decode()}")
        return output

    @contextlib.contextmanager
    def running(
        self, user: str, argv: Sequence[str], given: bytes = b"", agent: str = "alice"
    ) -> Iterator[None]:
        """The same beside others; it has to end when its input does."""
        with subprocess.Popen(
            self._command(user, argv, agent),
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdin is not None
            process.stdin.write(given)
            process.stdin.flush()
            yield

    def _command(self, user: str, argv: Sequence[str], agent: str) -> list[str]:
        inside = ["systemd-run", f"--machine=h-{agent}", f"--uid={user}", "--service-type=exec"]
        quiet = ["--quiet", "--pipe", "--wait", "--collect", "--"]
        return self.host.command([*inside, *quiet, *argv])

    def attempt(
        self, user: str, module: str, within: Sequence[str] = (), **arguments: Any
    ) -> dict[str, str]:
        """What becomes of the module's attempts in alice's container, run by a command `within`."""
        argv = [_ZIP.format(user), module, json.dumps(arguments)]
        shell = [*within, "/bin/sh", "-c", _UNPACK, sys.executable, *argv]
        return _read(self.run(user, shell, given=_packed(module)))

    def attempt_outside(self, module: str, **arguments: Any) -> dict[str, str]:
        """The same as root of the nested host, where they succeed unless an attempt is wrong."""
        path = _ZIP.format("outside")
        self.host.path(path).write_bytes(_packed(module))
        argv = [sys.executable, "-I", path, module, json.dumps(arguments)]
        return _read(self.host.run(argv).stdout)

    def base(self, agent: str) -> int:
        return int(self.hive.launch(agent)["uid_base"])


def not_refused(outcomes: dict[str, str], refusals: set[str]) -> dict[str, str]:
    """What succeeded, and what failed for another reason than that it is not allowed."""
    assert outcomes
    return {name: outcome for name, outcome in outcomes.items() if outcome not in refusals}


def not_done(outcomes: dict[str, str]) -> dict[str, str]:
    return not_refused(outcomes, {DONE})


@contextlib.contextmanager
def contained(host: NestedHost, credential: str = "", **options: Any) -> Iterator[Contained]:
    hive = Hosted(host)
    hive.wipe()
    hive.configure({name: {} for name in AGENTS}, **options)
    if credential:
        host.path("/etc/hyperhive/credential").write_text(credential)
    try:
        hive.start()
        asyncio.run(_start_all(hive))
        yield Contained(hive)
    finally:
        hive.wipe()


async def _start_all(hive: Hosted) -> None:
    async with hive.admin() as client:
        await asyncio.gather(*(start(client, name) for name in AGENTS))


def _packed(module: str) -> bytes:
    """A program that Python runs as it is; the container does not see the clone."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("tests.host.attempts", module):
            path = f"{name.replace('.', '/')}.py"
            archive.writestr(path, (CLONE / path).read_text())
        for package in ("tests", "tests/host"):
            archive.writestr(f"{package}/__init__.py", "")
        archive.writestr(
            "__main__.py", "import sys\nfrom tests.host.attempts import main\nmain(*sys.argv[1:])\n"
        )
    return packed.getvalue()


def _read(output: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(output)
    return found
