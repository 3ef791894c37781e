"""What tests of the store begin with: a clock to step, agents, messages."""

from dataclasses import dataclass

from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Agent, Budget, Deadline
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.model import MessageKind

START = 1_700_000_000.0


@dataclass
class StepClock:
    """Stands still until it is told otherwise; wall time and boot time move apart on purpose."""

    wall: float = START
    boot: float = 1_000.0
    boot_id: str = "boot-1"

    def now(self) -> float:
        return self.wall

    def boottime(self) -> float:
        return self.boot

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds

    def reboot(self, seconds: float = 60.0) -> None:
        self.wall += seconds
        self.boot = 10.0
        self.boot_id += "'"

    def within(self, seconds: float) -> Deadline:
        return Deadline(self.wall + seconds, self.boot_id, self.boot + seconds)


def agent(tx: Transaction, name: str = "alice") -> Agent:
    return tx.agents.add(
        name, "worker", "spawned", (), AgentSettings(), Budget(), "running", "", START
    )


def message(
    tx: Transaction,
    body: str = "hello",
    *,
    sender: int = 1,
    kind: MessageKind = "agent",
    expires: Deadline | None = None,
    coalesce: str = "",
    now: float = START,
) -> int:
    return tx.messages.add(
        sender, f"agent-{sender}", kind, body, None, None, 0, expires, now, coalesce
    )


def mail(
    tx: Transaction,
    body: str = "hello",
    *,
    to: int = 2,
    sender: int = 1,
    kind: MessageKind = "agent",
    expires: Deadline | None = None,
    coalesce: str = "",
    now: float = START,
) -> int:
    """A message with one delivery; returns the delivery's id."""
    id_ = message(tx, body, sender=sender, kind=kind, expires=expires, coalesce=coalesce, now=now)
    return tx.messages.deliver(id_, to, f"agent-{to}")
