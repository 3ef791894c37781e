"""Machines and their terminals, which machined opens or does not."""

from __future__ import annotations

import asyncio
import time

import pytest

from hyperhive.hive.ports import Invocation
from hyperhive.nspawn import shell
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.nspawn.machines import Machines
from hyperhive.nspawn.shell import Shells
from hyperhive.protocol.errors import InvalidField, Unavailable
from hyperhive.protocol.terminal import SHELL_ENVIRONMENT
from tests.nspawn.private_bus import ALICE, Control, open_descriptors
from tests.nspawn.test_units import HOSTILE
from tests.support.wait import let_time_pass, wait_for

RUN = Invocation("alice", "1" * 32, 0.0)


@pytest.fixture
def shells(bus: LastingBus) -> Shells:
    return Shells(bus)


async def test_a_terminal_is_opened_and_closed(shells: Shells, control: Control) -> None:
    before = open_descriptors()
    terminal = await shells.open(RUN, "agent", 24, 80)
    assert await asyncio.wait_for(terminal.read(), 2) == b"$ "
    await terminal.close()
    await terminal.close()
    await wait_for(lambda: open_descriptors() <= before)
    (call,) = await control.calls("OpenMachineShell")
    assert call.startswith("OpenMachineShell h-alice agent /bin/sh ['sh', '-c', ")
    assert call.endswith("['TERM=xterm-256color', 'COLORTERM=truecolor']")


async def test_root_obeys_nothing_that_the_agent_can_write(
    shells: Shells, control: Control
) -> None:
    for user in ("agent", "root"):
        await (await shells.open(RUN, user, 24, 80)).close()
    as_agent, as_root = await control.calls("OpenMachineShell")
    assert f"/state/{SHELL_ENVIRONMENT}" in as_agent
    assert "/state" not in as_root


@pytest.mark.parametrize("how", ["none", "two"])
async def test_not_one_descriptor(shells: Shells, control: Control, how: str) -> None:
    before = open_descriptors()
    await control.next(how)
    with pytest.raises(Unavailable, match="gave no terminal of alice"):
        await shells.open(RUN, "agent", 24, 80)
    await wait_for(lambda: open_descriptors() <= before)


@pytest.mark.parametrize("how", ["frozen", "late"])
async def test_one_that_does_not_answer(
    shells: Shells, control: Control, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(shell, "OPEN_SECONDS", 0.3)
    before = open_descriptors()
    await control.next(how)
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=r"did not open a shell within 0\.3 s; it may be stopped"):
        await shells.open(RUN, "agent", 24, 80)
    assert time.monotonic() - begun < 1
    await let_time_pass(0.8)  # until the late answer is here
    await control.calls("")
    await wait_for(lambda: open_descriptors() <= before)
    # machined would wait again, and everybody else for machined.
    with pytest.raises(Unavailable, match=r"wait \d\d+ s, or restart"):
        await shells.open(RUN, "agent", 24, 80)
    assert len(await control.calls("OpenMachineShell")) == 1
    another = await shells.open(Invocation("alice", "2" * 32, 0.0), "agent", 24, 80)
    await another.close()


async def test_one_that_nobody_waits_for(shells: Shells, control: Control) -> None:
    before = open_descriptors()
    await control.next("late")
    opening = asyncio.create_task(shells.open(RUN, "agent", 24, 80))
    await wait_for(lambda: control.calls("OpenMachineShell"))
    opening.cancel()
    await asyncio.wait([opening])
    await let_time_pass(0.8)  # until the late answer is here
    await control.calls("")
    await wait_for(lambda: open_descriptors() <= before)


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
async def test_only_names_of_agents_reach_machined(
    bus: LastingBus, control: Control, name: str
) -> None:
    with pytest.raises(InvalidField):
        await Shells(bus).open(Invocation(name, "1" * 32, 0.0), "agent", 24, 80)
    with pytest.raises(InvalidField):
        await Machines(bus).find(name)
    assert await control.calls("OpenMachineShell") == await control.calls("GetMachine") == []


async def test_whose_machine_it_is(bus: LastingBus) -> None:
    machines = Machines(bus)
    found = await machines.find("alice")
    assert found is not None
    assert (found.name, found.unit, found.leader) == ("h-alice", ALICE, 4711)
    assert await machines.find("nobody") is None
    assert await machines.taken("alice", ALICE) == ""
    assert await machines.taken("nobody", "hyperhive-agent@nobody.service") == ""
    taken = await machines.taken("bob", "hyperhive-agent@bob.service")
    assert "h-bob runs as foreign.service, which is not hyperhive's" in taken
