"""Refuses bodies that would have the model's servers fetch, run or keep something for an agent.

Everything is an allow-list: a key, tool, block or source that is not known here is refused, since
what a later version of the API does with it cannot be known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperhive.gateway.model_side import ModelSide
from hyperhive.protocol.errors import InvalidField

MAX_NESTING = 20
"""Content blocks inside content blocks."""

_KNOWN_KEYS = """
    model messages system tools tool_choice metadata max_tokens thinking context_management
    output_config output_format cache_control stream stop_sequences temperature top_p top_k
"""
_KEYS = frozenset(_KNOWN_KEYS.split())
"""Not among them: mcp_servers, container and thread (kept by the servers), fallbacks (other
models), speed, service_tier and inference_geo (other prices than those the budget counts by)."""

_KNOWN_BLOCKS = """
    text image document search_result thinking redacted_thinking tool_use tool_result
    tool_reference tool_addition tool_removal compaction
"""
_BLOCKS = frozenset(_KNOWN_BLOCKS.split())

_SOURCES = frozenset({"base64", "text"})


def check_body(body: Mapping[str, Any], side: ModelSide) -> None:
    """Raises PolicyRefused, or InvalidField for a shape that the API would not accept either."""
    for key in body:
        if key not in _KEYS:
            side.need(key, "body")
    _check_tools(body.get("tools"), "tools", side)
    _check_content(body.get("system"), "system", side, 0)
    messages = body.get("messages")
    for i, message in enumerate(_objects(messages, "messages")):
        _check_content(message.get("content"), f"messages[{i}].content", side, 0)


def model_of(body: object) -> str:
    """The model a body asks for. Raises InvalidField."""
    if not isinstance(body, dict):
        raise InvalidField("body", "must be a JSON object")
    model = body.get("model")
    if not isinstance(model, str):
        raise InvalidField("model", "must be the name of a model")
    return model


def _check_tools(tools: object, where: str, side: ModelSide) -> None:
    for i, tool in enumerate(_objects(tools, where)):
        _check_tool(tool, f"{where}[{i}]", side)


def _check_tool(tool: Mapping[str, Any], where: str, side: ModelSide) -> None:
    """Tools without a type are run by the agent; whether one with a type is, its name decides."""
    kind = tool.get("type", "custom")
    if kind is not None and kind != "custom":
        side.need(_word(kind, f"{where}.type"), f"{where}.type")


def _check_content(content: object, where: str, side: ModelSide, depth: int) -> None:
    if content is None or isinstance(content, str):
        return
    if depth > MAX_NESTING:
        raise InvalidField(where, "is nested too deeply")
    for i, block in enumerate(_objects(content, where)):
        _check_block(block, f"{where}[{i}]", side, depth)


def _check_block(block: Mapping[str, Any], where: str, side: ModelSide, depth: int) -> None:
    kind = _word(block.get("type"), f"{where}.type")
    if kind not in _BLOCKS:
        # What the servers made themselves comes back in forms of its own.
        side.need(kind, f"{where}.type")
        return
    if kind == "tool_use":
        return  # its input is the model's own words to the agent's own tool
    if kind in ("tool_addition", "tool_removal"):
        _check_tool_change(block.get("tool"), f"{where}.tool", side)
    if kind != "search_result":  # there `source` is a label
        _check_source(block.get("source"), f"{where}.source", side, depth)
    _check_content(block.get("content"), f"{where}.content", side, depth + 1)
    _check_content(block.get("tool_changes"), f"{where}.tool_changes", side, depth + 1)


def _check_source(source: object, where: str, side: ModelSide, depth: int) -> None:
    if source is None:
        return
    if not isinstance(source, dict):
        raise InvalidField(where, "must be an object")
    kind = _word(source.get("type"), f"{where}.type")
    if kind not in _SOURCES:
        side.need(kind, f"{where}.type")
        _check_content(source.get("content"), f"{where}.content", side, depth + 1)


def _check_tool_change(tool: object, where: str, side: ModelSide) -> None:
    """A tool may also be added in the middle of a conversation, by name or with its definition."""
    if not isinstance(tool, dict):
        raise InvalidField(where, "must be an object")
    if tool.get("type") == "tool_definition":
        _check_tools([tool.get("definition")], f"{where}.definition", side)
    elif tool.get("type") != "tool_reference":
        side.need(_word(tool.get("type"), f"{where}.type"), f"{where}.type")


def _objects(value: object, where: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidField(where, "must be a list")
    for i, item in enumerate(value):
        if not isinstance(item, dict):
            raise InvalidField(f"{where}[{i}]", "must be an object")
    return value


def _word(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidField(where, "must be a word")
    return value
