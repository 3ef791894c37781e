"""Logs of agents in containers: one that floods takes nothing from another, a purge takes all."""

from __future__ import annotations

import base64
import os
import re

import pytest

from hyperhive.nspawn.journal import namespace
from tests.host.contained import Contained
from tests.support.wait import wait_until

CAP = 32 * 2**20
"""packaging/journald/hyperhive.conf, SystemMaxUse."""
LAST = 1_000
SAY = f'i=0; while [ $i -lt {LAST} ]; do echo "kept $i of alice"; i=$((i+1)); done >/dev/console'
SHOUT = "i=0; while [ $i -lt 60000 ]; do echo flood $i; i=$((i+1)); done >/dev/console"


def journal_of(inside: Contained, agent: str) -> str:
    machine = inside.host.path("/etc/machine-id").read_text().strip()
    return f"/var/log/journal/{machine}.{namespace(agent)}"


def sync(inside: Contained, agent: str) -> None:
    inside.host.run(["journalctl", f"--namespace={namespace(agent)}", "--sync"])


def fill(inside: Contained, agent: str, count: int) -> None:
    """Past the rate limit, which holds for units: what a day of flooding would write."""
    lines = (base64.b64encode(os.urandom(2_900)) for _ in range(count))
    inside.host.path("/tmp/flood").write_bytes(b"\n".join(lines) + b"\n")
    socket = f"/run/systemd/journal.{namespace(agent)}/dev-log"
    logger = ["logger", "--socket", socket, "--size=4000", "--file=/tmp/flood"]
    inside.host.run(logger, seconds=120)
    inside.host.path("/tmp/flood").unlink()


async def read(inside: Contained, agent: str, lines: int = LAST) -> list[str]:
    """As the service reads it."""
    async with inside.hive.admin() as client:
        found: list[str] = (await client.call("logs", name=agent, lines=lines))["lines"]
        return found


async def test_a_line_says_whose_it_is(inside: Contained) -> None:
    lines = await read(inside, "alice")
    pattern = r" h-alice\[\d+\]: hyperhive-harness\[\d+\]: .* connected to the host as alice "
    assert [line for line in lines if re.search(pattern, line)]


async def test_a_flood_pushes_out_nothing_of_another_agent(inside: Contained) -> None:
    inside.run("root", ["/bin/sh", "-c", SAY])
    sync(inside, "alice")
    before = await read(inside, "alice")
    numbers = [int(found[1]) for line in before if (found := re.search(r"kept (\d+) of", line))]
    assert numbers == list(range(LAST))[-len(numbers) :]
    assert len(numbers) > LAST - 50  # some lines are the container's own
    inside.run("root", ["/bin/sh", "-c", SHOUT], agent="bob")
    fill(inside, "bob", 2 * CAP // 3_000)
    sync(inside, "bob")
    used = inside.host.run(["du", "--bytes", "--summarize", journal_of(inside, "bob")]).stdout
    assert CAP / 2 < int(used.split()[0]) <= CAP + 2**20
    assert await read(inside, "alice") == before


@pytest.mark.parametrize("agent", ["alice", "bob"])
def test_who_reads_them(inside: Contained, agent: str) -> None:
    read_it = ["journalctl", f"--namespace={namespace(agent)}", "--quiet", "--lines=1"]
    assert inside.host.run(read_it, user="hyperhive").stdout
    assert not inside.host.run(read_it, user="nobody", check=False).stdout
    assert not inside.host.run(["journalctl", "--lines=1"], user="hyperhive", check=False).stdout


async def test_a_purge_takes_all(inside: Contained) -> None:
    own = namespace("bob")
    places = [
        journal_of(inside, "bob"),
        f"/run/systemd/journal.{own}",
        f"/run/systemd/journald@{own}.conf.d",
    ]
    assert all(inside.host.path(place).exists() for place in places)
    async with inside.hive.admin() as client:
        await client.call("destroy", name="bob", purge=True)
    wait_until(lambda: not any(inside.host.path(place).exists() for place in places), 20)
    units = [f"systemd-journald*@{own}.*", "hyperhive-journal@bob.service"]
    show = ["systemctl", "list-units", "--all", "--plain", "--no-legend", *units]
    assert inside.host.run(show).stdout == ""
    assert await read(inside, "alice", 1)
