"""The way to the model is no way out, and the key never comes in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nested.host import NestedHost
from tests.host.contained import USERS, Contained, contained
from tests.host.hosted import MODEL
from tests.support.scripted_model import Request, ScriptedModel, text
from tests.support.wait import wait_for, wait_until

SEARCH = "tests.host.attempts_search"
ASK = "tests.host.attempts_model"
SECRET = "sk-ant-api03-" + "recognisable-" * 4
SAID = "this-is-what-the-model-said"


class Upstream(threading.Thread):
    """A scripted model that outlives the loop of a test."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ScriptedModel(lambda _: text(SAID))
        self._loop = asyncio.new_event_loop()
        self._serving = threading.Event()
        self._end = asyncio.Event()

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with self.model:
            self._serving.set()
            await self._end.wait()

    def __enter__(self) -> Upstream:
        self.start()
        assert self._serving.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self.join(10)

    @property
    def requests(self) -> list[Request]:
        return self.model.requests


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as serving:
        yield serving


@pytest.fixture(scope="module")
def with_key(nested: NestedHost, upstream: Upstream) -> Iterator[Contained]:
    with contained(nested, SECRET, upstream=upstream.model.url) as agents:
        yield agents


def body(**more: Any) -> dict[str, Any]:
    return {
        "model": MODEL,
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hello"}],
        **more,
    }


def saying(*blocks: dict[str, Any]) -> dict[str, Any]:
    return body(messages=[{"role": "user", "content": [*blocks]}])


def in_result(block: dict[str, Any]) -> dict[str, Any]:
    return saying({"type": "tool_result", "tool_use_id": "t", "content": [block]})


URL = {"type": "url", "url": "https://example.com/?what=was-learned"}
FILE = {"type": "file", "file_id": "file_1"}
SERVERS = [{"type": "url", "url": "https://example.com/mcp", "name": "out"}]
GOOD = {"a message": ("POST", "/v1/messages", body())}
BODIES = {
    "mcp_servers": body(mcp_servers=SERVERS),
    "container": body(container="container_1"),
    "an image by its address": saying({"type": "image", "source": URL}),
    "a document by its address": saying({"type": "document", "source": URL}),
    "an image kept there": saying({"type": "image", "source": FILE}),
    "a document kept there": saying({"type": "document", "source": FILE}),
    "an image in a result": in_result({"type": "image", "source": URL}),
    "a file for a container": saying({"type": "container_upload", "file_id": "file_1"}),
    "web search": body(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    "web fetch": body(tools=[{"type": "web_fetch_20250910", "name": "web_fetch"}]),
    "code execution": body(tools=[{"type": "code_execution_20250825", "name": "code_execution"}]),
    "a toolset": body(tools=[{"type": "mcp_toolset", "mcp_server_name": "out"}]),
}
REFUSED = {name: ("POST", "/v1/messages", refused) for name, refused in BODIES.items()}
ELSEWHERE: dict[str, tuple[str, str, Any]] = {
    "files": ("POST", "/v1/files", body()),
    "batches": ("POST", "/v1/messages/batches", {"requests": []}),
    "models": ("GET", "/v1/models", None),
    "skills": ("GET", "/v1/skills", None),
    "organization": ("GET", "/v1/organizations/me", None),
    "above": ("POST", "/v1/messages/../files", body()),
    "above, encoded": ("POST", "/v1/messages/%2e%2e/files", body()),
    "reading": ("GET", "/v1/messages", None),
    "changing": ("PUT", "/v1/messages", body()),
    "deleting": ("DELETE", "/v1/messages", None),
    "tracing": ("TRACE", "/v1/messages", None),
    "another host": ("POST", "http://example.com/v1/messages", body()),
    "the machine beside": ("GET", "http://169.254.169.254/latest/meta-data/", None),
    "the host": ("GET", "http://127.0.0.1:22/", None),
    "a tunnel": ("CONNECT", "example.com:443", None),
    "a tunnel to the host": ("CONNECT", "127.0.0.1:22", None),
}


def test_a_message_goes_to_the_model_with_the_key(with_key: Contained, upstream: Upstream) -> None:
    answers = with_key.attempt("agent", ASK, requests=GOOD)
    assert answers["a message"].startswith("200 ")
    assert SAID in answers["a message"]
    assert upstream.requests[-1].headers["x-api-key"] == SECRET
    assert SECRET not in answers["a message"]


@pytest.mark.parametrize("user", USERS)
def test_no_other_way_out(with_key: Contained, upstream: Upstream, user: str) -> None:
    before = len(upstream.requests)
    refused = with_key.attempt(user, ASK, requests=REFUSED)
    assert {n: a[:60] for n, a in refused.items() if not a.startswith("402 ")} == {}
    elsewhere = with_key.attempt(user, ASK, requests=ELSEWHERE)
    allowed = {
        n: a[:60] for n, a in elsewhere.items() if a[:4] not in ("400 ", "403 ", "404 ", "405 ")
    }
    assert allowed == {}
    assert [r.path for r in upstream.requests[before:]] == []


@pytest.mark.parametrize("user", USERS)
async def test_the_key_is_nowhere_inside(
    with_key: Contained, upstream: Upstream, user: str
) -> None:
    """After a turn of the real Claude Code, also in the memory of all that runs."""
    before = len(upstream.model.turns)
    async with with_key.hive.admin() as client:
        await client.call("send", to="alice", body="hello", key=user)
        await wait_for(lambda: len(upstream.model.turns) > before, 30.0, "a turn")
    assert upstream.model.turns[-1].headers["x-api-key"] == SECRET
    assert found(with_key, user) == set()


def test_the_search_finds_what_is_there(with_key: Contained) -> None:
    holds = "import sys; a = sys.stdin.readline(); open('/tmp/ready', 'w'); sys.stdin.read()"
    with_key.run("root", ["tee", "/state/planted"], given=SECRET.encode())
    with with_key.running("root", ["/usr/bin/python3", "-I", "-c", holds], f"{SECRET}\n".encode()):
        wait_until(lambda: "ready" in with_key.run("root", ["ls", "/tmp"]), 10, "a holder")
        seen = found(with_key, "root")
    assert "/state/planted" in seen
    assert [where for where in seen if where.endswith("/mem")]
    with_key.run("root", ["rm", "/state/planted", "/tmp/ready"])


def found(agents: Contained, user: str) -> set[str]:
    outcomes = agents.attempt(user, SEARCH, reversed_bytes=SECRET[::-1])
    return {*outcomes} - {"looked"}
