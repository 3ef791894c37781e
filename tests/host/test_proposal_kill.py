"""The service killed at every step of a proposal and its deploy: it converges, and does it once."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from nested.host import NestedHost
from tests.host.attacking import Attack, attacked, attacking
from tests.host.breaching import Json
from tests.host.hosted import Hosted
from tests.host.hostile_modules import builder
from tests.host.killing import (
    Killed,
    Moment,
    collected,
    finished,
    killed_at,
    left_running,
    told_open,
)
from tests.support.wait import wait_for, wait_until

pytestmark = pytest.mark.nix

CONVERGE = 15.0
"""Seconds from the service being there again, beside what the change itself takes."""
CHANGE = 10.0
"""Seconds that the change below takes on a busy machine, with its health limit of 20 s unused."""

SLOW = (
    "builtins.foldl' (a: b: a + builtins.foldl' (c: d: c + d) 0 "
    "(builtins.genList (x: x) 100000)) 0 (builtins.genList (x: x) 100)"
)
MOMENTS: dict[str, Moment] = {
    "uploaded": lambda s: s.uploaded,
    "requested": lambda s: s.number,
    "pinned": lambda s: s.tag("proposal"),
    "evaluation made": lambda s: s.job("in/request.json"),
    "evaluating": lambda s: s.job("out/log"),
    "evaluated": lambda s: s.job("out/result.json"),
    "pending": lambda s: s.approval("pending"),
    "approved": lambda s: s.approved,
    "tagged": lambda s: s.tag("approved"),
    "to be built": lambda s: s.tag("building"),
    "building": lambda s: s.deploy("building") and s.job("out/log"),
    "built": lambda s: s.deploy("building") and s.job("out/result.json"),
    "in place": lambda s: s.deploy("starting"),
    "stopped": lambda s: s.agent("ended"),
    "started": lambda s: s.agent("started"),
    "restarted": lambda s: s.agent("operation"),
    "linked": lambda s: s.agent("operation", "agent"),
    "settled": lambda s: s.tag("deployed"),
    "done": lambda s: s.deploy("done"),
}
rng = random.Random(5)
ANY = [round(rng.uniform(0.2, 7.0), 2) for _ in range(12)]


@pytest.fixture(scope="module")
def hive(nested: NestedHost) -> Iterator[Hosted]:
    with attacked(nested) as running:
        yield running


def changed(word: str, more: str = "") -> dict[str, str]:
    """With an evaluation, a build and a restart that each take a moment."""
    slow = builder(f"sleep 1; echo {word} >$out")
    text = f'environment.systemPackages = [ {slow} ]; hyperhive.prompt = "{word}" + toString ('
    rest = f"if ({SLOW}) == 0 then 1 else null); hyperhive.healthTimeout = 20; {more}"
    return {"agent.nix": f"{{ {text}{rest} }}"}


async def mail_of(a: Attack) -> list[int]:
    """Of alice, that is neither lost nor put aside."""
    found = (await a.client.call("messages", agent="alice", limit=200))["messages"]
    mine = [m for m in found if m["to"] == "alice" and m["from"] == "operator"]
    assert {m["state"] for m in mine} <= {"accepted", "leased", "acked"}, mine
    return [m["id"] for m in mine]


async def all_well(a: Attack, deploy: Json, runs: Json) -> None:
    """Rows, git, bundle and container say the same, of what `runs`."""
    assert await told_open(a) == []
    same = [d for d in await a.deploys() if d["commit"] == deploy["commit"]]
    assert [d["id"] for d in same] == [deploy["id"]]
    for each in await a.deploys():
        if each["approval"] is not None:
            assert (await a.approval(each["approval"]))["resolved_by"] == "operator"
    agent = await a.agent()
    assert agent["deploy"] == runs["id"]
    assert a.git("rev-parse", "main") == runs["commit"]
    assert a.git("fsck", "--full", "--no-dangling") == ""
    bundle = runs["bundle"]
    wait_until(lambda: a.hive.launch("alice")["bundle"] == bundle, 20.0, "the bundle")
    assert a.hive.host.path(f"{bundle}/agent.json").exists()
    wait_until(lambda: left_running(a.hive) == "", 10.0, "nothing to run")
    assert collected(a.hive) == set()
    assert a.hive.host.path(f"{bundle}/agent.json").exists()


async def goes_on(a: Attack, killed: Killed, say: Callable[[str], None]) -> Json:
    assert collected(a.hive) == set()
    deploy = await finished(a, killed)
    took = time.monotonic() - killed.at
    say(f"back after {killed.back:.1f} s, over after {took:.1f} s;")
    assert took < killed.back + CONVERGE + CHANGE
    return deploy


@pytest.mark.parametrize("name", MOMENTS)
async def test_killed(hive: Hosted, say: Callable[[str], None], name: str) -> None:
    async with attacking(hive) as a:
        word = uuid.uuid4().hex
        await a.client.call("send", to="alice", body="kept", key=word)
        mail = await mail_of(a)
        killed = await killed_at(a, changed(word), MOMENTS[name], word)
    async with attacking(hive) as a:
        deploy = await goes_on(a, killed, say)
        assert (deploy["state"], deploy["error"]) == ("done", "")
        await all_well(a, deploy, deploy)
        agent = await a.agent()
        assert agent["settings"]["prompt"].startswith(word)
        await wait_for(lambda: linked(a), 20.0, "alice's link")
        assert await mail_of(a) == mail


async def linked(a: Attack) -> bool:
    return bool((await a.agent())["linked"])


@pytest.mark.parametrize("delay", ANY)
async def test_killed_at_any_time(hive: Hosted, say: Callable[[str], None], delay: float) -> None:
    async with attacking(hive) as a:
        word = uuid.uuid4().hex
        late = time.monotonic() + delay
        killed = await killed_at(a, changed(word), lambda _: time.monotonic() > late, word)
    async with attacking(hive) as a:
        deploy = await goes_on(a, killed, say)
        assert (deploy["state"], deploy["error"]) == ("done", "")
        await all_well(a, deploy, deploy)


BROKEN = 'hyperhive.extraMcpServers.gone.command = "/no/such/program";'
BACK: dict[str, Moment] = {
    "broken in place": lambda s: s.deploy("starting"),
    "broken started": lambda s: s.agent("started"),
    "rolling back": lambda s: s.deploy("rolled_back"),
    "stopped to go back": lambda s: s.agent("ended", since="rolled_back"),
    "marked": lambda s: s.tag("failed"),
}


@pytest.mark.parametrize("name", BACK)
async def test_killed_on_the_way_back(hive: Hosted, say: Callable[[str], None], name: str) -> None:
    async with attacking(hive) as a:
        word = uuid.uuid4().hex
        before = await a.agent()
        runs = next(d for d in await a.deploys() if d["id"] == before["deploy"])
        killed = await killed_at(a, changed(word, BROKEN), BACK[name], word)
    async with attacking(hive) as a:
        deploy = await goes_on(a, killed, say)
        say(repr(deploy["error"][:60]))
        assert deploy["state"] == "rolled_back"
        await all_well(a, deploy, runs)
        assert (await a.agent())["settings"] == before["settings"]
        await wait_for(lambda: linked(a), 20.0, "alice's link")


async def test_killed_once_it_was_denied(hive: Hosted) -> None:
    async with attacking(hive) as a:
        word, main = uuid.uuid4().hex, await a.main()
        killed = await killed_at(a, changed(word), lambda s: s.number, word)
    async with attacking(hive) as a:
        found = await a.checked(killed.scene.number)
        await a.client.call("deny", id=found["id"], reason="no")
        hive.kill()
    async with attacking(hive) as a:
        tag = f"denied/{found['id']}^{{commit}}"
        commit = killed.offer.commit
        wait_until(lambda: a.git("rev-parse", tag) == commit, 15.0, "the tag")
        assert (await a.approval(found["id"]))["state"] == "denied"
        assert await a.main() == main
        assert collected(hive) == set()
