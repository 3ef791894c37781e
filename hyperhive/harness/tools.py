"""The MCP server `hyperhive`: the verbs as tools. The only place that knows both majors of mcp."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Any

from mcp.server.lowlevel import Server
from mcp.types import CallToolResult, ListToolsResult, Tool

from hyperhive import __version__
from hyperhive.harness.envelope import inert_json
from hyperhive.harness.requests import SERVER_NAME, Caller, complete
from hyperhive.protocol.errors import HiveError, InvalidField
from hyperhive.protocol.json_schema import json_schema
from hyperhive.protocol.verbs import FILLED_IN_BY_HARNESS, VERBS


class Tools:
    """The tools of an agent with these capabilities."""

    def __init__(self, caller: Caller, capabilities: Collection[str]) -> None:
        self._caller = caller
        self._arguments = {
            name: verb.arguments
            for name, verb in VERBS.items()
            if not verb.link_only
            if not verb.capabilities or set(verb.capabilities) & set(capabilities)
        }

    def list(self) -> list[Tool]:
        return [_describe(name, arguments) for name, arguments in self._arguments.items()]

    async def call(self, name: str, arguments: Mapping[str, object]) -> CallToolResult:
        """Never raises: what is wrong goes back to the model, which can do better."""
        try:
            if name not in self._arguments:
                known = ", ".join(self._arguments)
                raise InvalidField("name", f"{name[:80]!r} is not a tool; there are {known}")
            request = complete(self._arguments[name], arguments, self._caller.fill_in())
            return _result(await self._caller.call(name, request))
        except HiveError as error:
            return _result(error.to_json(), is_error=True)


def build_server(tools: Tools) -> Server[Any]:
    """A server for any transport; its session does not outlive one connection."""
    # One major is installed, so the other's calls are unknown to the type checker.
    server: Any = Server
    if hasattr(Server, "call_tool"):
        legacy = server(SERVER_NAME, version=__version__)
        legacy.list_tools()(functools.partial(_list_legacy, tools))
        legacy.call_tool(validate_input=False)(tools.call)
        return legacy  # type: ignore[no-any-return]  # see above

    async def on_list_tools(context: object, params: object) -> ListToolsResult:
        return ListToolsResult(tools=tools.list())

    async def on_call_tool(context: object, params: Any) -> CallToolResult:
        return await tools.call(params.name, params.arguments or {})

    return server(  # type: ignore[no-any-return]  # see above
        SERVER_NAME,
        version=__version__,
        on_list_tools=on_list_tools,
        on_call_tool=on_call_tool,
    )


async def _list_legacy(tools: Tools) -> list[Tool]:
    return tools.list()


def _describe(name: str, arguments: type) -> Tool:
    # Validated from plain data: the attributes are spelled `input_schema` in one major only.
    return Tool.model_validate(
        {
            "name": name,
            "description": " ".join((arguments.__doc__ or "").split()),
            "inputSchema": json_schema(arguments, leave_out=FILLED_IN_BY_HARNESS),
        }
    )


def _result(value: object, *, is_error: bool = False) -> CallToolResult:
    content = [{"type": "text", "text": inert_json(value)}]
    return CallToolResult.model_validate({"content": content, "isError": is_error})
