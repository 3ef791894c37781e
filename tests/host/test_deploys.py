"""Agents built from their configurations by Nix: declared, changed, updated, rolled back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hyperhive.admin.client import AdminClient
from hyperhive.protocol.errors import HiveError
from nested.host import NestedHost
from tests.host.hosted import Hosted, hosted
from tests.support.wait import wait_for

pytestmark = pytest.mark.nix

FLAKE = "/opt/hyperhive/flake"
MODULES = "/etc/hyperhive/agents"
OPEN = ("queued", "evaluating", "building", "starting")
DEPLOY_SECONDS = 90.0
MODULE = """\
{{ ... }}: {{
  hyperhive.prompt = "{prompt}";
  hyperhive.allowedBash = [ "echo *" ];
  hyperhive.healthTimeout = {timeout};
}}
"""

Json = dict[str, Any]


class Built:
    """A hive whose agents are built; `alice` is declared by a module of her own."""

    def __init__(self, hive: Hosted, client: AdminClient) -> None:
        self.hive = hive
        self.client = client

    async def deploys(self, name: str = "alice") -> list[Json]:
        """Oldest first."""
        found: list[Json] = (await self.client.call("deploys", agent=name))["deploys"]
        return found[::-1]

    async def over(self, number: int, name: str = "alice") -> Json:
        """The agent's deploy of this place in the order, once it is over."""

        async def look() -> Json | None:
            found = await self.deploys(name)
            done = len(found) > number and found[number]["state"] not in OPEN
            return found[number] if done else None

        return await wait_for(look, DEPLOY_SECONDS, f"deploy {number} of {name}")

    async def agent(self, name: str = "alice") -> Json:
        found: Json = await self.client.call("agent", name=name)
        return found


def module(hive: Hosted, text: str, name: str = "alice") -> None:
    path = hive.host.path(f"{MODULES}/{name}.nix")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def declared(**options: Any) -> dict[str, Json]:
    return {"alice": {"autoStart": True, "module": f"{MODULES}/alice.nix", **options}}


@asynccontextmanager
async def built(nested: NestedHost, agents: Mapping[str, Json], text: str) -> AsyncIterator[Built]:
    path = nested.path(f"{MODULES}/alice.nix")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with hosted(nested, agents, nix={"flake": FLAKE}, runtime={"kind": "nspawn"}) as hive:
        async with hive.admin() as client:
            yield Built(hive, client)


@asynccontextmanager
async def redeclared(b: Built, agents: Mapping[str, Json], **options: Any) -> AsyncIterator[Built]:
    """The service anew with another configuration, as after a rebuild of the host."""
    b.hive.stop()
    rest = {"nix": {"flake": FLAKE}, "runtime": {"kind": "nspawn"}, **options}
    b.hive.configure(agents, **rest)
    b.hive.start()
    async with b.hive.admin() as client:
        yield Built(b.hive, client)


def git(hive: Hosted, *argv: str, name: str = "alice") -> str:
    repository = f"/var/lib/hyperhive/service/applied/{name}.git"
    return hive.host.run(["git", "-C", repository, *argv], user="hyperhive").stdout.strip()


