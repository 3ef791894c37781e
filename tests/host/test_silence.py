"""A harness in a container that hangs."""

from __future__ import annotations

from hyperhive.admin.client import AdminClient
from nested.host import NestedHost
from tests.host.hosted import BUNDLE, Hosted, hosted, linked
from tests.host.watching import of, told, view, watching
from tests.support.wait import wait_for

RUNTIME = {"kind": "nspawn", "defaultBundle": BUNDLE, "restartDelaySeconds": 0.2}
TIME = 5


async def problem(client: AdminClient) -> str:
    return str((await view(client, "alice"))["problem"])


async def is_well(client: AdminClient) -> bool:
    return await linked(client, "alice") and not await problem(client)


async def hang_at_start(client: AdminClient, hive: Hosted) -> str:
    """Stops alice's harness (SIGSTOP) before it has a link; returns the invocation."""
    stop = ["systemctl", "kill", "--signal=STOP", "hyperhive-harness"]
    await client.call("start", name="alice")
    await wait_for(lambda: "h-alice" in hive.machines(), 20.0, "the machine")

    def has_stopped() -> bool:
        return not hive.host.run(hive.inside("alice", stop), check=False).returncode

    await wait_for(has_stopped, 20.0, "its harness")
    assert not await linked(client, "alice")
    return hive.unit("alice", "InvocationID")["InvocationID"]


async def test_a_harness_that_hangs_before_its_first_word(nested: NestedHost) -> None:
    agents = {"alice": {"settings": {"healthTimeout": TIME}}}
    with hosted(nested, agents, runtime=RUNTIME) as hive:
        async with hive.admin() as client, watching(client) as watch:
            run = await hang_at_start(client, hive)
            crash = await watch.first(lambda event: of(event, "alice", "crash"), 30.0)
            assert (crash["data"]["reason"], crash["data"]["invocation"]) == ("start_timeout", run)
            why = await wait_for(lambda: problem(client), 10.0, "a problem")
            assert why == f"no word from its harness within {TIME} s; see its log"
            mail = await watch.first(lambda event: told(event, "manager", "container_crash"))
            body = told(mail, "manager", "container_crash")
            assert body is not None
            assert (body["reason"], body["note"]) == ("start_timeout", why)
            await wait_for(lambda: is_well(client), 60.0, "another run, which is fit")
            assert len([e for e in watch.events if of(e, "alice", "crash")]) == 1
