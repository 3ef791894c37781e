"""One running Claude Code, driven through the Claude Agent SDK; raises SessionError only."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from typing import cast

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    HookContext,
    HookInput,
    HookJSONOutput,
    HookMatcher,
    McpSdkServerConfig,
    Message,
    PermissionResultDeny,
    ResultError,
    ResultMessage,
    ToolPermissionContext,
)

from hyperhive.harness.session_events import (
    ClaudeDied,
    ClaudeSilent,
    ClaudeUnavailable,
    Report,
    SessionGone,
    TurnOutcome,
)
from hyperhive.harness.session_messages import TurnReader
from hyperhive.harness.session_options import SessionOptions
from hyperhive.harness.session_process import ClaudeProcess
from hyperhive.harness.session_transport import ClaudeTransport
from hyperhive.harness.tool_policy import Policy

CONNECT_SECONDS = 60.0
SILENCE_SECONDS = 1_200.0
"""Longest wait for the next message: a Bash call may take 10 minutes, a long answer some more."""
REPLY_SECONDS = 10.0
"""For what is done at once: taking a prompt, an interrupt, a status."""


class ClaudeClient:
    """For a process that runs: connected by `start`, ended by `stop`, also after an error."""

    def __init__(
        self, options: SessionOptions, model: str, process: ClaudeProcess, policy: Policy
    ) -> None:
        self._options = options
        self._model = model
        self._policy = policy
        self._reader: TurnReader | None = None
        self._process = process
        self._client = ClaudeSDKClient(self._sdk_options(), ClaudeTransport(process))

    def _sdk_options(self) -> ClaudeAgentOptions:
        """What the SDK itself serves; the rest is on the command line."""
        servers = {
            name: cast(McpSdkServerConfig, {"type": "sdk", "name": name, "instance": make()})
            for name, make in self._options.own_servers.items()
        }
        return ClaudeAgentOptions(
            # Without `snapshot` a resumed session goes on with the prompt that it began with.
            system_prompt={"type": "custom", "prompt": "in a file", "snapshot": False},
            mcp_servers={**servers},
            hooks={"PreToolUse": [HookMatcher(hooks=[self._decide], on_failure="block")]},
            can_use_tool=self._refuse_what_is_asked,
        )

    async def start(self) -> None:
        """Raises ClaudeUnavailable, or SessionGone if there is no session of that id to resume."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._client.connect()
        except ResultError as error:
            raise SessionGone("; ".join(error.errors) or str(error)) from error
        except Exception as error:  # the SDK raises bare ones too
            reason = self._process.last_words or str(error) or type(error).__name__
            raise ClaudeUnavailable(f"Claude Code did not start: {reason}") from error

    async def turn(
        self, prompt: str, report: Report, remember: Callable[[str], None], *, command: bool
    ) -> TurnOutcome:
        """`remember` gets the session's id as soon as it is known.

        A prompt is given to the model as it is; a `command`, such as `/compact`, is carried out.

        Otherwise a prompt that begins with `/` or contains `@path` would be obeyed, not read.
        """
        key = str(uuid.uuid4())
        self._reader = reader = TurnReader(report, remember)
        with self._translated(SILENCE_SECONDS):
            async with asyncio.timeout(REPLY_SECONDS):
                await self._client.query(_user_message(prompt, key, composed=not command))
            result = await self._result(reader, key)
        return reader.outcome(result)

    async def _result(self, reader: TurnReader, key: str) -> ResultMessage:
        stream = cast(AsyncGenerator[Message, None], self._client.receive_messages())
        async with contextlib.aclosing(stream) as messages:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    message = await anext(messages, None)
                if message is None:
                    raise EOFError("its output ended")
                reader.read(message)
                if isinstance(message, ResultMessage) and _answers(message, key):
                    return message

    async def interrupt(self) -> None:
        """Asks it to break off; `turn` then returns soon, with what came so far."""
        with self._translated(REPLY_SECONDS):
            async with asyncio.timeout(REPLY_SECONDS):
                await self._client.interrupt()

    async def broken_servers(self) -> list[str]:
        """Waits until every MCP server has come up or failed; what is wrong, one line for each."""
        deadline = time.monotonic() + CONNECT_SECONDS
        expected = {*self._options.own_servers, *self._options.extra_servers}
        while True:
            states = await self._server_states()
            waiting = [name for name in expected if states.get(name, "pending") == "pending"]
            if not waiting or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        states = {name: states.get(name, "pending") for name in sorted(expected)}
        return [f"MCP server {n}: {state}" for n, state in states.items() if state != "connected"]

    async def _server_states(self) -> dict[str, str]:
        """Name to `connected`, `pending` or what is wrong; it learns of them one by one."""
        with self._translated(REPLY_SECONDS):
            async with asyncio.timeout(REPLY_SECONDS):
                status = await self._client.get_mcp_status()
        return {
            server["name"]: server.get("error") or server["status"]
            for server in status["mcpServers"]
        }

    def serves(self, options: SessionOptions, model: str) -> bool:
        """Whether it is running, and was started with these."""
        same = self._options == options and self._model == model
        return same and self._process.is_ready()

    def kill(self) -> None:
        self._process.kill()

    async def stop(self) -> None:
        """Never raises; bounded by the process's own steps."""
        with contextlib.suppress(Exception):
            await self._client.disconnect()
        await self._process.close()

    @contextlib.contextmanager
    def _translated(self, seconds: float) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            self.kill()
            raise ClaudeSilent(f"Claude Code did not react within {seconds:.0f} s") from error
        except Exception as error:  # the SDK raises bare ones too
            code, words = self._process.exit_code, self._process.last_words
            how = f"ended with exit code {code}" if code is not None else f"failed: {error}"
            raise ClaudeDied(f"Claude Code {how}" + (f": {words}" if words else "")) from error

    async def _decide(
        self, data: HookInput, tool_use_id: str | None, context: HookContext
    ) -> HookJSONOutput:
        """The hook: asked for each use of any tool, always answers allow or deny."""
        request = cast(Mapping[str, object], data)
        name, arguments = str(request["tool_name"]), request["tool_input"]
        try:
            decision = self._policy(name, cast(Mapping[str, object], arguments))
        except Exception as error:
            self._note_refusal(tool_use_id, f"Refused: the policy failed: {error!r}")
            raise  # on_failure="block" refuses the tool
        if not decision.allowed:
            self._note_refusal(tool_use_id, decision.reason)
        return {
            "hookSpecificOutput": {
                "hookEventName": "PreToolUse",
                "permissionDecision": "allow" if decision.allowed else "deny",
                "permissionDecisionReason": decision.reason,
            }
        }

    async def _refuse_what_is_asked(
        self, name: str, arguments: dict[str, object], context: ToolPermissionContext
    ) -> PermissionResultDeny:
        """What the hook allowed and Claude Code would still ask a person about."""
        reason = "Refused: Claude Code would ask a person, and there is none."
        if context.decision_reason:
            reason += f" It says: {context.decision_reason}"
        self._note_refusal(context.tool_use_id, reason)
        return PermissionResultDeny(message=reason)

    def _note_refusal(self, tool_use_id: str | None, reason: str) -> None:
        if self._reader is not None and tool_use_id is not None:
            self._reader.refused(tool_use_id, reason)


async def _user_message(
    prompt: str, key: str, *, composed: bool
) -> AsyncIterator[dict[str, object]]:
    yield {
        "type": "user",
        "message": {"role": "user", "content": prompt},
        "parent_tool_use_id": None,
        "uuid": key,
        "client_composed": composed,
    }


def _answers(result: ResultMessage, key: str) -> bool:
    """Whether this is the result of that prompt, not of a turn Claude Code began by itself."""
    if result.user_message_uuids:
        return key in result.user_message_uuids
    return result.origin is None
