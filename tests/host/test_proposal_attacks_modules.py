"""Hostile modules, proposed by a taken manager: refused for a reason, or harmless; bounded."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from nested.host import NestedHost
from tests.host.attacking import BASE, Attack, an_hour_later, attacked, attacking, offer_of
from tests.host.breaching import Json
from tests.host.hosted import Hosted
from tests.host.hostile_modules import (
    AT_BUILD,
    AT_CHECK,
    HARMLESS,
    LINKS,
    MARKERS,
    PORT,
    SENTINEL,
    Module,
    package,
    prompt,
)
from tests.support.wait import wait_until

pytestmark = pytest.mark.nix

JOB = "/var/lib/hyperhive/jobs/888"
KEPT_FROM_ALL = ("/root/sentinel", "/var/lib/hyperhive/service/sentinel")
LIMIT = 10.0
"""Seconds of an evaluation, and about those of a build."""
MORE = 15.0
"""For all around it on a busy machine."""


@pytest.fixture(scope="module")
def hive(nested: NestedHost) -> Iterator[Hosted]:
    with attacked(nested) as running:
        nested.run(["install", "-d", "-m", "1777", MARKERS])
        shadow = nested.path("/etc/shadow").read_text()
        for place in KEPT_FROM_ALL:
            nested.path(place).write_text(SENTINEL)
            nested.path(place).chmod(0o600)
        nested.path("/etc/shadow").write_text(f"{shadow}{SENTINEL}:*:1:::::\n")
        nested.path("/etc/hyperhive/credential").write_text(SENTINEL)
        nested.run(["touch", "/begun"])
        try:
            running.stop()
            running.start()  # with that credential
            plant_job(nested)
            yield running
        finally:
            nested.path("/etc/shadow").write_text(shadow)
            nested.run(["rm", "-rf", *KEPT_FROM_ALL, MARKERS, JOB, "/begun"])


@asynccontextmanager
async def listened() -> AsyncIterator[tuple[int, list[str]]]:
    """A port, and who asked there."""
    peers: list[str] = []

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(str(writer.get_extra_info("peername")))
        writer.close()

    async with await asyncio.start_server(note, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], peers


def with_port(module: Module, port: int) -> dict[str, str]:
    return {path: text.replace(PORT, str(port)) for path, text in module.files.items()}


def taken(nested: NestedHost) -> int:
    """Bytes in the store, those of others' too."""
    return int(nested.run(["du", "-sB1", "/nix/store"]).stdout.split()[0])


def left(nested: NestedHost) -> str:
    """What still runs of a job or a builder, and the files of jobs."""
    units = ["systemctl", "list-units", "--no-legend", "--plain", "--state=active,activating"]
    running = nested.run([*units, "hyperhive-eval@*", "hyperhive-build@*"]).stdout
    builders = nested.run(["ps", "-o", "args=", "-G", "nixbld"], check=False).stdout
    jobs = nested.run(["ls", "/var/lib/hyperhive/jobs"]).stdout.replace("888\n", "")
    return running + builders + jobs


async def ended(a: Attack, module: Module, port: int) -> tuple[str, Json]:
    """At what stage it ended, with the approval or deploy."""
    approval = await a.checked(await a.propose(with_port(module, port), module.name))
    if approval["state"] != "pending":
        return "check", approval
    await a.client.call("approve", id=approval["id"])
    deploy = await a.over(approval["id"])
    return "done" if deploy["state"] == "done" else "build", deploy


def plant_job(nested: NestedHost) -> None:
    """What a service finds there at its start it removes."""
    nested.run(["install", "-d", "-o", "hyperhive", "-m", "0750", f"{JOB}/in"])
    nested.path(f"{JOB}/in/sentinel").write_text(SENTINEL)
    nested.path(f"{JOB}/in/sentinel").chmod(0o644)


@pytest.fixture(scope="module")
def later(hive: Hosted) -> None:
    an_hour_later(hive)
    plant_job(hive.host)


@pytest.mark.parametrize("module", AT_CHECK, ids=lambda module: module.name)
async def test_refused_when_it_is_checked(
    hive: Hosted, say: Callable[[str], None], module: Module
) -> None:
    await check_refused(hive, say, module)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("module", AT_BUILD, ids=lambda module: module.name)
async def test_refused_when_it_is_built(
    hive: Hosted, say: Callable[[str], None], module: Module
) -> None:
    await check_refused(hive, say, module)