async def test_declared_built_changed_and_rolled_back(
    nested: NestedHost, say: Callable[[str], None]
) -> None:
    async with built(nested, declared(), MODULE.format(prompt="one", timeout=60)) as b:
        first = await b.over(0)
        assert (first["state"], first["kind"], first["error"]) == ("done", "declare", "")
        say(f"declared to healthy: {first['seconds']} s;")
        agent = await b.agent()
        assert agent["settings"]["prompt"] == "one"
        assert agent["settings"]["allowedBash"] == ["echo *"]
        assert (agent["deploy"], agent["needs_update"]) == (first["id"], False)
        assert b.hive.launch("alice")["bundle"] == first["bundle"]
        assert first["bundle"].startswith("/nix/store/")
        assert git(b.hive, "rev-parse", "main") == first["commit"]
        assert git(b.hive, "rev-parse", f"deployed/{first['id']}") == first["commit"]
        log = await b.client.call("deploy_log", id=first["id"], offset=0)
        assert "alice-bundle.drv" in log["log"]
        run = b.hive.unit("alice", "InvocationID")

        # The service alone starts anew: nothing is deployed, nothing is restarted.
        async with redeclared(b, declared()) as b:
            await wait_for(lambda: linked(b), 20.0)
            assert [d["id"] for d in await b.deploys()] == [first["id"]]
            assert b.hive.unit("alice", "InvocationID") == run

        # Another declaration waits for approval, and takes over without a restart.
        module(b.hive, MODULE.format(prompt="two", timeout=60))
        async with redeclared(b, declared()) as b:
            approval = await wait_for(lambda: pending(b), 20.0, "an approval")
            assert (approval["kind"], approval["agent"]) == ("apply_commit", "alice")
            told = approval["binding"]["closure"]
            assert (told["built"], told["added"], told["removed"]) == (True, [], [])
            assert told["size_before"] == told["size_after"] > 0
            await b.client.call("approve", id=approval["id"])
            second = await b.over(1)
            assert (second["state"], second["kind"]) == ("done", "change")
            say(f"changed live: {second['seconds']} s;")
            assert (await b.agent())["settings"]["prompt"] == "two"
            assert b.hive.unit("alice", "InvocationID") == run
            assert git(b.hive, "rev-parse", "main") == second["commit"]

            # And back, as a new commit with the old files.
            await b.client.call("rollback", name="alice")
            third = await b.over(2)
            assert (third["state"], third["kind"]) == ("done", "rollback")
            assert (await b.agent())["settings"]["prompt"] == "one"
            assert git(b.hive, "rev-parse", "main^{tree}") == git(
                b.hive, "rev-parse", f"{first['commit']}^{{tree}}"
            )
            assert git(b.hive, "rev-parse", "main^") == second["commit"]

        # What is declared no more is stopped and kept.
        async with redeclared(b, {}) as b:
            await wait_for(lambda: b.hive.machines() == set() or None, 20.0)
            states = {a["name"]: a["state"] for a in (await b.client.call("agents"))["agents"]}
            assert states["alice"] == "tombstone"
            assert git(b.hive, "rev-parse", "main") == third["commit"]


async def linked(b: Built) -> bool | None:
    return (await b.agent())["linked"] or None


async def pending(b: Built) -> Json | None:
    """Checked, and so to be decided."""
    found: list[Json] = (await b.client.call("approvals"))["approvals"]
    return next((each for each in found if each["state"] == "pending"), None)


BROKEN = """\
{ ... }: {
  environment.systemPackages = [ (builtins.toFile "news" "of the system") ];
  hyperhive.extraMcpServers.gone.command = "/no/such/program";
  hyperhive.prompt = "broken";
}
"""


async def test_what_does_not_come_up_is_taken_back(
    nested: NestedHost, say: Callable[[str], None]
) -> None:
    always = declared(apply="always")
    async with built(nested, always, MODULE.format(prompt="one", timeout=60)) as b:
        first = await b.over(0)
        assert first["state"] == "done"
        run = b.hive.unit("alice", "InvocationID")
        await b.client.call("send", to="alice", body="kept", key="once")
        module(b.hive, BROKEN)
        async with redeclared(b, always) as b:
            second = await b.over(1)
            assert second["state"] == "rolled_back"
            assert "gone" in second["error"]
            say(f"taken back after {second['seconds']} s: {second['error']!r};")
            assert git(b.hive, "rev-parse", "main") == first["commit"]
            tag = ["tag", "-n9", "-l", f"failed/{second['id']}"]  # written once the rest is done
            await wait_for(lambda: second["error"] in git(b.hive, *tag), 20.0, "the tag")
            await wait_for(lambda: b.hive.launch("alice")["bundle"] == first["bundle"], 30.0)
            await wait_for(lambda: linked(b), 30.0)
            agent = await b.agent()
            assert (agent["deploy"], agent["settings"]["prompt"]) == (first["id"], "one")
            assert b.hive.unit("alice", "InvocationID") != run
            assert agent["waiting"] == 1
            # Not again by itself: the declaration has not changed since.
            async with redeclared(b, always) as b:
                await wait_for(lambda: linked(b), 30.0)
                assert len(await b.deploys()) == 2


