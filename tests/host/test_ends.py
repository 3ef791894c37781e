"""How agents end, and what the operator and the manager are told of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from hyperhive.admin.client import AdminClient
from nested.host import NestedHost
from tests.host.hosted import STATE, Hosted, hosted, linked, start
from tests.host.remains import units_left
from tests.host.watching import Event, Watch, of, operations_over, told, view, watching
from tests.support.wait import wait_for

QUICK = {
    "kind": "nspawn",
    "defaultBundle": "/opt/hyperhive/bundles/default",
    "restartDelaySeconds": 0.2,
    "crashLimit": 5,
    "crashWindowSeconds": 600,
}
UNIMPRESSED = {"restartDelaySeconds": 0.01, "crashLimit": 1000}


@pytest.fixture(scope="module")
def hive(nested: NestedHost) -> Iterator[Hosted]:
    agents: dict[str, dict[str, object]] = {"alice": {}, "bob": {}, "celia": {}, "dora": {}}
    with hosted(nested, agents, runtime={**QUICK, **UNIMPRESSED}) as running:
        yield running


def kill_nspawn(hive: Hosted) -> None:
    hive.host.run(["kill", "-KILL", hive.unit("alice", "MainPID")["MainPID"]])


def kill_init(hive: Hosted) -> None:
    hive.host.run(["kill", "-KILL", str(hive.leader("alice"))])


def inside(hive: Hosted, *argv: str) -> None:
    hive.host.run(hive.inside("alice", [*argv]), check=False)


def kill_harness(hive: Hosted) -> None:
    inside(hive, "systemctl", "kill", "--signal=KILL", "hyperhive-harness")


def stop_harness(hive: Hosted) -> None:
    inside(hive, "systemctl", "kill", "--signal=TERM", "--kill-who=main", "hyperhive-harness")


@dataclass(frozen=True)
class Cause:
    act: Callable[[Hosted], None]
    reason: str
    exits: tuple[int | None, ...]


CAUSES = {
    "nspawn is killed": Cause(kill_nspawn, "killed", (-9,)),
    "its PID 1 is killed": Cause(kill_init, "crash", (1,)),
    "the harness is killed": Cause(kill_harness, "crash", (255,)),
    "the harness ends": Cause(stop_harness, "clean", (0, None)),
    "it powers itself off": Cause(
        lambda hive: inside(hive, "systemctl", "poweroff"), "clean", (0, None)
    ),
    "it reboots": Cause(
        lambda hive: inside(hive, "systemctl", "reboot", "--force", "--force"), "clean", (133,)
    ),
}


@pytest.mark.parametrize("what", CAUSES)
async def test_an_end_is_told_and_made_good(hive: Hosted, what: str) -> None:
    cause = CAUSES[what]
    async with hive.admin() as client, watching(client) as watch:
        await start(client, "alice")
        before = hive.unit("alice", "InvocationID")
        cause.act(hive)
        crash = await watch.first(lambda event: of(event, "alice", "crash"))
        mail = await watch.first(lambda event: told(event, "manager", "container_crash"))
        body = told(mail, "manager", "container_crash")
        assert body is not None
        assert body["agent"] == "alice"
        for facts in (crash["data"], body, (await view(client, "alice"))["last_end"]):
            assert facts["reason"] == cause.reason
            assert facts["exit"] in cause.exits
        assert crash["data"]["invocation"] == before["InvocationID"]
        await again(client, hive, before)


async def again(client: AdminClient, hive: Hosted, before: dict[str, str]) -> None:
    """It runs once more, in another run and exactly once."""
    await wait_for(lambda: hive.unit("alice", "InvocationID") != before, 20.0, "another run")
    await wait_for(lambda: linked(client, "alice"), 20.0, "its link")
    assert "h-alice" in hive.machines()
    assert (await view(client, "alice"))["problem"] == ""


async def test_the_managers_own_end_is_told_to_the_operator(hive: Hosted) -> None:
    async with hive.admin() as client, watching(client) as watch:
        await start(client, "manager")
        hive.host.run(["kill", "-KILL", hive.unit("manager", "MainPID")["MainPID"]])
        await watch.first(lambda event: told(event, "operator", "container_crash"))
        mail = [json.loads(m["body"]) for m in (await client.call("inbox"))["messages"]]
        assert {"agent": "manager", "reason": "killed", "exit": -9, "attempt": 1}.items() <= mail[
            0
        ].items()
        await client.call("kill", name="manager")


@pytest.mark.cgroups
def test_memory_that_runs_out(hive: Hosted) -> None:
    show = "import ctypes; [ctypes.create_string_buffer(1 << 20) for _ in iter(int, 1)]"
    hive.host.run(["systemctl", "start", "hyperhive-agent@alice"])
    hive.host.run(
        ["systemctl", "set-property", "--runtime", "hyperhive-agent@alice", "MemoryMax=96M"]
    )
    hive.host.run(hive.inside("alice", ["/usr/bin/python3", "-c", f"x = {show}"]), check=False)
    assert hive.unit("alice", "Result")["Result"] == "oom-kill"


@pytest.mark.parametrize("what", ["nspawn is killed", "it powers itself off"])
async def test_an_end_while_the_service_is_away(hive: Hosted, what: str) -> None:
    cause = CAUSES[what]
    async with hive.admin() as client:
        await start(client, "alice")
        before = hive.unit("alice", "InvocationID")
        last = (await client.call("status"))["last_event"]
    for _ in range(2):  # what is told once is not told again
        hive.stop()
        cause.act(hive)
        await wait_for(partial(is_over, hive), 20.0, "the end")
        hive.start()
        async with hive.admin() as client, watching(client, last) as watch:
            crash = await watch.first(lambda event: of(event, "alice", "crash"))
            facts = crash["data"]
            assert (facts["reason"], facts["invocation"]) == (cause.reason, before["InvocationID"])
            assert facts["exit"] in cause.exits
            await watch.first(lambda event: told(event, "manager", "container_crash"))
            await again(client, hive, before)
            assert len([e for e in watch.events if of(e, "alice", "crash")]) == 1
            before = hive.unit("alice", "InvocationID")
            last = (await client.call("status"))["last_event"]


def is_over(hive: Hosted) -> bool:
    return hive.unit("alice", "ActiveState")["ActiveState"] in ("inactive", "failed")


# --- starts that fail ---


def bundle(hive: Hosted, name: str, target: str) -> Path:
    """Has the agent start from another bundle; returns that bundle's place."""
    links = f"{STATE}/service/bundles"
    as_service = "hyperhive"
    hive.host.run(["mkdir", "-p", "-m", "0700", links], user=as_service)
    hive.host.run(["ln", "-sfn", target, f"{links}/{name}"], user=as_service)
    return hive.host.path(target)


