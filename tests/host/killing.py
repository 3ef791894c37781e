"""A change on its way from the upload to being in force, and the service killed meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hyperhive.admin.client import AdminClient
from hyperhive.protocol.errors import AlreadyResolved, Unavailable
from nested.host import NestedHost
from tests.flakes.forge import Offer
from tests.host.attacking import OPEN, Attack, offer_of
from tests.host.breaching import Breach, Json
from tests.host.hosted import STATE, Hosted
from tests.support.wait import let_time_pass, wait_for

ROOTS = "/nix/var/nix/gcroots/hyperhive"
POLL = 0.002
OVER = ("done", "failed", "rolled_back", "denied", "superseded", "expired", "stale_base")


def outer(host: NestedHost, inner: int) -> int:
    """The process that the nested host numbers so, as we do: to kill it takes no program."""
    here = os.readlink(f"/proc/{host.pid}/ns/pid")
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            status = (path / "status").read_text()
            numbers = next(x for x in status.splitlines() if x.startswith("NSpid:")).split()[1:]
            if numbers[-1] == str(inner) and os.readlink(path / "ns/pid") == here:
                return int(path.name)
    raise AssertionError(f"there is no process {inner}")


@dataclass
class Scene:
    """What is known of the change when a moment is waited for."""

    hive: Hosted
    begun: float = field(default_factory=time.monotonic)
    uploaded: bool = False
    number: int = 0
    approved: bool = False
    events: list[Json] = field(default_factory=list)

    def tag(self, word: str) -> bool:
        path = f"{STATE}/service/applied/alice.git/refs/tags/{word}/{self.number}"
        return self.number > 0 and self.hive.host.path(path).exists()

    def job(self, name: str) -> bool:
        return self.hive.host.path(f"{STATE}/jobs/{self.number}/{name}").exists()

    def deploy(self, state: str) -> bool:
        return any(
            e["kind"] == "deploy"
            and e["data"]["deploy"] == self.number
            and e["data"]["state"] == state
            for e in self.events
        )

    def approval(self, state: str) -> bool:
        return any(
            e["kind"] == "approval"
            and e["data"]["id"] == self.number
            and e["data"]["state"] == state
            for e in self.events
        )

    def agent(self, *kinds: str, since: str = "starting") -> bool:
        """Events of alice of these kinds, in this order, since the deploy came to a state."""
        left = iter(self.events)
        any(
            event["kind"] == "deploy"
            and event["data"]["deploy"] == self.number
            and event["data"]["state"] == since
            for event in left
        )
        return all(
            any(event["kind"] == kind and event["agent"] == "alice" for event in left)
            for kind in kinds
        )


Moment = Callable[[Scene], object]


@dataclass
class Killed:
    """What the killed service leaves behind, and how it went on."""

    hive: Hosted
    breach: Breach
    offer: Offer
    scene: Scene
    key: str
    at: float = 0.0
    """When it was killed."""
    back: float = 0.0
    """Seconds until it was there again."""


async def killed_at(a: Attack, files: dict[str, str], moment: Moment, key: str) -> Killed:
    """Have it changed, and return with the service there again after it was killed."""
    scene = Scene(a.hive)
    offer = offer_of(await a.main(), files)
    inner = int(a.hive.service("MainPID")["MainPID"])
    pid = outer(a.hive.host, inner)
    after = (await a.client.call("status"))["last_event"]
    tasks = [
        asyncio.create_task(_follow(a.client, after, scene)),
        asyncio.create_task(_change(a, offer, scene, key)),
    ]
    try:
        while not moment(scene):
            assert time.monotonic() - scene.begun < 60, scene
            await let_time_pass(POLL)
        os.kill(pid, signal.SIGKILL)
        killed = Killed(a.hive, a.breach, offer, scene, key, time.monotonic())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    def again() -> bool:
        now = a.hive.service("ActiveState", "MainPID")
        return now["ActiveState"] == "active" and now["MainPID"] not in ("0", str(inner))

    await wait_for(again, 30.0, "the service")
    killed.back = time.monotonic() - killed.at
    return killed


async def _follow(client: AdminClient, after: int, scene: Scene) -> None:
    with suppress(Unavailable):
        async for event in client.events(after):
            scene.events.append(event)


async def _change(a: Attack, offer: Offer, scene: Scene, key: str) -> None:
    """The proposer's and the operator's part, until the service ends."""
    with suppress(Unavailable, ValueError, AssertionError):
        scene.uploaded = (await a.upload(offer)).status == 200
        scene.number = int((await a.request(offer.commit, key=key)).json()["id"])
        await wait_for(lambda: scene.approval("pending"), 60.0)
        await a.client.call("approve", id=scene.number)
        scene.approved = True


async def finished(a: Attack, killed: Killed) -> Json:
    """As who proposes and who decides go on: the same request again, and approved if it is not.

    The deploy, once it is over.
    """
    answer = await a.request(killed.offer.commit, key=killed.key)
    if answer.status == 404:
        assert (await a.upload(killed.offer)).status == 200
        answer = await a.request(killed.offer.commit, key=killed.key)
    assert answer.status in (200, 409), answer
    number = int(answer.json()["id"]) if answer.status == 200 else killed.scene.number
    assert killed.scene.number in (0, number)
    found = await a.checked(number)
    if found["state"] == "pending":
        with suppress(AlreadyResolved):
            await a.client.call("approve", id=number)
    return await a.over(number)


async def told_open(a: Attack) -> list[Json]:
    """Approvals and deploys that are not over."""
    approvals = (await a.client.call("approvals"))["approvals"]
    return [*approvals, *(d for d in await a.deploys() if d["state"] in OPEN)]


def collected(hive: Hosted) -> set[str]:
    """Roots of the hive that lead nowhere, once all that no root keeps is gone."""
    hive.host.run(["nix-store", "--gc"], seconds=120)
    dangling = hive.host.run(["find", "-L", ROOTS, "-type", "l"]).stdout
    return set(dangling.splitlines())


def left_running(hive: Hosted) -> str:
    units = ["systemctl", "list-units", "--no-legend", "--plain", "--state=active,activating"]
    running = hive.host.run([*units, "hyperhive-eval@*", "hyperhive-build@*"]).stdout
    return running + hive.host.run(["ls", f"{STATE}/jobs"]).stdout
