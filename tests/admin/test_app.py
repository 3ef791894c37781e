"""The admin socket against everything that may arrive at it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hyperhive.admin.app import CONTAINER_UIDS, VERBS
from hyperhive.protocol.wire import MAX_DOCUMENT
from tests.admin.conftest import Served
from tests.support.wrong import mistakes

KEY = "key-1"
RIGHT: dict[str, dict[str, Any]] = {
    "agent": {"name": "alice"},
    "agents": {},
    "answer": {"id": 1, "answer": "yes"},
    "approvals": {"all": True, "limit": 5},
    "approve": {"id": 1, "note": "good", "commit": "0123abcd"},
    "ask": {
        "to": "alice",
        "question": "tea?",
        "options": ["yes"],
        "multi": False,
        "ttl_seconds": 60,
        "key": KEY,
    },
    "audit": {"limit": 5, "before": 9},
    "cancel_deploy": {"id": 1},
    "cancel_question": {"id": 1},
    "cancel_turn": {"name": "alice"},
    "debug_ack": {"name": "alice", "instance": "debug-instance", "deliveries": [1]},
    "debug_leases": {},
    "debug_recv": {"name": "alice", "instance": "debug-instance", "max": 1, "wait_seconds": 0},
    "debug_send": {"sender": "alice", "to": "manager", "body": "hello", "key": KEY},
    "debug_wake": {"name": "alice"},
    "deny": {"id": 1, "reason": "no"},
    "deploy_log": {"id": 1, "offset": 5},
    "deploys": {"agent": "alice", "limit": 5},
    "destroy": {"name": "alice", "purge": False},
    "diff": {"id": 1, "base": "running", "whole": True},
    "doctor": {},
    "inbox": {"limit": 5},
    "kill": {"name": "alice"},
    "login_code": {},
    "logs": {"name": "alice", "lines": 5},
    "mark_read": {"deliveries": [1]},
    "messages": {"agent": "alice", "limit": 5, "before": 9},
    "model": {"name": "alice", "model": "small"},
    "new_session": {"name": "alice"},
    "questions": {"all": True, "limit": 5},
    "restart": {"name": "alice"},
    "revive": {"name": "alice"},
    "rollback": {"name": "alice", "to": 1},
    "send": {"to": "alice", "body": "hello", "in_reply_to": 1, "ttl_seconds": 60, "key": KEY},
    "spawn": {"name": "carol", "description": "counts", "module": "{ }", "key": "k"},
    "start": {"name": "alice"},
    "status": {},
    "update": {"name": "alice"},
}


def test_every_verb_is_tried() -> None:
    assert RIGHT.keys() == VERBS.keys()


@pytest.mark.parametrize("verb", sorted(VERBS))
async def test_every_field_wrong_in_turn_is_named_and_nothing_stored(
    served: Served, verb: str
) -> None:
    found = mistakes(VERBS[verb][0], RIGHT[verb])
    before = served.dump()
    wrong = []
    for mistake in found:
        status, answer = await served.post(f"/v1/{verb}", json.dumps(mistake.document).encode())
        error = answer["error"]
        too_large = error["code"] == "invalid_frame" and mistake.what == "is too large"
        if status != 400 or not (too_large or error.get("field") == mistake.field):
            wrong.append((str(mistake), status, error))
    assert wrong == []
    assert len(found) >= 1
    assert served.dump() == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"not json", 400, "invalid_frame"),
        (b"[]", 400, "invalid_field"),
        (b"null", 400, "invalid_field"),
        (b'"text"', 400, "invalid_field"),
        (b'{"name": "alice"', 400, "invalid_frame"),
        (b'{"name": "alice", "name": "bob"}', 400, "invalid_frame"),
        (b'{"name": "\xff"}', 400, "invalid_frame"),
        (b'{"name": "\\ud800"}', 400, "invalid_field"),
        (b'{"\\ud800": 1}', 400, "invalid_field"),
        (b'{"name": NaN}', 400, "invalid_frame"),
        (b'{"name": 1e999}', 400, "invalid_frame"),
        (b'{"name": ' + b"9" * 400 + b"}", 400, "invalid_frame"),
        (b"[" * 100_000, 400, "invalid_frame"),
        (b"\xef\xbb\xbf{}", 400, "invalid_frame"),
        (b" " * (MAX_DOCUMENT + 1), 413, "too_large"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
async def test_what_is_no_document(served: Served, body: bytes, status: int, code: str) -> None:
    before = served.dump()
    found, answer = await served.post("/v1/kill", body)
    assert (found, answer["error"]["code"]) == (status, code)
    assert answer["error"]["message"]
    assert served.dump() == before


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/__class__", "/v1/a%0ab", "/v1/" + "x" * 500])
async def test_an_unknown_verb(served: Served, path: str) -> None:
    status, answer = await served.post(path, b"{}")
    assert (status, answer["error"]["code"]) == (404, "not_found")
    assert "there is no verb" in answer["error"]["message"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/status", "/v1/status/more"])
async def test_an_unknown_path(served: Served, path: str) -> None:
    status, answer = await served.post(path, b"{}")
    assert (status, answer["error"]["code"]) == (404, "http")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
async def test_other_methods_change_nothing(served: Served, method: str) -> None:
    before = served.dump()
    connector = aiohttp.UnixConnector(str(served.socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, "http://admin/v1/kill", json={"name": "alice"}) as answer,
    ):
        assert answer.status == 405
    assert served.dump() == before


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/status HTTP/9.9\r\n\r\n",
        b"POST /v1/status HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/status HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/status HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/status HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /v1/status HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /v1/status HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{}",
    ],
    ids=range(10),
)
async def test_what_is_no_request(served: Served, data: bytes) -> None:
    """It gets an answer of the 4xx kind or none, and the next one is served."""
    before = served.dump()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.setblocking(False)
        await loop.sock_connect(raw, str(served.socket))
        await loop.sock_sendall(raw, data)
        raw.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(10):
            answer = await loop.sock_recv(raw, 65_536)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:200]
    assert b"Traceback" not in answer
    async with served.client as client:
        assert (await client.call("status"))["runtime"] == "local"
    assert served.dump() == before


# --- who asks ---


@pytest.mark.root
@pytest.mark.parametrize("uid", [CONTAINER_UIDS[0], 1_000_001_000, CONTAINER_UIDS[-1]])
async def test_an_agent_is_refused_whatever_the_mode_of_the_socket(
    served: Served, uid: int
) -> None:
    served.socket.parent.chmod(0o755)
    served.socket.chmod(0o666)
    before = served.dump()
    for path in ("/v1/status", "/v1/kill", "/v1/nothing", "/nothing"):
        status, body = await asyncio.to_thread(_ask_as, uid, served.socket, path)
        assert (status, body["error"]["code"]) == (403, "forbidden")
    assert served.dump() == before


@pytest.mark.root
async def test_another_user_is_kept_out_by_the_mode(served: Served) -> None:
    served.socket.parent.chmod(0o755)
    assert served.socket.stat().st_mode & 0o777 == 0o600
    assert await asyncio.to_thread(_ask_as, 65_534, served.socket, "/v1/status") == (13, None)
    served.socket.chmod(0o666)
    status, _ = await asyncio.to_thread(_ask_as, 65_534, served.socket, "/v1/status")
    assert status == 200


def _ask_as(uid: int, path: Path, target: str) -> tuple[int, Any]:
    """Status and document, or errno and None, as a process of this user gets them."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(writer, _ask(path, target))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    if answer.startswith(b"errno"):
        return int(answer.split()[1]), None
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def _ask(path: Path, target: str) -> bytes:
    body = b'{"name":"alice"}' if "kill" in target else b"{}"
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    try:
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(10)
            raw.connect(str(path))
            raw.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = b""
            while more := raw.recv(65_536):
                answer += more
            return answer
    except OSError as error:
        return b"errno %d" % (error.errno or 0)