async def test_settings_that_do_not_work_are_taken_back_without_a_restart(
    nested: NestedHost, say: Callable[[str], None]
) -> None:
    always = declared(apply="always")
    async with built(nested, always, MODULE.format(prompt="one", timeout=60)) as b:
        first = await b.over(0)
        assert first["state"] == "done"
        run = b.hive.unit("alice", "InvocationID")
        module(b.hive, '{ ... }: { hyperhive.extraMcpServers.gone.command = "/no/such/program"; }')
        async with redeclared(b, always) as b:
            second = await b.over(1)
            assert second["state"] == "rolled_back"
            say(f"taken back live after {second['seconds']} s: {second['error']!r};")
            assert "gone" in second["error"]
            agent = await b.agent()
            assert (agent["deploy"], agent["settings"]["prompt"]) == (first["id"], "one")
            assert b.hive.unit("alice", "InvocationID") == run


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{ ... }: {", "syntax error"),
        ("{ ... }: { hyperhive.prompt = 1; }", "prompt"),
        ("{ ... }: { hyperhive.colour = 1; }", "colour"),
        ('{ ... }: { hyperhive.model = "unknown"; }', "unknown"),
        ("{ ... }: let f = x: f (x + 1); in { hyperhive.prompt = f 0; }", ""),
        ('{ ... }: { hyperhive.prompt = builtins.readFile "/etc/shadow"; }', "/etc/shadow"),
    ],
)
async def test_what_is_wrong_is_told_and_nothing_runs(
    nested: NestedHost, text: str, said: str
) -> None:
    async with built(nested, declared(), text) as b:
        only = await b.over(0)
        assert only["state"] == "failed"
        assert said in only["error"]
        agent = await b.agent()
        assert agent["state"] == "not built"
        assert said in agent["problem"]
        with pytest.raises(HiveError, match="nothing was built for alice"):
            await b.client.call("start", name="alice")
        assert b.hive.machines() == set()


async def test_another_host_makes_agents_out_of_date_until_they_are_updated(
    nested: NestedHost,
) -> None:
    async with built(nested, declared(), MODULE.format(prompt="one", timeout=60)) as b:
        first = await b.over(0)
        run, base = b.hive.unit("alice", "InvocationID"), b.hive.launch("alice")["uid_base"]
        news = nested.path(f"{FLAKE}/news")
        news.write_text("of the host's flake")
        try:
            async with redeclared(b, declared()) as b:
                await wait_for(lambda: linked(b), 20.0)
                agent = await b.agent()
                assert (agent["needs_update"], agent["deploy"]) == (True, first["id"])
                assert b.hive.unit("alice", "InvocationID") == run
                (told,) = [m for m in await mail(b) if m["event"] == "needs_update"]
                assert told["agent"] == "alice"
                found = (await b.client.call("update"))["deploys"]
                assert {d["agent"] for d in found} == {"alice", "manager"}
                second, managers = await b.over(1), await b.over(1, "manager")
                assert (second["state"], second["kind"]) == ("done", "update")
                assert second["ended_at"] < managers["begun_at"]  # the manager comes last
                assert second["commit"] == first["commit"]
                assert not (await b.agent())["needs_update"]
                uids = nested.run(["cat", f"/proc/{b.hive.leader('alice')}/uid_map"]).stdout
                assert uids.split() == ["0", str(base), "65536"]
        finally:
            news.unlink()


async def mail(b: Built) -> list[Json]:
    """Helper events to the manager."""
    found = (await b.client.call("messages", limit=100))["messages"]
    bodies = [json.loads(m["body"]) for m in found if m["to"] == "manager"]
    return [body for body in bodies if isinstance(body, dict)]
