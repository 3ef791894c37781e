"""The Claude Code session of an agent: warm between turns, resumed by id whenever it is needed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from hyperhive.harness.session_events import (
    Report,
    SessionError,
    SessionGone,
    TurnOutcome,
    notice,
)
from hyperhive.harness.session_memory import (
    forget_session_id,
    load_session_id,
    save_session_id,
)
from hyperhive.harness.session_options import SessionOptions
from hyperhive.harness.session_start import start_client
from hyperhive.harness.tool_policy import Policy

if TYPE_CHECKING:
    from hyperhive.harness.session_client import ClaudeClient

INTERRUPT_SECONDS = 10.0
"""A turn that has not ended so long after an interrupt is ended by killing Claude Code."""

_AGAIN_SECONDS = 0.5


class Session:
    """For one event loop. Turns, `release` and `new` wait for each other; `interrupt` does not.

    A turn that is cancelled, or fails with SessionError, takes the process with it; the session
    stays remembered and the next turn resumes it.
    """

    def __init__(self, options: SessionOptions, policy: Policy) -> None:
        self.options = options
        """May be replaced at any time: the next turn reconnects, resuming the session."""
        self._policy = policy
        self._client: ClaudeClient | None = None
        self._alone = asyncio.Lock()
        self._turn: _Turn | None = None

    @property
    def id(self) -> str | None:
        """Of the session that the next turn continues; None if it begins a new one."""
        return load_session_id(self.options.id_file)

    @property
    def warm(self) -> bool:
        """Whether a process is there now; it takes about 200 MB."""
        return self._client is not None

    async def run(self, prompt: str, *, model: str, report: Report) -> TurnOutcome:
        """One turn. `prompt` reaches the model as it is, also with `/` or `@path` in it.

        Raises SessionError when Claude Code itself fails; what the API answers, an interrupt and an
        overflow are outcomes.
        """
        return await self._run(prompt, model, report, command=False)

    async def compact(self, *, model: str, report: Report) -> TurnOutcome:
        """Has the model sum up the conversation so far; `failed` when that cannot be done."""
        return await self._run("/compact", model, report, command=True)

    async def interrupt(self) -> None:
        """Breaks off the running turn, if any; returns when it has ended."""
        turn = self._turn
        if turn is None:
            return
        turn.interrupted = True
        with contextlib.suppress(SessionError, TimeoutError):
            async with asyncio.timeout(INTERRUPT_SECONDS):
                await self._insist(turn)
        if not turn.ended.is_set() and self._client is not None:
            self._client.kill()
        await turn.ended.wait()

    async def _insist(self, turn: _Turn) -> None:
        """Claude Code drops an interrupt that comes between the prompt and its first request."""
        while not turn.ended.is_set():
            if turn.begun and self._client is not None:
                await self._client.interrupt()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_SECONDS):
                    await turn.ended.wait()

    async def check(self, *, model: str) -> list[str]:
        """Starts Claude Code and its MCP servers, asks no model; what is wrong, one line each."""
        async with self._alone:
            try:
                await self._connect(model, lambda event: None)
                assert self._client is not None
                return await self._client.broken_servers()
            except SessionError as error:
                await self._stop()
                return [str(error)]

    async def release(self) -> None:
        """Ends the process; the session is kept."""
        async with self._alone:
            await self._stop()

    async def new(self) -> None:
        """Ends the process and forgets the session."""
        async with self._alone:
            await self._stop()
            forget_session_id(self.options.id_file)

    async def _run(self, prompt: str, model: str, report: Report, *, command: bool) -> TurnOutcome:
        async with self._alone:
            turn, started = _Turn(), time.monotonic()
            self._turn = turn
            try:
                outcome = await self._take(turn, prompt, model, report, command=command)
            except BaseException as error:
                if self._client is not None:
                    self._client.kill()
                await self._stop()
                if not (turn.interrupted and isinstance(error, SessionError)):
                    raise
                outcome = TurnOutcome(status="interrupted", text=str(error))
            finally:
                self._turn = None
                turn.ended.set()
        return replace(outcome, session_id=self.id or "", seconds=time.monotonic() - started)

    async def _take(
        self, turn: _Turn, prompt: str, model: str, report: Report, *, command: bool
    ) -> TurnOutcome:
        lost = await self._connect(model, report)
        if turn.interrupted:
            return TurnOutcome(status="interrupted", lost_session=lost)
        assert self._client is not None
        turn.begun = True
        outcome = await self._client.turn(prompt, report, self._remember, command=command)
        return replace(outcome, lost_session=lost)

    async def _connect(self, model: str, report: Report) -> bool:
        """Sees to a process that has this session, these options and this model.

        Returns whether the remembered session was gone, so that this is another one. A new model
        needs another process: to change it in a running one makes Claude Code ask the model `Hi`.
        """
        if self._client is not None:
            if self._client.serves(self.options, model):
                return False
            await self._stop()
        if self.id is None:
            await self._start(model, None)
            return False
        try:
            await self._start(model, self.id)
            return False
        except SessionGone as error:
            report(notice(f"The former session cannot be resumed, a new one begins: {error}"))
            forget_session_id(self.options.id_file)
            await self._start(model, None)
            return True

    async def _start(self, model: str, session_id: str | None) -> None:
        self._client = await start_client(self.options, model, session_id, self._policy)
        try:
            await self._client.start()
        except BaseException:
            await self._stop()
            raise

    async def _stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.stop()

    def _remember(self, session_id: str) -> None:
        if session_id != self.id:
            save_session_id(self.options.id_file, session_id)


class _Turn:
    """What `interrupt` has to know of a turn."""

    def __init__(self) -> None:
        self.begun = False
        """The prompt is on its way, so that Claude Code has something to interrupt."""
        self.interrupted = False
        self.ended = asyncio.Event()
