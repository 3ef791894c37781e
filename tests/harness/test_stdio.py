"""`hyperhive-harness mcp` as any MCP client runs it: over stdio, against a host on its socket."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from hyperhive.harness.main import main
from hyperhive.protocol.errors import Forbidden
from tests.harness.cloning import cloning
from tests.support.fake_host import FakeHost, restarted

# Another interpreter may bring another version of mcp than the client here has.
PYTHON = os.environ.get("HARNESS_PYTHON", sys.executable)
HARNESS = [PYTHON, "-c", "from hyperhive.harness.main import main; main()"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def host(socket_dir: Path) -> AsyncIterator[FakeHost]:
    async with FakeHost(socket_dir / "hive.sock", capabilities=("manage",)) as host:
        yield host


@contextlib.asynccontextmanager
async def client(socket: Path, **variables: str) -> AsyncIterator[ClientSession]:
    program, *args = HARNESS
    server = StdioServerParameters(
        command=program,
        args=[*args, "mcp"],
        env={"HYPERHIVE_SOCKET": str(socket), "PYTHONPATH": str(ROOT), **variables},
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield session


async def call(session: ClientSession, name: str, **arguments: object) -> Any:
    result: Any = await session.call_tool(name, arguments)
    plain = result.model_dump(by_alias=True)
    assert not plain["isError"], plain
    return json.loads(plain["content"][0]["text"])


async def test_a_client_sends_and_receives(host: FakeHost) -> None:
    first, second = await host.mail("one"), await host.mail("two")
    async with client(host.socket) as session:
        names = {tool.name for tool in (await session.list_tools()).tools}
        assert {"send", "recv", "ask_operator"} <= names
        assert (await call(session, "send", to="bob", body="hi"))["id"]
        assert await call(session, "recv") == [first]
        assert await call(session, "recv") == [second]
        assert await call(session, "recv") == []
    sent = host.calls_of("send")[0]
    assert (sent["to"], sent["body"]) == ("bob", "hi")
    received = host.calls_of("recv")
    assert len({args["instance"] for args in received}) == 1
    assert len({args["key"] for args in received}) == 3
    assert [list(args["ack"]) for args in received] == [
        [],
        [first["delivery"]],
        [second["delivery"]],
    ]


async def test_a_refusal_is_a_tool_error(host: FakeHost) -> None:
    host.refuse["send"] = Forbidden("there is no agent 'bob' that you may write to")
    async with client(host.socket) as session:
        result: Any = await session.call_tool("send", {"to": "bob", "body": "hi"})
    plain = result.model_dump(by_alias=True)
    assert plain["isError"]
    assert json.loads(plain["content"][0]["text"]) == host.refuse["send"].to_json()


async def test_a_call_outlasts_a_restart_of_the_host(host: FakeHost) -> None:
    async with client(host.socket) as session:
        async with restarted(host):
            sending = asyncio.create_task(call(session, "send", to="bob", body="hi"))
            await asyncio.wait({sending}, timeout=0.5)
            assert not sending.done()
        assert (await sending)["id"]
    assert len(host.calls_of("send")) == 1


async def test_a_commit_is_proposed_from_a_clone(tmp_path: Path, socket_dir: Path) -> None:
    async with cloning(tmp_path, socket_dir) as c:
        made = await c.commit("two")
        workspace = {"HYPERHIVE_WORKSPACE": str(c.agents.parent)}
        async with client(c.host.world.socket("manager"), **workspace) as session:
            asked = {"agent": "bob", "commit_ref": made[:8], "description": "why"}
            answer = await call(session, "request_apply_commit", **asked)
            assert (answer["commit"], answer["state"]) == (made, "checking")
            result: Any = await session.call_tool("request_apply_commit", {**asked, "agent": "x"})
    plain = result.model_dump(by_alias=True)
    assert plain["isError"]
    assert "you may propose for; known are: bob" in plain["content"][0]["text"]


async def debug(socket: Path, *arguments: str) -> tuple[int, str, str]:
    program, *args = HARNESS
    process = await asyncio.create_subprocess_exec(
        program,
        *args,
        "debug",
        arguments[0],
        f"--socket={socket}",
        *arguments[1:],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_messages_can_be_sent_and_taken_by_hand(host: FakeHost) -> None:
    message = await host.mail("one")
    code, out, _ = await debug(host.socket, "send", "bob", "hi")
    assert (code, json.loads(out)["id"]) == (0, 2)
    assert host.calls_of("send")[0]["to"] == "bob"
    code, out, _ = await debug(host.socket, "recv", "--max=5")
    assert (code, json.loads(out)) == (0, [message])


async def test_a_wrong_call_by_hand_is_one_line(host: FakeHost) -> None:
    code, _, err = await debug(host.socket, "send", "Bob", "hi")
    assert code == 1
    assert err.startswith("Error: to: must be")
    assert "Traceback" not in err


async def test_a_host_that_refuses_the_agent_is_one_line(host: FakeHost) -> None:
    host.refuse["whoami"] = Forbidden()
    program, *args = HARNESS
    process = await asyncio.create_subprocess_exec(
        program,
        *args,
        "mcp",
        f"--socket={host.socket}",
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode() == "Error: not allowed, or there is no such thing\n"


def test_debug_is_not_in_the_help() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    assert "mcp" in shown
    assert "debug" not in shown
