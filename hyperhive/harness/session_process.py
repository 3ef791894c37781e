"""The Claude Code process: how it starts, speaks and ends; light to import.

The Claude Agent SDK's own adds the environment of this process, and leaves Claude Code running
with its tools when this process is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

MAX_LINE_BYTES = 32 * 1024 * 1024
"""Of one message from Claude Code; an image that a tool returns is one."""

_STEP_SECONDS = 3.0
_WRITE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
_LAST_LINES = 20
_LINE_SHOWN = 300

_libc = ctypes.CDLL(None)
_log = logging.getLogger(__name__)


class BrokenStream(Exception):
    """Nothing can be written to it, or what it wrote is no message."""


class ClaudeProcess:
    """One process, from `start` to `close`; `pid` and `exit_code` are None before."""

    def __init__(self, argv: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._argv = argv
        self._cwd = cwd
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._write_lock = asyncio.Lock()
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode if self._process else None

    @property
    def last_words(self) -> str:
        """The end of what it wrote to its standard error."""
        return "\n".join(self._last_lines)

    async def start(self) -> None:
        """Raises OSError."""
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            cwd=self._cwd,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        self._listener = asyncio.create_task(self._listen(), name="claude stderr")

    def is_ready(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def write(self, data: str) -> None:
        process = self._started()
        assert process.stdin is not None
        try:
            async with self._write_lock, asyncio.timeout(_WRITE_SECONDS):
                process.stdin.write(data.encode())
                await process.stdin.drain()
        except (OSError, RuntimeError) as error:  # a closed pipe, a full one, a closed transport
            raise BrokenStream(f"cannot write to Claude Code: {error!r}") from error

    async def read_messages(self) -> AsyncIterator[dict[str, object]]:
        """Until it has ended and `exit_code` is known."""
        process = self._started()
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                if line.startswith(b"{"):
                    yield json.loads(line)
        except ValueError as error:  # longer than the limit, or not JSON
            raise BrokenStream(f"Claude Code wrote a broken message: {error}") from error
        await process.wait()

    async def end_input(self) -> None:
        process = self._started()
        assert process.stdin is not None
        process.stdin.close()

    def kill(self) -> None:
        """SIGKILL, for one that no longer listens; `close` takes the rest away."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """Lets it save its session, then insists. Takes at most three times `_STEP_SECONDS`."""
        if self._process is None:
            return
        await self._end(self._process)
        if self._process.returncode:
            _end_children_of(self._process.pid)
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        process.stdin.close()
        await self._wait_ended(process)
        # Unless somebody asks, a pipe that broke is reported as an error nobody looked at.
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_STEP_SECONDS):
                await process.stdin.wait_closed()

    async def _wait_ended(self, process: asyncio.subprocess.Process) -> None:
        for sig in (signal.SIGTERM, signal.SIGKILL, None):
            try:
                async with asyncio.timeout(_STEP_SECONDS):
                    await process.wait()
                    return
            except TimeoutError:
                _log.warning("Claude Code (pid %d) does not end", process.pid)
                if sig is not None:
                    process.send_signal(sig)

    async def _listen(self) -> None:
        process = self._started()
        assert process.stderr is not None
        while chunk := await process.stderr.read(64 * 1024):
            for line in chunk.decode("utf-8", "replace").splitlines():
                self._last_lines.append(line[:_LINE_SHOWN])

    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise BrokenStream("Claude Code is not started")
        return self._process


def _end_with_parent() -> None:
    """In the child, before it becomes Claude Code, which on SIGTERM ends its tools and itself."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def _end_children_of(pid: int) -> None:
    """Kills what a dead Claude Code has left running: its tools have sessions of their own.

    They are known by CLAUDE_PID, which it sets for them. Otherwise a command of the turn that broke
    off would go on beside the turn that repeats it.
    """
    mark = f"CLAUDE_PID={pid}".encode()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):  # not a process, not ours, or gone
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
