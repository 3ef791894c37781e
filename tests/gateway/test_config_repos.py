"""Configurations over HTTP: what runs comes down as a pack, what is proposed goes up as one."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hyperhive.gateway.limits import ConfigLimits
from hyperhive.protocol.configs import MAX_PACK
from tests.gateway.client import Refused
from tests.gateway.configured import Configured, configured, git
from tests.gateway.world import World
from tests.support.wait import wait_for

UNKNOWN = "c" * 40


@pytest.fixture
async def host(tmp_path: Path, socket_dir: Path) -> AsyncIterator[Configured]:
    async with configured(tmp_path, socket_dir) as host:
        yield host


@pytest.fixture
async def clone(tmp_path: Path) -> Path:
    directory = tmp_path / "clone"
    directory.mkdir()
    await git(directory, "init", "-q", "-b", "main")
    await git(directory, "config", "user.name", "m")
    await git(directory, "config", "user.email", "m@localhost")
    return directory


async def fetch(host: Configured, clone: Path, by: str, agent: str, *have: str) -> str:
    """Check out what runs; its id."""
    main = (await host.refs(by))[agent]["main"]
    asked = json.dumps({"want": [main], "have": have}).encode()
    status, pack = await host.ask(by, "POST", f"/v1/config/{agent}/pack", asked)
    assert status == 200, pack
    await git(clone, "index-pack", "--stdin", "--fix-thin", given=pack)
    await git(clone, "reset", "-q", "--hard", main)
    return str(main)


async def commit(clone: Path, text: str) -> tuple[str, bytes]:
    """A commit, and the pack of what it adds."""
    (clone / "agent.nix").write_text(text)
    await git(clone, "add", ".")
    await git(clone, "commit", "-q", "-m", "a change")
    made = await git(clone, "rev-parse", "HEAD")
    await git(clone, "pack-objects", "--revs", "-q", "p", given=f"{made}\n^HEAD~1\n".encode())
    (pack,) = clone.glob("p-*.pack")
    return made, pack.read_bytes()


async def test_what_is_told_is_what_may_be_proposed_for(host: Configured) -> None:
    one = await host.runs("bob", "one")
    two = await host.runs("bob", "two")
    told = await host.refs("manager")
    assert set(told) == {"manager", "alice", "bob"}
    assert told["bob"] == {"main": two, "tags": {"deployed/2": two, "deployed/1": one}}
    assert told["alice"] == {"main": None, "tags": {}}
    assert set(await host.refs("bob")) == {"bob"}


async def test_a_commit_goes_round(host: Configured, clone: Path) -> None:
    base = await host.runs("bob", "one")
    assert await fetch(host, clone, "manager", "bob", UNKNOWN) == base
    assert (clone / "agent.nix").read_text() == "one"
    made, pack = await commit(clone, "two")
    order = {"agent": "bob", "commit_ref": made, "description": "why", "key": "k"}
    client = host.world.client("manager")
    with pytest.raises(Refused) as refused:
        await client.call("request_apply_commit", **order)
    assert refused.value.code == "not_found"
    answer = await host.ask("manager", "POST", f"/v1/proposals/bob?commit={made}", pack)
    assert answer == (200, {"commit": made})
    asked = await client.call("request_apply_commit", **order)
    assert asked == {"id": asked["id"], "state": "checking", "commit": made}
    assert await client.call("request_apply_commit", **order) == asked
    later = await host.runs("bob", "three")
    assert await fetch(host, clone, "bob", "bob", base, made) == later


async def test_who_may_not_is_told_the_same_as_about_nobody(host: Configured) -> None:
    await host.runs("manager", "one")
    asked = json.dumps({"want": [UNKNOWN]}).encode()
    answers = []
    for by, agent in (("alice", "alice"), ("alice", "no"), ("bob", "manager"), ("bob", "no")):
        answers.append(await host.ask(by, "POST", f"/v1/config/{agent}/pack", asked))
        answers.append(
            await host.ask(by, "POST", f"/v1/proposals/{agent}?commit={UNKNOWN}", b"PACK")
        )
    answers.append(await host.ask("alice", "GET", "/v1/config"))
    assert answers[0][0] == 403
    assert all(answer == answers[0] for answer in answers)


async def test_who_may_propose_nothing_is_not_read(host: Configured) -> None:
    head = f"POST /v1/proposals/bob?commit={UNKNOWN} HTTP/1.1\r\nHost: hive\r\n"
    head += f"Content-Length: {MAX_PACK}\r\n\r\n"
    answer = await host.world.client("alice").bytes_out(head.encode())
    assert answer.startswith(b"HTTP/1.1 403 ")


WRONG_PACKS: list[Any] = [
    {},
    {"want": []},
    {"want": "c" * 40},
    {"want": ["--all"]},
    {"want": ["c" * 39]},
    {"want": [UNKNOWN], "have": [UNKNOWN] * 2_000},
    {"want": [UNKNOWN] * 2_000},
    {"want": [UNKNOWN], "haves": []},
    {"want": [UNKNOWN, None]},
]
HOSTILE: list[tuple[str, str, bytes | None, str]] = [
    *(
        ("POST", f"/v1/proposals/{name}?commit={UNKNOWN}", b"x", "invalid_field")
        for name in ("Bob", "%2e%2e", "..%2fbob", "bob%2f..%2falice", "bob%00", "bob%0a", "-rf")
    ),
    *(
        ("POST", f"/v1/proposals/bob{query}", b"x", "invalid_field")
        for query in (
            "",
            "?",
            "?commit",
            "?commit=",
            f"?commit={'c' * 39}",
            f"?commit={'c' * 41}",
            f"?commit={'c' * 65}",
            f"?commit={'C' * 40}",
            f"?commit={'c' * 39}g",
            f"?commit={UNKNOWN}%0a",
            f"?commit=-{'c' * 39}",
            f"?commit={UNKNOWN}&commit={UNKNOWN}",
            f"?commit={UNKNOWN}&more=1",
            f"?Commit={UNKNOWN}",
            "?commit=%ff%fe%00",
            "?commit=HEAD",
        )
    ),
    *(
        ("POST", "/v1/config/bob/pack", json.dumps(body).encode(), "invalid_field")
        for body in WRONG_PACKS
    ),
    ("POST", "/v1/config/bob/pack", b"[]", "invalid_frame"),
    ("POST", "/v1/config/bob/pack", b"{", "invalid_frame"),
    ("POST", "/v1/config/bob/pack", b"", "invalid_frame"),
    ("POST", "/v1/config/%2fbob/pack", b"{}", "invalid_field"),
    ("POST", "/v1/config/bob/pack", b"x" * 600_000, "too_large"),
    ("POST", f"/v1/proposals/bob?commit={UNKNOWN}", b"", "invalid_field"),
    ("POST", f"/v1/proposals/bob?commit={UNKNOWN}", b"PACK" + b"\xff" * 99, "too_large"),
    ("POST", f"/v1/proposals/bob?commit={UNKNOWN}", bytes(MAX_PACK + 1), "too_large"),
    ("POST", "/v1/proposals", b"", "forbidden"),
    ("POST", "/v1/proposals/", b"", "not_found"),
    ("POST", "/v1/config/a/b/pack", b"", "not_found"),
    ("GET", "/v1/config/bob/pack", None, "not_found"),
    ("DELETE", "/v1/config", None, "not_found"),
]


async def test_what_is_wrong_is_said(host: Configured, tmp_path: Path) -> None:
    await host.runs("bob", "one")
    before = sorted(path.name for path in (tmp_path / "applied").iterdir())
    for method, path, data, code in HOSTILE:
        status, answer = await host.ask("manager", method, path, data)
        assert 400 <= status < 500, (path, data and data[:50], answer)
        assert answer["error"]["code"] == code, (path, data and data[:50], answer)
    assert sorted(path.name for path in (tmp_path / "applied").iterdir()) == before


async def test_what_nothing_names_is_not_handed_out(host: Configured, clone: Path) -> None:
    await host.runs("bob", "one")
    unnamed = await host.configs.declare("bob", {"agent.nix": b"secret"}, None)
    asked = json.dumps({"want": [unnamed]}).encode()
    status, answer = await host.ask("manager", "POST", "/v1/config/bob/pack", asked)
    assert (status, answer["error"]["code"]) == (404, "not_found")


# --- how much, and for how long ---


def head(size: int, commit: str = UNKNOWN) -> bytes:
    lines = [f"POST /v1/proposals/bob?commit={commit} HTTP/1.1", "Host: hive"]
    return "\r\n".join([*lines, f"Content-Length: {size}", "", ""]).encode()


async def slow(host: Configured, by: str) -> asyncio.StreamWriter:
    """An upload that goes on."""
    _, writer = await asyncio.open_unix_connection(str(host.world.socket(by)))
    writer.write(head(1_000_000) + b"PACK")
    busy = host.world.gateway._transfers._busy
    agent = await host.world.agent(by)
    await wait_for(lambda: agent.id in busy, 5, "the upload to be read")
    return writer


async def test_an_agent_sends_one_pack_at_a_time(host: Configured) -> None:
    writer = await slow(host, "manager")
    status, answer = await host.ask("manager", "POST", f"/v1/proposals/bob?commit={UNKNOWN}", b"x")
    assert (status, answer["error"]["code"]) == (429, "rate_limited")
    assert answer["error"]["retry_after"] == 1.0
    assert (await host.ask("bob", "POST", f"/v1/proposals/bob?commit={UNKNOWN}", b"x"))[0] == 400
    assert await host.refs("manager")
    writer.close()
    busy = host.world.gateway._transfers._busy
    await wait_for(lambda: not busy, 5, "the end of an upload that broke off")


async def test_all_together_have_room_for_few(tmp_path: Path, socket_dir: Path) -> None:
    limits = ConfigLimits(transfers=1, wait_seconds=0.2)
    async with configured(tmp_path, socket_dir, limits) as host:
        writer = await slow(host, "manager")
        path = f"/v1/proposals/bob?commit={UNKNOWN}"
        assert (await host.ask("bob", "POST", path, b"x"))[0] == 429
        waiting = asyncio.create_task(host.ask("bob", "POST", path, b"x"))
        writer.close()
        assert (await waiting)[0] == 400


async def test_a_body_has_its_time(tmp_path: Path, socket_dir: Path) -> None:
    async with configured(tmp_path, socket_dir, ConfigLimits(body_seconds=0.2)) as host:
        answer = await host.world.client("bob").bytes_out(head(10) + b"PACK")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"did not arrive within" in answer
        assert not host.world.gateway._transfers._busy


async def test_who_does_not_read_holds_no_room(tmp_path: Path, socket_dir: Path) -> None:
    async with configured(tmp_path, socket_dir, ConfigLimits(write_seconds=0.3)) as host:
        noise = random.Random(1).randbytes(4 * 2**20)  # more than buffers on the way hold
        main = await host.runs("bob", "one", noise=noise)
        body = json.dumps({"want": [main]}).encode()
        lines = ["POST /v1/config/bob/pack HTTP/1.1", "Host: h", f"Content-Length: {len(body)}"]
        _, writer = await asyncio.open_unix_connection(str(host.world.socket("bob")))
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        busy = host.world.gateway._transfers._busy
        await wait_for(lambda: busy, 5, "the answer to begin")
        await wait_for(lambda: not busy, 5, "the answer to be given up")
        writer.close()


async def test_where_nothing_is_built_that_is_said(world: World) -> None:
    codes = {}
    for name in ("manager", "alice"):
        async with world.client(name).http() as http, http.get("http://hive/v1/config") as answer:
            codes[name] = (await answer.json())["error"]["code"]
    assert codes == {"manager": "unavailable", "alice": "forbidden"}
