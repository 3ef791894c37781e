"""The runtime adapter on a real systemd: lives, ends and their reasons, and lost connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from nested.host import NestedHost
from tests.host.driving import Driven, Refused, driven
from tests.host.hosted import Hosted
from tests.support.wait import wait_for

ALICE = "hyperhive-agent@alice.service"
REGISTER = (
    "busctl call org.freedesktop.machine1 /org/freedesktop/machine1 "
    "org.freedesktop.machine1.Manager RegisterMachine sayssus"
)
ONLY_EXIT = "FailureAction=none\\nSuccessAction=none"


@pytest.fixture
def hive(nested: NestedHost) -> Hosted:
    made = Hosted(nested)
    made.wipe()
    return made


@pytest.fixture
async def adapter(nested: NestedHost, hive: Hosted) -> AsyncIterator[Driven]:
    async with driven(nested) as made:
        yield made
        await made.call("stop_all")
    hive.wipe()


def inside(hive: Hosted, *argv: str) -> None:
    hive.host.run(hive.inside("alice", [*argv]), check=False)


def exit_with(hive: Hosted, status: int) -> None:
    """The whole container, whatever its harness ends with."""
    unit = "/run/systemd/system/hyperhive-harness.service.d"
    alone = f"[Unit]\\n{ONLY_EXIT}\\n"
    inside(hive, "sh", "-c", f"mkdir -p {unit}; printf '{alone}' >{unit}/alone.conf")
    inside(hive, "systemctl", "daemon-reload")
    inside(hive, "systemctl", "exit", str(status))


async def test_an_agent_starts_once_and_stops(adapter: Driven, hive: Hosted) -> None:
    first = await adapter.call("start", "alice")
    assert await adapter.call("start", "alice") == first
    assert await adapter.call("running") == {"alice": first}
    assert hive.unit("alice", "InvocationID") == {"InvocationID": first}
    launch = hive.launch("alice")
    assert launch["invocation_id"] == first
    assert await adapter.call("started_from", "alice", first) == launch["bundle"]
    assert await adapter.call("started_from", "alice", "another") is None
    await adapter.call("stop", "alice", "another run")
    await adapter.call("stop", "alice", "")
    assert await adapter.call("running") == {"alice": first}
    await adapter.call("stop", "alice", first)
    assert await adapter.call("running") == {}
    end = await adapter.end_of("alice")
    assert (end.id, end.reason) == (first, "clean")
    await adapter.call("stop", "alice")
    assert await adapter.call("start", "alice") != first
    assert hive.machines() == {"h-alice"}


async def test_many_at_once(adapter: Driven) -> None:
    names = [f"a{number}" for number in range(6)]
    runs = await asyncio.gather(*(adapter.call("start", name) for name in names))
    assert await adapter.call("running") == dict(zip(names, runs, strict=True))
    await adapter.call("stop_all")
    assert await adapter.call("running") == {}


async def test_a_kill_of_its_init_is_heard_at_once(adapter: Driven, hive: Hosted) -> None:
    run = await adapter.call("start", "alice")
    main = hive.unit("alice", "MainPID")["MainPID"]
    begun = time.clock_gettime(time.CLOCK_MONOTONIC)
    hive.host.run(["kill", "-KILL", main])
    end = await adapter.end_of("alice")
    assert (end.id, end.reason, end.exit) == (run, "killed", -9)
    assert end.at - begun < 1
    assert await adapter.call("running") == {}


async def test_a_crash_and_its_code(adapter: Driven, hive: Hosted) -> None:
    run = await adapter.call("start", "alice")
    exit_with(hive, 7)
    end = await adapter.end_of("alice")
    assert (end.id, end.reason, end.exit) == (run, "crash", 7)


async def test_a_clean_end(adapter: Driven, hive: Hosted) -> None:
    run = await adapter.call("start", "alice")
    exit_with(hive, 0)
    end = await adapter.end_of("alice")
    assert (end.id, end.reason) == (run, "clean")
    assert end.exit in (0, None)
    assert await adapter.call("running") == {}


async def test_a_reboot_from_inside_is_another_run(adapter: Driven, hive: Hosted) -> None:
    run = await adapter.call("start", "alice")
    inside(hive, "systemctl", "reboot", "--force", "--force")
    end = await adapter.end_of("alice")
    assert (end.id, end.reason, end.exit) == (run, "clean", 133)
    again = await wait_for(lambda: adapter.call("running"), 10)
    assert again.keys() == {"alice"}
    assert again["alice"] != run


async def test_a_start_that_is_refused_says_why(adapter: Driven, hive: Hosted) -> None:
    policy = hive.host.path("/etc/hyperhive/policy.json")
    kept = policy.read_text()
    policy.write_text("{")
    try:
        with pytest.raises(Refused, match=r"start: launcher: .*\[policy, exit 65\]"):
            await adapter.call("start", "alice")
    finally:
        policy.write_text(kept)
    end = await adapter.end_of("alice")
    assert (end.reason, end.exit) == ("crash", 65)
    assert any("[policy, exit 65]" in line for line in await adapter.call("logs", "alice", 5))
    assert await adapter.call("start", "alice")


async def test_a_start_that_takes_too_long(adapter: Driven, hive: Hosted) -> None:
    directory = hive.host.path("/run/systemd/system") / f"{ALICE}.d"
    directory.mkdir(parents=True)
    (directory / "slow.conf").write_text(
        "[Service]\nTimeoutStartSec=1\nExecStart=\nExecStart=/bin/sleep 60\n"
    )
    hive.host.run(["systemctl", "daemon-reload"])
    try:
        with pytest.raises(Refused, match="timeout"):
            await adapter.call("start", "alice")
        assert (await adapter.end_of("alice")).reason == "start_timeout"
    finally:
        (directory / "slow.conf").unlink()
        directory.rmdir()
        hive.host.run(["systemctl", "daemon-reload"])


async def test_a_name_that_somebody_else_took(adapter: Driven, hive: Hosted) -> None:
    # $$$$ is what systemd makes the shell's $$ of.
    squat = f"{REGISTER} h-alice 0 '' container $$$$ / && sleep 60"
    unit = ["systemd-run", "--unit=squatter", "--slice=machine.slice"]
    hive.host.run([*unit, "sh", "-c", squat])
    await wait_for(lambda: "h-alice" in hive.machines(), 5)
    try:
        with pytest.raises(Refused, match=r"h-alice runs as squatter\.service"):
            await adapter.call("start", "alice")
        assert hive.machines() == {"h-alice"}
        assert hive.host.run(["systemctl", "is-active", "squatter"]).stdout == "active\n"
    finally:
        hive.host.run(["systemctl", "stop", "squatter"])
    await wait_for(lambda: not hive.machines(), 10)


async def test_what_the_service_may_not_do(adapter: Driven) -> None:
    with pytest.raises(Refused) as refused:
        await adapter.call("try_directly", "systemd-logind.service")
    assert refused.value.code == "denied"


async def test_usage_logs_and_peers(adapter: Driven, hive: Hosted) -> None:
    assert await adapter.call("logs", "erin", 5) == []  # nobody else here has had this name
    assert set((await adapter.call("usage", "erin")).values()) == {None, False}
    await adapter.call("start", "erin")
    usage = await adapter.call("usage", "erin")
    assert usage["cpu_seconds"] > 0
    launch = hive.launch("erin")
    assert (usage["disk_bytes"], usage["disk_quota"]) == (None, launch["disk_quota"])
    base = launch["uid_base"]
    assert await adapter.call("peer_allowed", "erin", base + 1000)
    assert not await adapter.call("peer_allowed", "bob", base + 1000)
    assert not await adapter.call("peer_allowed", "erin", 0)
    lines = await adapter.call("logs", "erin", 3)
    assert 0 < len(lines) <= 3


async def test_purge(adapter: Driven, hive: Hosted) -> None:
    await adapter.call("start", "alice")
    files = hive.host.path("/var/lib/hyperhive/agents/alice")
    with pytest.raises(Refused, match="alice still runs"):
        await adapter.call("purge", "alice")
    await adapter.call("stop", "alice")
    assert files.exists()
    for _ in range(2):
        await adapter.call("purge", "alice")
        assert not files.exists()


# --- over the ends of others ---


async def test_a_new_adapter_adopts_what_runs(nested: NestedHost, hive: Hosted) -> None:
    async with driven(nested) as first:
        run = await first.call("start", "alice")
        await first.kill()
    assert hive.machines() == {"h-alice"}
    async with driven(nested) as second:
        assert await second.call("running") == {"alice": run}
        assert await second.call("start", "alice") == run
        assert second.ends == []
        hive.host.run(["systemctl", "stop", ALICE])
        assert (await second.end_of("alice")).id == run
    hive.wipe()


@pytest.mark.parametrize(
    "what", ["restart dbus", "restart systemd-machined", "daemon-reexec", "daemon-reload"]
)
async def test_nothing_ends_with_what_it_is_told_by(
    adapter: Driven, hive: Hosted, what: str
) -> None:
    run = await adapter.call("start", "alice")
    hive.host.run(["systemctl", *what.split()])

    async def known() -> bool:
        try:
            return bool(await adapter.call("running") == {"alice": run})
        except Refused:
            return False

    await wait_for(known, 10, "the run to be known")
    assert adapter.ends == []
    hive.host.run(["kill", "-KILL", hive.unit("alice", "MainPID")["MainPID"]])
    end = await adapter.end_of("alice")
    assert (end.id, end.reason) == (run, "killed")

    async def started() -> bool:
        try:
            return bool(await adapter.call("start", "alice"))
        except Refused:
            return False

    await wait_for(started, 10, "a start")
    assert hive.machines() == {"h-alice"}