async def problem(client: AdminClient, name: str) -> str:
    return str((await view(client, name))["problem"])


async def test_a_bundle_that_is_missing(hive: Hosted) -> None:
    bundle(hive, "bob", "/opt/hyperhive/bundles/gone")
    async with hive.admin() as client, watching(client) as watch:
        await client.call("start", name="bob")
        crash = await watch.first(lambda event: of(event, "bob", "crash"))
        assert (crash["data"]["reason"], crash["data"]["exit"]) == ("crash", 66)
        why = await wait_for(lambda: problem(client, "bob"), 10.0, "a problem")
        assert "/opt/hyperhive/bundles/gone" in why
        assert "No such file or directory" in why or "does not exist" in why or "missing" in why
        bundle(hive, "bob", "/opt/hyperhive/bundles/default")
        await wait_for(lambda: linked(client, "bob"), 30.0, "bob's link")
        assert await problem(client, "bob") == ""
        await client.call("kill", name="bob")


async def test_settings_that_are_refused(hive: Hosted) -> None:
    place = bundle(hive, "celia", "/opt/hyperhive/bundles/wrong")
    (place / "system").mkdir(parents=True)
    (place / "agent.json").write_text('{"limits": {"memoryMax": "a lot"}}')
    (place / "system/init").symlink_to("/usr/lib/systemd/systemd")
    async with hive.admin() as client:
        await client.call("start", name="celia")
        why = await wait_for(lambda: problem(client, "celia"), 10.0, "a problem")
        assert "wrong/agent.json" in why
        assert "memoryMax" in why
        await client.call("kill", name="celia")


