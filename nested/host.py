"""A nested host from its start to its end, and commands in it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

START_SECONDS = 30.0
COMMAND_SECONDS = 60.0
NEEDS = ("unshare", "nsenter", "pivot_root", "systemd-nspawn", "machinectl", "dbus-daemon")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}
PREFIX = "hyperhive-nested-"
_PR_SET_PDEATHSIG = 1  # prctl(2)
ROOT_PROGRAM = Path(__file__).with_name("root.py")


class NestedHost:
    """Made by `start`, ended by `close`, which leaves no process, mount or cgroup behind."""

    def __init__(self, base: Path, cgroup: Path, process: subprocess.Popen[bytes], pid: int):
        self._base = base
        self._cgroup = cgroup
        self._process = process
        self.pid = pid
        """Of its PID 1, as seen from here."""

    @classmethod
    def start(
        cls,
        shown: Sequence[Path] = (),
        lower: Path = Path("/"),
        log: IO[bytes] | None = None,
    ) -> NestedHost:
        """Boot it; `shown` are directories that it sees, and may write to, as they are here.

        `lower` is the root of another system, whose programs it then has; it is not changed.

        Raises RuntimeError.
        """
        sweep()
        base = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        cgroup = _make_cgroup(base.name)
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup"),
                *("--fork", "--kill-child"),
                *("/usr/bin/python3", "-I", str(ROOT_PROGRAM), str(base), str(lower)),
                *map(str, shown),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log or subprocess.DEVNULL,
            stderr=log or subprocess.DEVNULL,
            preexec_fn=lambda: _in_child(cgroup),
            start_new_session=True,
        )
        host = cls(base, cgroup, process, 0)
        try:
            host._wait_until_up()
        except BaseException:
            host.close()
            raise
        return host

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        user: str | None = None,
        seconds: float = COMMAND_SECONDS,
        environment: Mapping[str, str] | None = None,
        check: bool = True,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, by default as root, and return what it wrote (text).

        Raises RuntimeError with what it wrote to its standard error.
        """
        done = subprocess.run(
            self.command(argv, user=user),
            env={**ENVIRONMENT, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            **options,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{done.args} failed ({done.returncode}):\n{done.stderr}")
        return done

    def command(self, argv: Sequence[str | Path], *, user: str | None = None) -> list[str]:
        """What to execute out here to run `argv` inside; its environment passes through."""
        enter = ["nsenter", f"--target={self.pid}", "--all"]
        return [*enter, *(self._as(user) if user else []), *map(str, argv)]

    def _as(self, user: str) -> list[str]:
        """By number: `setpriv` knows no group but one of that name."""
        rows = (line.split(":") for line in self.path("/etc/passwd").read_text().splitlines())
        uid, gid = next(row[2:4] for row in rows if row[0] == user)
        return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--init-groups"]

    def path(self, inside: str) -> Path:
        """Where a path of the nested host is found from out here, while it runs."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def close(self) -> None:
        """Kill its PID 1, with which all else in it ends. Repeatable."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid or self._process.pid, signal.SIGKILL)
        self._process.wait(30)
        _remove_cgroup(self._cgroup)
        with contextlib.suppress(FileNotFoundError):
            self._base.rmdir()

    def _wait_until_up(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not self._is_up():
            if self._process.poll() is not None:
                raise RuntimeError("the nested host ended while it started")
            if time.monotonic() > until:
                raise RuntimeError(f"the nested host is not up after {START_SECONDS:g} s")
            time.sleep(0.05)

    def _is_up(self) -> bool:
        if not self.pid:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
                self.pid = int(children.read_text().split()[0])
            return False
        try:
            answer = self.run(["systemctl", "is-system-running"], seconds=5, check=False)
        except subprocess.TimeoutExpired:
            return False
        return answer.stdout.strip() in ("running", "degraded")


def _in_child(cgroup: Path) -> None:
    """It ends with us, however we end, and everything in it ends with it."""
    (cgroup / "cgroup.procs").write_text(str(os.getpid()))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def sweep() -> None:
    """Remove what one that was killed could not: its empty directory and cgroups."""
    for parent in (Path(tempfile.gettempdir()), _unified()):
        for path in parent.glob(f"{PREFIX}*-*"):
            owner = path.name.removeprefix(PREFIX).partition("-")[0]
            if owner.isdecimal() and not Path("/proc", owner).exists():
                with contextlib.suppress(OSError):
                    path.rmdir() if parent == Path(tempfile.gettempdir()) else _remove_cgroup(path)


def _make_cgroup(name: str) -> Path:
    """systemd needs a unified tree of its own (cgroups(7)), also where the machine has another."""
    cgroup = _unified() / name
    cgroup.mkdir()
    return cgroup


def _unified() -> Path:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.startswith("cgroup2 "):
            return Path(fields.split()[4])
    raise RuntimeError("no cgroup2 is mounted here; run: mount -t cgroup2 none /sys/fs/cgroup")


def _remove_cgroup(cgroup: Path) -> None:
    """Bottom up; a killed process leaves its cgroup a moment later."""
    until = time.monotonic() + 10.0
    while cgroup.exists():
        try:
            for directory, _, _ in os.walk(cgroup, topdown=False):
                Path(directory).rmdir()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
