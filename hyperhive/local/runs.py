"""The harnesses that run, each watched through a pidfd (pidfd_open(2))."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from hyperhive.hive.ports import Ended, EndReason, Invocation
from hyperhive.protocol.errors import Unavailable

STOP_SECONDS = 6.0
"""Between SIGTERM and SIGKILL; the harness itself gives up after 5."""
_KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Run:
    """A harness that runs; `child` is None for one that an earlier service started."""

    invocation: Invocation
    pid: int
    pidfd: int
    child: subprocess.Popen[bytes] | None
    ended: asyncio.Event


class Runs:
    """At most one run for each agent; `on_end` is called on the loop at every end."""

    def __init__(self, on_end: Callable[[Ended], None]) -> None:
        self._on_end = on_end
        self._runs: dict[str, Run] = {}

    def get(self, agent: str) -> Run | None:
        return self._runs.get(agent)

    def invocations(self) -> dict[str, Invocation]:
        return {name: run.invocation for name, run in self._runs.items()}

    def watch(
        self, invocation: Invocation, pid: int, child: subprocess.Popen[bytes] | None = None
    ) -> None:
        """Raises OSError, as ProcessLookupError when it has ended and was waited for."""
        run = Run(invocation, pid, os.pidfd_open(pid), child, asyncio.Event())
        self._runs[invocation.agent] = run
        asyncio.get_running_loop().add_reader(run.pidfd, self._see_end, run)

    def _see_end(self, run: Run) -> None:
        self.forget(run.invocation.agent)
        exit_code = run.child.wait() if run.child else None
        self._on_end(Ended(run.invocation, _reason(exit_code), exit_code))

    def forget(self, agent: str) -> None:
        """Watch it no longer; it goes on if it does."""
        run = self._runs.pop(agent)
        asyncio.get_running_loop().remove_reader(run.pidfd)
        os.close(run.pidfd)
        run.ended.set()

    async def end(self, run: Run) -> None:
        """SIGTERM, then SIGKILL. Raises Unavailable when it outlives both."""
        for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
            if run.ended.is_set():
                return
            with suppress(ProcessLookupError):  # its end is about to be seen
                signal.pidfd_send_signal(run.pidfd, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await run.ended.wait()
        if not run.ended.is_set():
            raise Unavailable(f"{run.invocation.agent} cannot be stopped")

    def close(self) -> None:
        """Watch none any longer; they go on."""
        for name, run in list(self._runs.items()):
            self.forget(name)
            if run.child is not None:
                run.child.returncode = 0  # no warning that a child is left: that is the point


def _reason(exit_code: int | None) -> EndReason:
    if exit_code is None:
        return "unknown"
    if exit_code in (-signal.SIGKILL, -signal.SIGTERM):
        return "killed"
    return "clean" if exit_code == 0 else "crash"