async def test_a_start_that_never_is_ready(hive: Hosted) -> None:
    never = hive.host.path("/usr/local/bin/never-ready")
    never.write_text("#!/bin/sh\nexec sleep 600\n")
    never.chmod(0o755)
    place = bundle(hive, "dora", "/opt/hyperhive/bundles/never")
    (place / "system").mkdir(parents=True)
    (place / "agent.json").write_text("{}")
    (place / "system/init").symlink_to("/usr/local/bin/never-ready")
    directory = hive.host.path("/run/systemd/system/hyperhive-agent@dora.service.d")
    directory.mkdir(parents=True)
    (directory / "soon.conf").write_text("[Service]\nTimeoutStartSec=3\nTimeoutStopSec=1\n")
    hive.host.run(["systemctl", "daemon-reload"])
    async with hive.admin() as client, watching(client) as watch:
        await client.call("start", name="dora")
        crash = await watch.first(lambda event: of(event, "dora", "crash"), 30.0)
        assert crash["data"]["reason"] == "start_timeout"
        why = await wait_for(lambda: problem(client, "dora"), 10.0, "a problem")
        assert "timeout" in why
        await client.call("kill", name="dora")
        await wait_for(lambda: "h-dora" not in hive.machines(), 20.0, "no machine")


async def test_no_unit_is_left_of_a_purged_agent(hive: Hosted) -> None:
    bundle(hive, "zoe", "/opt/hyperhive/bundles/gone")
    async with hive.admin() as client, watching(client) as watch:
        await client.call("spawn", name="zoe")
        await client.call("start", name="zoe")
        await watch.first(lambda event: of(event, "zoe", "crash"))
        await client.call("kill", name="zoe")
        await operations_over(client, 20.0)
        assert hive.unit("zoe", "ActiveState")["ActiveState"] == "failed"
        await client.call("destroy", name="zoe", purge=True)
        await operations_over(client, 20.0)
    left = units_left(hive, hive.machines())
    assert [unit for unit in left if "@zoe" in unit] == []


# --- again and again ---


async def test_crashes_slow_it_down_and_put_it_aside(nested: NestedHost) -> None:
    with hosted(nested, {"alice": {}}, runtime=QUICK) as hive:
        async with hive.admin() as client, watching(client) as watch:
            await client.call("start", name="alice")
            delays = [await crash_and_restart(hive, watch, number) for number in range(1, 5)]
            for number, delay in enumerate(delays):
                least = 0.2 * 2**number
                assert least <= delay < least + 3, delays
            await crash(hive, watch, 5)
            await wait_for(lambda: quarantined(client), 10.0, "the quarantine")
        hive.stop()
        hive.start()
        async with hive.admin() as client, watching(client) as watch:
            assert await quarantined(client)
            assert "5 crashes" in await problem(client, "alice")
            assert hive.machines() == set()
            await start(client, "alice")
            assert not await quarantined(client)
            await crash(hive, watch, 1)  # the count begins anew
            assert not await quarantined(client)


async def quarantined(client: AdminClient) -> bool:
    return bool((await view(client, "alice"))["state"] == "quarantined")


async def crash(hive: Hosted, watch: Watch, attempt: int) -> Event:
    await wait_for(lambda: "h-alice" in hive.machines(), 20.0, "the machine")
    await wait_for(lambda: hive.unit("alice", "ActiveState")["ActiveState"] == "active", 20.0)
    hive.host.run(["kill", "-KILL", hive.unit("alice", "MainPID")["MainPID"]])

    def is_told(event: Event) -> bool:
        body = told(event, "manager", "container_crash")
        return body is not None and body["attempt"] == attempt

    return await watch.first(is_told)


async def crash_and_restart(hive: Hosted, watch: Watch, attempt: int) -> float:
    """Seconds from the word of the crash to the one of the start."""
    end = await crash(hive, watch, attempt)
    begin = await watch.first(lambda event: of(event, "alice", "started"), since=end["seq"])
    times = [datetime.fromisoformat(event["at"]) for event in (end, begin)]
    return (times[1] - times[0]).total_seconds()
