"""The server speaks the Messages API: messages, streams, counts, refusals, failures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from hyperhive.demo import model
from hyperhive.demo.scenario import Pace, Scenario
from tests.demo.sse import assemble, content, parse
from tests.demo.talk import Json, called, mail, request, result, rules, said, wake
from tests.support.wait import wait_for

HEADERS = {"x-api-key": "placeholder", "anthropic-version": "2023-06-01"}
AT_ONCE = Pace(chunk=20, interval_ms=0)

SCENARIO = rules("""
- name: work
  when: {contains: work}
  steps:
    - say: I begin.
      tool: Bash
      input: {command: 'echo {{from}}'}
    - say: 'It says: {{output}}'
- name: slow
  when: {contains: slow}
  steps: [{say: at last, delay_ms: 600000}]
- name: limited
  when: {contains: limited}
  steps: [{fail: {kind: rate_limited, retry_after: 77}}, {say: free again}]
- name: overloaded
  when: {contains: overloaded}
  steps: [{fail: {kind: overloaded, times: 2}}, {say: better now}]
- name: broken
  when: {contains: broken}
  steps: [{fail: {kind: server_error, times: null}}]
- name: long
  when: {contains: long}
  steps: [{fail: {kind: prompt_too_long}}, {say: shorter}]
- name: cut
  when: {contains: cut}
  steps: [{fail: {kind: cut}}, {say: whole}]
""")


class Client:
    """Posts to a served scenario."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def post(
        self, body: object, path: str = "/v1/messages", headers: dict[str, str] = HEADERS
    ) -> tuple[int, Json, Mapping[str, str]]:
        async with self.session.post(self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json(), response.headers

    async def stream(self, body: Json) -> Json:
        body = {**body, "stream": True}
        async with self.session.post(
            f"{self.url}/v1/messages", json=body, headers=HEADERS
        ) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            return assemble(parse(await response.read()))


@contextlib.asynccontextmanager
async def serving(scenario: Scenario, pace: Pace = AT_ONCE) -> AsyncIterator[Client]:
    async with model.serve(scenario, pace=pace) as url, aiohttp.ClientSession() as session:
        yield Client(session, url)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with serving(SCENARIO) as client:
        yield client


def text_of(answer: Json) -> str:
    return "".join(str(block.get("text", "")) for block in content(answer))


async def test_a_message(client: Client) -> None:
    status, answer, headers = await client.post(request(wake(mail("work"))))
    assert (status, answer["model"], answer["stop_reason"]) == (200, "claude-test-1", "tool_use")
    text, use = content(answer)
    assert (text["text"], use["name"], use["input"]) == (
        "I begin.",
        "Bash",
        {"command": "echo operator"},
    )
    assert headers["request-id"].startswith("req_")


async def test_a_stream_says_the_same(client: Client) -> None:
    whole = await client.stream(request(wake(mail("work"))))
    _, answer, _ = await client.post(request(wake(mail("work"))))
    assert text_of(whole) == text_of(answer) == "I begin."
    assert whole["usage"] == answer["usage"]
    talk = [wake(mail("work")), called("Bash"), result("operator")]
    whole = await client.stream(request(*talk))
    assert (text_of(whole), whole["stop_reason"]) == ("It says: operator", "end_turn")


async def test_counting_tokens(client: Client) -> None:
    body = request(wake(mail("work")))
    _, answer, _ = await client.post(body)
    del body["max_tokens"]
    status, count, _ = await client.post(body, "/v1/messages/count_tokens")
    usage = answer["usage"]
    assert isinstance(usage, dict)
    assert (status, count) == (200, {"input_tokens": usage["input_tokens"]})
    status, _, _ = await client.post({}, "/v1/messages/count_tokens")
    assert status == 400


async def test_the_probe(client: Client) -> None:
    async with client.session.head(f"{client.url}/") as response:
        assert response.status == 200


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize(
    "credential",
    [
        {},
        {"x-api-key": "k", "Authorization": "Bearer t"},
        {"x-api-key": ""},
        {"Authorization": "Basic eA=="},
    ],
)
async def test_mixed_or_missing_credentials(
    client: Client, path: str, credential: dict[str, str]
) -> None:
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "oauth-2025-04-20"}
    status, answer, _ = await client.post(
        request(wake(mail("work"))), path, {**headers, **credential}
    )
    assert (status, answer["type"]) == (401, "error")
    assert answer["error"]["type"] == "authentication_error"  # type: ignore[index]  # an object


