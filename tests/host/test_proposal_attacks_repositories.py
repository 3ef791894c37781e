"""Hostile packs over the real socket of a taken container to the service in its unit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest

from nested.host import NestedHost
from tests.flakes import hostile_packs
from tests.flakes.forge import Forge
from tests.flakes.hostile_repositories import CASES, Case
from tests.host.attacking import BASE, Attack, attacked, attacking, offer_of
from tests.host.breaching import Answer
from tests.host.hosted import STATE, Hosted

pytestmark = pytest.mark.nix

SECONDS = 30.0
APPLIED = f"{STATE}/service/applied"
TOO_LARGE = "a_pack_of_33_megabytes"
assert hostile_packs.__name__


@pytest.fixture(scope="module")
def hive(nested: NestedHost) -> Iterator[Hosted]:
    with attacked(nested) as running:
        yield running


def files(hive: Hosted) -> set[str]:
    """Of the service, but for the database's and the logs of Nix."""
    beside = ["-not", "-name", "*.db*", "-not", "-path", "*/deploys/*"]
    found = hive.host.run(["find", f"{STATE}/service", f"{STATE}/jobs", *beside])
    return set(found.stdout.splitlines())


def resident(hive: Hosted) -> int:
    """KiB of the service's own process."""
    status = hive.host.path(f"/proc/{hive.service('MainPID')['MainPID']}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])


def in_use(hive: Hosted) -> int:
    """KiB of memory that all of the unit has, with what git has, but for caches of files."""
    group = hive.service("ControlGroup")["ControlGroup"]
    for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory"):
        stat = hive.host.path(f"{base}{group}/memory.stat")
        if stat.exists():
            found = re.findall(r"^(?:anon|rss) (\d+)", stat.read_text(), re.MULTILINE)
            return int(found[0]) // 1024
    return 0


def descriptors(hive: Hosted) -> int:
    pid = hive.service("MainPID")["MainPID"]
    return len(hive.host.run(["ls", f"/proc/{pid}/fd"]).stdout.splitlines())


def refs(a: Attack) -> str:
    return a.git("for-each-ref")


async def send(a: Attack, case: Case) -> Answer:
    return await a.upload(case.build(Forge(await a.main())))


@pytest.mark.parametrize("user", ["root", "agent"])
async def test_hostile_repositories(hive: Hosted, say: Callable[[str], None], user: str) -> None:
    """One after the other, so that what each leaves would add up."""
    async with attacking(hive, user) as a:
        await send(a, CASES[0])  # what is imported or opened once is
        service, before, base = hive.service("MainPID"), files(hive), refs(a)
        memory, open_files = resident(hive), descriptors(hive)
        slowest, refused, took = ("", 0.0), 0, 0
        for case in CASES:
            answer = await send(a, case)
            slowest = max(slowest, (case.name, answer.seconds), key=lambda pair: pair[1])
            assert answer.seconds < SECONDS, case.name
            if case.refused:
                expected = (400, 413) if answer.status != 413 else (413,)
                assert answer.status in expected, (case.name, answer)
                assert answer.code in ("invalid_field", "too_large"), case.name
                assert re.search(case.refused, answer.body) or answer.status == 413, case.name
                assert "Traceback" not in answer.body
                refused += 1
            else:
                assert answer.status == 200, (case.name, answer)
                took += 1
            assert refs(a) == base, case.name
        honest = offer_of(await a.main(), {"agent.nix": BASE.replace("base", "honest")})
        number = await a.proposed(honest)
        assert (await a.checked(number))["state"] == "pending"
        await a.deny(number)
        assert hive.service("MainPID") == service
        new = {Path(name) for name in files(hive) - before}
        assert {
            p for p in new if "alice.git" not in p.parts and "alice.incoming" not in p.parts
        } == set()
        assert not [p for p in new if p.name.startswith("tmp_") or p.suffix == ".lock"]
        assert a.git("fsck", "--full", "--strict", "--no-dangling") == ""
        grown = resident(hive) / memory
        say(f"{refused} refused, {took} harmless; slowest {slowest[0]!r} {slowest[1]:.1f} s;")
        say(f"resident {memory // 1024} -> {resident(hive) // 1024} MiB;")
        say(f"descriptors {open_files} -> {descriptors(hive)};")
        assert descriptors(hive) <= open_files * 1.1
        assert grown < 1.1


async def test_what_is_held_is_let_go_of(hive: Hosted) -> None:
    """Of the harmless ones the last is held; it goes with what is proposed next."""
    async with attacking(hive) as a:
        held = {name for name in files(hive) if ".incoming" in name}
        offer = offer_of(await a.main(), {"agent.nix": BASE.replace("base", "next")})
        number = await a.proposed(offer)
        assert (await a.checked(number))["state"] == "pending"
        await a.client.call("deny", id=number)
        now = {name for name in files(hive) if ".incoming" in name}
        assert (now, held & now) == (set(), set())


def test_the_service_wrote_nothing_unexpected(hive: Hosted) -> None:
    said = hive.host.run(["journalctl", "-u", "hyperhive", "-o", "cat", "--no-pager"]).stdout
    odd = [line for line in said.splitlines() if "Traceback" in line or "unexpected" in line]
    assert list(chain(odd)) == []
