"""Reads the messages of one turn of Claude Code: events on the way, the outcome at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from claude_agent_sdk import (
    AssistantMessage,
    Message,
    ResultMessage,
    SystemMessage,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from hyperhive.harness.session_events import Report, Status, TurnOutcome, bounded, notice
from hyperhive.protocol.verbs import TurnEvent

_SYNTHETIC = "<synthetic>"
"""The model named by messages that Claude Code wrote itself, such as those about API errors."""


class TurnReader:
    """Give it every message of a turn; `refused` is told by the hook, which runs beside."""

    def __init__(self, report: Report, remember: Callable[[str], None]) -> None:
        """`remember` gets the session's id as soon as it is known."""
        self._report = report
        self._remember = remember
        self._compact_error = ""
        self._context_tokens = 0
        self._tools: dict[str, str] = {}
        self._refused: dict[str, str] = {}

    def refused(self, tool_use_id: str, reason: str) -> None:
        """The tool's result, which Claude Code makes up, is reported as this refusal."""
        self._refused[tool_use_id] = reason

    def read(self, message: Message) -> None:
        match message:
            case AssistantMessage():
                self._read_assistant(message)
            case UserMessage(content=list() as blocks):
                for block in blocks:
                    if isinstance(block, ToolResultBlock):
                        self._read_result(block)
            case SystemMessage():
                self._read_system(message.subtype, message.data)

    def _read_assistant(self, message: AssistantMessage) -> None:
        if message.model == _SYNTHETIC:
            return
        if message.parent_tool_use_id is None and message.usage:
            self._context_tokens = _total(message.usage)
        for block in message.content:
            if isinstance(block, TextBlock):
                self._report(TurnEvent(kind="text", text=bounded(block.text)))
            elif isinstance(block, ToolUseBlock):
                self._tools[block.id] = block.name[:200]
                shown = json.dumps(block.input, ensure_ascii=False)
                tool = self._tools[block.id]
                self._report(TurnEvent(kind="tool_use", tool=tool, text=bounded(shown)))

    def _read_result(self, block: ToolResultBlock) -> None:
        tool = self._tools.get(block.tool_use_id, "")
        reason = self._refused.pop(block.tool_use_id, None)
        if reason is not None:
            self._report(TurnEvent(kind="tool_refused", tool=tool, text=bounded(reason)))
            return
        text = bounded(_text_of(block.content))
        is_error = bool(block.is_error)
        self._report(TurnEvent(kind="tool_result", tool=tool, text=text, is_error=is_error))

    def _read_system(self, subtype: str, data: Mapping[str, object]) -> None:
        if subtype == "init":
            self._remember(str(data["session_id"]))
        elif subtype == "status" and data.get("compact_result") == "failed":
            self._compact_error = str(data.get("compact_error") or "compaction failed")
        elif subtype == "compact_boundary":
            self._report(notice("The conversation was compacted."))
        elif subtype == "api_retry":
            status = data.get("error_status") or data.get("error") or "no answer"
            self._report(notice(f"The model API failed ({status}); Claude Code tries again."))

    def outcome(self, result: ResultMessage) -> TurnOutcome:
        status, usage = _status(result), result.usage or {}
        text = result.result or "; ".join(result.errors or ())
        if self._compact_error and status == "completed":
            status, text = "failed", self._compact_error
        elif status == "interrupted":
            text = ""  # a diagnostic of Claude Code for its makers
        windows = [int(used["contextWindow"]) for used in (result.model_usage or {}).values()]
        return TurnOutcome(
            status=status,
            text=text,
            session_id=result.session_id,
            api_status=result.api_error_status,
            input_tokens=_count(usage, "input_tokens"),
            output_tokens=_count(usage, "output_tokens"),
            cache_read_tokens=_count(usage, "cache_read_input_tokens"),
            cache_write_tokens=_count(usage, "cache_creation_input_tokens"),
            context_tokens=self._context_tokens,
            context_window=max(windows, default=0),
        )


def _status(result: ResultMessage) -> Status:
    reason = result.terminal_reason or ""
    if reason.startswith("aborted"):
        return "interrupted"
    if not result.is_error:
        return "completed"
    if reason == "prompt_too_long":
        return "overflow"
    # An API error comes as subtype "success" and is_error; the status is None without an answer.
    if reason == "api_error" or result.api_error_status is not None:
        return "api_error"
    return "failed"


def _total(usage: Mapping[str, object]) -> int:
    kinds = ("input_tokens", "output_tokens", "cache_read_input_tokens")
    return sum(_count(usage, kind) for kind in (*kinds, "cache_creation_input_tokens"))


def _count(usage: Mapping[str, object], kind: str) -> int:
    value = usage.get(kind)
    return value if isinstance(value, int) else 0


def _text_of(content: str | list[dict[str, object]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(part.get("text", f"[{part.get('type')}]")) for part in content)
