"""A stand-in for the Anthropic Messages API that answers from a script and remembers requests.

Use it as an async context manager and point ``ANTHROPIC_BASE_URL`` at ``model.url``::

    async with ScriptedModel([tool("Bash", command="ls"), text("done")]) as model:
        ...
        assert model.turns[0].tool_names == {"Bash"}

The script is a list of replies, used up in order (the last is repeated), or a function from a
`Request` to a reply. Streams are server-sent events as the public API documents them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from aiohttp import web

Json = dict[str, object]

USAGE = {"input_tokens": 10, "output_tokens": 5}
_ANSWERED = ("POST", "/v1/messages")


@dataclass(frozen=True)
class Reply:
    """One answer: content blocks, or an error when `status` is not 200.

    A stream stays open after its first words until `hold` is set or the client leaves.
    """

    blocks: tuple[Json, ...] = ()
    status: int = 200
    error: str = ""
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    usage: Mapping[str, int] = field(default_factory=lambda: dict(USAGE))

    @property
    def stop_reason(self) -> str:
        used = any(block["type"] == "tool_use" for block in self.blocks)
        return "tool_use" if used else "end_turn"


def text(
    words: str, *, hold: asyncio.Event | None = None, usage: Mapping[str, int] = USAGE
) -> Reply:
    """The model says something and ends its turn."""
    return Reply(({"type": "text", "text": words},), hold=hold, usage=usage)


def tool(name: str, /, **arguments: object) -> Reply:
    """The model calls one tool."""
    return Reply(({"type": "tool_use", "name": name, "input": arguments},))


def failure(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """The API refuses: `kind` is the error type, such as ``overloaded_error``.

    Claude Code repeats a request for minutes, unless `headers` has ``x-should-retry: false``.
    """
    return Reply(status=status, error=kind, message=message, headers=headers or {})


def prompt_too_long() -> Reply:
    """What the API answers when the conversation no longer fits the window."""
    return failure(
        400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"
    )


@dataclass(frozen=True)
class Request:
    """One recorded HTTP request; `body` is empty for anything but JSON posts."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in any case."""
    body: Json

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def tool_names(self) -> set[str]:
        return {str(entry["name"]) for entry in _dicts(self.body.get("tools"))}

    @property
    def messages(self) -> list[Json]:
        return _dicts(self.body.get("messages"))

    @property
    def system_text(self) -> str:
        return _text_of(self.body.get("system"))

    @property
    def all_text(self) -> str:
        """Every message as text, oldest first; tool traffic is left out."""
        return "\n".join(_text_of(message.get("content")) for message in self.messages)

    @property
    def tool_results(self) -> list[str]:
        """Texts of the tool results after the last assistant message, wherever they stand."""
        found: list[str] = []
        for message in self.messages:
            if message.get("role") == "assistant":
                found = []
            for block in _dicts(message.get("content")):
                if block.get("type") == "tool_result":
                    found.append(_text_of(block.get("content")))
        return found


Script = Sequence[Reply] | Callable[[Request], Reply]


def _dicts(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(block["text"]) for block in _dicts(content) if "text" in block)


class ScriptedModel:
    """Serves the script on a loopback port, or on a unix socket at `path`.

    `requests` has everything that came in.
    """

    def __init__(self, script: Script, path: Path | None = None) -> None:
        self._path = path
        self.requests: list[Request] = []
        self._choose = script if callable(script) else _in_order(script)
        # Unlike those of any other model, which a resumed session may have talked to.
        self._ids = (f"{secrets.token_hex(4)}{number}" for number in count(1))
        self._arrived = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def turns(self) -> list[Request]:
        """The requests that asked for a message, leaving out probes and token counts."""
        return [r for r in self.requests if (r.method, r.path) == _ANSWERED]

    async def wait_for_turns(self, number: int, timeout: float = 20.0) -> Request:
        """Waits until the `number`th message request has arrived, and returns it."""
        async with asyncio.timeout(timeout), self._arrived:
            await self._arrived.wait_for(lambda: len(self.turns) >= number)
        return self.turns[number - 1]

    async def __aenter__(self) -> ScriptedModel:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        # A handler that waits in `hold` ends when its client leaves.
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        if self._path is not None:
            await web.UnixSite(self._runner, self._path).start()
            return self
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, http: web.Request) -> web.StreamResponse:
        raw = await http.read()
        body = json.loads(raw) if raw else {}
        request = Request(http.method, http.path, http.headers.copy(), body)
        async with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        if request.path == "/v1/messages/count_tokens":
            return web.json_response({"input_tokens": len(raw) // 4})
        if (request.method, request.path) != _ANSWERED:
            return web.Response()
        reply = self._choose(request)
        if reply.status != 200:
            return _refusal(reply)
        if not body.get("stream"):
            return web.json_response(self._message(request, reply, reply.blocks))
        return await self._stream(http, request, reply)

    def _message(self, request: Request, reply: Reply, blocks: Sequence[Json]) -> Json:
        return {
            "id": f"msg_{next(self._ids)}",
            "type": "message",
            "role": "assistant",
            "model": request.model,
            "content": [_identified(block, self._ids) for block in blocks],
            "stop_reason": reply.stop_reason if blocks else None,
            "stop_sequence": None,
            "usage": dict(reply.usage),
        }

    async def _stream(
        self, http: web.Request, request: Request, reply: Reply
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        with contextlib.suppress(ConnectionResetError):  # the client left in the middle
            await response.prepare(http)
            await self._send_events(response, request, reply)
        return response

    async def _send_events(
        self, response: web.StreamResponse, request: Request, reply: Reply
    ) -> None:
        async def send(kind: str, **fields: object) -> None:
            data = json.dumps({"type": kind, **fields})
            await response.write(f"event: {kind}\ndata: {data}\n\n".encode())

        await send("message_start", message=self._message(request, reply, ()))
        for index, block in enumerate(reply.blocks):
            start, delta = _as_stream(_identified(block, self._ids))
            await send("content_block_start", index=index, content_block=start)
            await send("content_block_delta", index=index, delta=delta)
            if reply.hold is not None:
                await reply.hold.wait()
            await send("content_block_stop", index=index)
        stop = {"stop_reason": reply.stop_reason, "stop_sequence": None}
        await send("message_delta", delta=stop, usage=dict(reply.usage))
        await send("message_stop")


def _in_order(replies: Sequence[Reply]) -> Callable[[Request], Reply]:
    remaining = list(replies)

    def choose(_: Request) -> Reply:
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    return choose


def _identified(block: Json, ids: Iterator[str]) -> Json:
    return {"id": f"toolu_{next(ids)}", **block} if block["type"] == "tool_use" else block


def _as_stream(block: Json) -> tuple[Json, Json]:
    """Splits a content block into its opening event and its only delta."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
    delta: Json = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    return {**block, "input": {}}, delta


def _refusal(reply: Reply) -> web.Response:
    body = {"type": "error", "error": {"type": reply.error, "message": reply.message}}
    return web.json_response(body, status=reply.status, headers=dict(reply.headers))