async def test_a_token_instead_of_a_key(client: Client) -> None:
    headers = {
        "Authorization": "Bearer t",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "oauth-2025-04-20",
    }
    status, _, _ = await client.post(request(wake(mail("work"))), headers=headers)
    assert status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("GET", "/v1/models", 404, "not_found_error"),
        ("POST", "/v1/files", 404, "not_found_error"),
        ("POST", "/", 405, "invalid_request_error"),
    ],
)
async def test_other_paths(client: Client, method: str, path: str, status: int, kind: str) -> None:
    async with client.session.request(method, client.url + path, headers=HEADERS) as response:
        answer = await response.json()
    assert (response.status, answer["error"]["type"]) == (status, kind)


async def test_a_body_that_is_too_large(client: Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 1024 * 1024

    async with client.session.post(
        f"{client.url}/v1/messages", data=endless(), headers=HEADERS
    ) as response:
        answer = await response.json()
    assert (response.status, answer["error"]["type"]) == (413, "request_too_large")


async def test_rate_limited(client: Client) -> None:
    body = request(wake(mail("limited")))
    status, answer, headers = await client.post(body)
    assert status == 429
    assert answer["error"]["type"] == "rate_limit_error"  # type: ignore[index]  # an object
    assert headers["retry-after"] == "77"
    assert "anthropic-ratelimit-requests-reset" in headers
    assert text_of(await client.stream(body)) == "free again"


async def test_failures_are_counted_by_agent(client: Client) -> None:
    alice, bob = (request(wake(mail("overloaded")), agent=name) for name in ("alice", "bob"))
    statuses = [(await client.post(body))[0] for body in (alice, bob, alice, alice, bob, bob)]
    assert statuses == [529, 529, 529, 200, 529, 200]


async def test_a_failure_without_end(client: Client) -> None:
    statuses = [(await client.post(request(wake(mail("broken")))))[0] for _ in range(5)]
    assert statuses == [500] * 5


async def test_a_prompt_that_is_too_long(client: Client) -> None:
    status, answer, _ = await client.post(request(wake(mail("long"))))
    error = answer["error"]
    assert isinstance(error, dict)
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert error["message"].startswith("prompt is too long")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_connection_that_is_cut(client: Client, stream: bool) -> None:
    body = {**request(wake(mail("cut"))), "stream": stream}
    with pytest.raises(aiohttp.ClientError):
        async with client.session.post(
            f"{client.url}/v1/messages", json=body, headers=HEADERS
        ) as response:
            await response.read()
    assert text_of(await client.stream(body)) == "whole"


async def test_a_stream_ends_with_its_client(client: Client) -> None:
    before = asyncio.all_tasks()
    body = {**request(wake(mail("slow"))), "stream": True}
    post = client.session.post(f"{client.url}/v1/messages", json=body, headers=HEADERS)
    async with post as response:
        assert b"message_start" in await response.content.readany()
        assert not asyncio.all_tasks() <= before
        response.close()
    await wait_for(lambda: asyncio.all_tasks() <= before, what="the handler's end")


async def test_a_stream_ends_with_the_server() -> None:
    body = {**request(wake(mail("slow"))), "stream": True}
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        async with model.serve(SCENARIO) as url:
            response = await session.post(f"{url}/v1/messages", json=body, headers=HEADERS)
            assert b"message_start" in await response.content.readany()
            began = loop.time()
        assert loop.time() - began < 10
        with pytest.raises(aiohttp.ClientError):
            await response.read()


async def test_pieces_come_one_by_one() -> None:
    scenario = rules("- {name: a, when: {}, steps: [{say: 0123456789}]}")
    async with serving(scenario, Pace(chunk=1, interval_ms=1)) as client:
        body = {**request(wake(mail("x"))), "stream": True}
        async with client.session.post(
            f"{client.url}/v1/messages", json=body, headers=HEADERS
        ) as response:
            chunks = [chunk async for chunk in response.content.iter_any()]
    assert len(chunks) > 5
    assert text_of(assemble(parse(b"".join(chunks)))) == "0123456789"


async def test_an_unknown_situation_is_no_error(client: Client) -> None:
    answer = await client.stream(request(wake(mail("dance")), said("hm"), wake(mail("sing"))))
    assert "has no rule for this" in text_of(answer)
    assert answer["stop_reason"] == "end_turn"


async def test_on_a_unix_socket(socket_dir: Path) -> None:
    path = socket_dir / "model.sock"
    async with (
        model.serve(SCENARIO, pace=AT_ONCE, socket=path) as url,
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(path))) as session,
    ):
        status, _, _ = await Client(session, url).post(request(wake(mail("work"))))
    assert status == 200


def test_failure_counts_are_bounded() -> None:
    counts = model.FailureCounts()
    failure = SCENARIO.rules[2].steps[0].fail
    assert failure is not None
    for number in range(5_000):
        assert counts.fails_again(f"agent-{number}", failure)
    assert not counts.fails_again("agent-4999", failure)
    assert len(counts._counts) == 1_000
