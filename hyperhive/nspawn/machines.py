"""What systemd-machined knows of an agent's container: whose it is, and where its PID 1 is."""

from __future__ import annotations

from dataclasses import dataclass

from hyperhive.nspawn.bus import Remote
from hyperhive.nspawn.failures import NoSuch
from hyperhive.nspawn.lasting import LastingBus
from hyperhive.protocol.errors import Unavailable
from hyperhive.protocol.model import check_name

MACHINED = "org.freedesktop.machine1"
MANAGER = Remote(MACHINED, "/org/freedesktop/machine1", f"{MACHINED}.Manager")


@dataclass(frozen=True, slots=True)
class Machine:
    """`leader` is the pid of its PID 1 as the host sees it."""

    name: str
    unit: str
    leader: int


def machine_name(agent: str) -> str:
    return f"h-{check_name(agent)}"


class Machines:
    """Truth about what runs is systemd's: a machined that restarts or hangs ends no agent."""

    def __init__(self, bus: LastingBus) -> None:
        self._bus = bus

    async def find(self, agent: str) -> Machine | None:
        """None when there is none, or it has ended meanwhile. Raises Unavailable."""
        name = machine_name(agent)
        try:
            (path,) = await self._bus.call(MANAGER, "GetMachine", ("(s)", (name,)), "(o)")
            remote = Remote(MACHINED, str(path), "org.freedesktop.DBus.Properties")
            wanted = ("(s)", (f"{MACHINED}.Machine",))
            (properties,) = await self._bus.call(remote, "GetAll", wanted, "(a{sv})")
        except NoSuch:
            return None
        match properties:
            case {"Unit": str(unit), "Leader": int(leader)}:
                return Machine(name, unit, leader)
        raise Unavailable(f"systemd-machined did not tell the unit of {name}")

    async def taken(self, agent: str, unit: str) -> str:
        """Says whose machine has the name of this agent's; empty when it is free, or not known."""
        try:
            machine = await self.find(agent)
        except Unavailable:
            return ""
        if machine is None or machine.unit == unit:
            return ""
        return (
            f"a machine named {machine.name} runs as {machine.unit}, which is not hyperhive's; "
            "end it, or give it another name"
        )