async def check_refused(hive: Hosted, say: Callable[[str], None], module: Module) -> None:
    nested = hive.host
    async with attacking(hive) as a, listened() as (port, peers):
        run, main, store = a.run_of(), await a.main(), taken(nested)
        begun = time.monotonic()
        stage, row = await ended(a, module, port)
        took = time.monotonic() - begun
        said = row["note"] if stage == "check" else row["error"]
        grown = (taken(nested) - store) / 2**20
        say(f"{took:.1f} s, {grown:+.1f} MiB: {said[:110]!r}")
        assert (stage, row["state"]) == (module.stage, "failed")
        assert re.search(module.why, said), said
        assert said.isprintable() or "\n" in said
        assert not re.search("[^\n -~\u00a0-\u1fff\u2010-\u2027\u2030-\u205f\ufffd]", said), said
        assert len(said) < 64 * 1024
        assert took < LIMIT + MORE
        if stage == "check":
            (told,) = await a.told(row["id"])
            assert (told["status"], told["note"]) == ("failed", said)
        else:
            assert (await rebuilt(a, row["id"]))["note"] == said
        assert peers == []
        assert (a.run_of(), await a.main()) == (run, main)
        assert a.git("rev-parse", "main") == main
        wait_until(lambda: left(nested) == "", 10.0, f"nothing to be left: {left(nested)}")
        assert nested.run(["ls", MARKERS]).stdout == ""


async def rebuilt(a: Attack, number: int) -> Json:
    found = (await a.client.call("messages", limit=200))["messages"]
    bodies = [json.loads(m["body"]) for m in found if m["to"] == "manager"]
    return next(dict(b) for b in bodies if b["event"] == "rebuilt" and b["deploy"] == number)


@pytest.mark.parametrize("module", LINKS, ids=lambda module: module.name)
async def test_not_taken(hive: Hosted, module: Module) -> None:
    async with attacking(hive) as a:
        answer = await a.upload(offer_of(await a.main(), module.files))
        assert (answer.status, answer.code) == (400, "invalid_field")
        assert re.search(module.why, answer.body)


@pytest.mark.parametrize("module", HARMLESS, ids=lambda module: module.name)
async def test_harmless(hive: Hosted, module: Module) -> None:
    async with attacking(hive) as a, listened() as (port, peers):
        stage, row = await ended(a, module, port)
        assert (stage, row["error"]) == ("done", "")
        assert (await a.agent())["settings"]["prompt"].strip() == ""
        assert peers == []
        assert hive.host.run(["ls", MARKERS]).stdout == ""
        wait_until(lambda: left(hive.host) == "", 10.0, "nothing to be left")


async def test_others_wait_no_longer_than_the_limit(
    hive: Hosted, say: Callable[[str], None]
) -> None:
    busy = next(module for module in AT_CHECK if module.name == "grows by sums without end")
    async with attacking(hive) as a:
        first = await a.propose(busy.files)
        begun = time.monotonic()
        offer = offer_of(await a.main("manager"), {"agent.nix": prompt('"mine"')})
        assert (await a.upload(offer, "manager")).status == 200
        asked = (await a.request(offer.commit, "manager")).json()
        second = await a.checked(asked["id"])
        say(f"the next one was checked after {time.monotonic() - begun:.1f} s;")
        assert second["state"] == "pending"
        assert time.monotonic() - begun < LIMIT + MORE
        assert (await a.checked(first))["state"] == "failed"
        await a.client.call("deny", id=second["id"])

        asleep = await a.checked(await a.propose({"agent.nix": package("sleep 1000")}))
        await a.client.call("approve", id=asleep["id"])
        other = (await a.client.call("update", name="manager"))["deploys"][0]
        begun = time.monotonic()

        async def over() -> bool:
            found = (await a.client.call("deploys", agent="manager"))["deploys"]
            return any(d["id"] == other["id"] and d["state"] == "done" for d in found)

        while not await over():
            assert time.monotonic() - begun < LIMIT + MORE
        say(f"the next deploy was in force after {time.monotonic() - begun:.1f} s")


def test_what_nobody_may_read_is_nowhere(hive: Hosted, say: Callable[[str], None]) -> None:
    """In no log, database, repository or path of the store, of all that the tests above did."""
    nested = hive.host
    search = ["grep", "-rlaF", SENTINEL]
    beside = [f"--exclude-dir={name}" for name in ("sentinel", "888")]
    places = ["/var/lib/hyperhive", "/var/log", "/run/log", "/nix/var"]
    found = nested.run([*search, "--exclude=sentinel", *beside, *places], check=False).stdout
    assert found == ""
    new = ["find", "/nix/store", "-cnewer", "/begun", "-type", "f", "-exec"]
    assert nested.run([*new, *search[:1], "-laF", SENTINEL, "{}", "+"], check=False).stdout == ""
    said = nested.run(
        ["journalctl", "--namespace=*", "-o", "cat", f"--grep={SENTINEL}"], check=False
    )
    assert SENTINEL not in said.stdout
    number = nested.run(["find", "/nix/store", "-cnewer", "/begun", "-type", "f"]).stdout.count(
        "\n"
    )
    say(f"{number} new files in the store, without it")
    assert BASE  # what runs is as it was
