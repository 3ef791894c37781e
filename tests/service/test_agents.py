"""An agent's life in a whole swarm: policy, model, crash, quarantine, purge."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from hyperhive.protocol.errors import RemoteError
from tests.service.conftest import Running, agent_in, mail_from, turns_of
from tests.support.real_service import Swarm
from tests.support.wait import wait_for

pytestmark = pytest.mark.claude


async def test_the_allow_list_holds(swarm: Swarm, running: Running) -> None:
    async with running("alice") as admin:
        workspace = swarm.root / "agents" / "alice" / "workspace"
        await admin.call("send", to="alice", body="run touch allowed", key="list-1")
        await mail_from(admin, "alice", 1)
        await admin.call("send", to="alice", body="run touch one; id > two", key="list-2")
        mail = await mail_from(admin, "alice", 2)
        assert mail[0]["body"].startswith("refused:")
        assert {path.name for path in workspace.iterdir()} == {"allowed"}


async def test_a_model_override_holds_from_the_next_turn(running: Running) -> None:
    async with running("bob") as admin:
        await admin.call("send", to="bob", body="hello", key="model-1")
        await mail_from(admin, "bob", 1)
        await admin.call("model", name="bob", model="small")
        await admin.call("send", to="bob", body="hello again", key="model-2")
        await mail_from(admin, "bob", 2)
        await agent_in(admin, "bob", "idle")
        turns = await turns_of(admin, "bob")
        assert [t["model"] for t in turns] == ["claude-haiku-5-5", "claude-sonnet-5-5"]
        assert all(t["usd"] > 0 and t["state"] == "clean" for t in turns)


async def test_a_crash_is_told_and_mended(swarm: Swarm, running: Running) -> None:
    async with running("alice") as admin:
        first = swarm.harness_pids()["alice"]
        os.kill(first, signal.SIGKILL)
        await wait_for(lambda: swarm.harness_pids().get("alice", first) != first, 20)
        await agent_in(admin, "alice", "idle")
        flow = (await admin.call("messages", agent="manager"))["messages"]
        assert any('"container_crash"' in m["body"] for m in flow)
        for _ in range(2):
            alive = await wait_for(lambda: swarm.harness_pids().get("alice"), 20)
            os.kill(alive, signal.SIGKILL)
            await wait_for(partial(_has_ended, swarm, alive), 20)
        await agent_in(admin, "alice", "quarantined")
        await admin.call("start", name="alice")
        await agent_in(admin, "alice", "idle")


async def test_a_rate_limit_gives_the_message_back_unchanged(running: Running) -> None:
    async with running("carol") as admin:
        await admin.call("send", to="carol", body="limited", key="limit-1")
        held = await agent_in(admin, "carol", "held")
        assert held["hold"]["reason"] == "rate_limited"
        assert (await mail_from(admin, "carol"))[0]["body"] == "at last"
        await agent_in(admin, "carol", "idle")
        flow = (await admin.call("messages", agent="carol"))["messages"]
        assert next(m for m in flow if m["from"] == "operator")["attempt"] == 1
        assert [t["state"] for t in await turns_of(admin, "carol")] == ["clean", "deferred"]


async def test_a_question_travels_to_the_operator_and_back(running: Running) -> None:
    async with running("dave") as admin:
        await admin.call("send", to="dave", body="ask Tea or coffee?", key="ask-1")

        async def asked() -> int | None:
            return next((q["id"] for q in (await admin.call("questions"))["questions"]), None)

        await admin.call("answer", id=await wait_for(asked, 30), answer="tea")
        assert (await mail_from(admin, "dave"))[0]["body"] == "you said tea"


async def test_kill_start_destroy_and_purge(swarm: Swarm, running: Running) -> None:
    files = swarm.root / "agents" / "zoe"
    async with running() as admin:
        await admin.call("spawn", name="zoe")
        await admin.call("start", name="zoe")
        await agent_in(admin, "zoe", "idle")
        await admin.call("kill", name="zoe")
        await agent_in(admin, "zoe", "stopped")
        assert "zoe" not in swarm.harness_pids()
        await admin.call("start", name="zoe")
        await agent_in(admin, "zoe", "idle")
        await admin.call("destroy", name="zoe")
        await agent_in(admin, "zoe", "tombstone")
        await wait_for(lambda: "zoe" not in swarm.harness_pids(), 20)
        with pytest.raises(RemoteError, match="revive it, or purge it"):
            await admin.call("spawn", name="zoe")
        assert files.exists()
        await admin.call("destroy", name="zoe", purge=True)

        async def gone() -> bool:
            return all(a["name"] != "zoe" for a in (await admin.call("agents"))["agents"])

        await wait_for(gone, 20)
        assert not files.exists()
        await admin.call("spawn", name="zoe")
        await agent_in(admin, "zoe", "stopped")


@pytest.mark.root
async def test_agents_cannot_read_each_other(swarm: Swarm, running: Running) -> None:
    async with running("alice", "bob"):
        pids = swarm.harness_pids()
        uids = {name: _uid(swarm.root / "agents" / name / "home") for name in ("alice", "bob")}
        assert uids["alice"] != uids["bob"]
        assert 0 not in uids.values()
        for pid in pids.values():
            assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
        home = swarm.root / "agents" / "bob" / "home"
        assert home.stat().st_mode & 0o077 == 0
        for secret in ("credential", "service", "run/admin.sock"):
            assert (swarm.root / secret).stat().st_mode & 0o077 == 0


def _has_ended(swarm: Swarm, pid: int) -> bool:
    return pid not in swarm.harness_pids().values()


def _uid(path: Path) -> int:
    return path.stat().st_uid
