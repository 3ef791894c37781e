"""A broker in a hundred lines of plain lists, against which the real one is compared."""

from __future__ import annotations

from dataclasses import dataclass, field

BACKOFF = (5, 30, 120, 600)
ATTEMPTS = 5
NEVER = 10**9


@dataclass(slots=True)
class Mail:
    """One delivery. `holder` is the last (instance, turn) to lease it; times are model seconds."""

    id: int
    sender: str
    to: str
    expires: int = NEVER
    state: str = "accepted"
    attempt: int = 1
    not_before: int = 0
    holder: tuple[str, str | None] | None = None


@dataclass
class Reference:
    """All deliveries in the order of their numbers, and each agent's open turn."""

    cap: int
    now: int = 0
    mail: list[Mail] = field(default_factory=list)
    turns: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Instance and id by agent."""
    held_until: dict[str, int] = field(default_factory=dict)
    """Agents whose model's side refuses, and until when."""

    def has_room(self, to: str) -> bool:
        return len([m for m in self.of(to) if m.state in ("accepted", "leased")]) < self.cap

    def of(self, agent: str) -> list[Mail]:
        return [m for m in self.mail if m.to == agent]

    def leased(self, agent: str) -> list[Mail]:
        return [m for m in self.of(agent) if m.state == "leased"]

    # --- what a caller may do ---

    def lease(self, agent: str, holder: tuple[str, str | None], limit: int) -> list[Mail]:
        waiting = [
            m
            for m in self.of(agent)
            if m.state == "accepted" and m.not_before <= self.now < m.expires
        ]
        for m in waiting[:limit]:
            m.state, m.holder = "leased", holder
        return waiting[:limit]

    def begin(self, agent: str, instance: str, turn: str) -> list[Mail]:
        self.abandon(agent)
        if self.held_until.get(agent, 0) > self.now:
            return []
        self.held_until.pop(agent, None)
        taken = self.lease(agent, (instance, turn), 32)
        if taken:
            self.turns[agent] = (instance, turn)
        return taken

    def end(self, agent: str, result: str) -> None:
        instance, turn = self.turns.pop(agent)
        for m in self.leased(agent):
            if m.holder == (instance, turn):
                if result != "failed":
                    self.settle(m, "acked")
                elif agent in self.held_until:
                    self.give_back(m)
                else:
                    self.fail(m)

    def hello(self, agent: str, instance: str, turn: str | None) -> None:
        for m in self.leased(agent):
            if m.holder and m.holder[0] != instance:
                self.fail(m)
        if agent in self.turns and self.turns[agent][0] != instance:
            del self.turns[agent]
        if agent in self.turns and self.turns[agent][1] != turn:
            self.abandon(agent)

    def lose(self, agent: str, instance: str) -> None:
        for m in self.leased(agent):
            if m.holder and m.holder[0] == instance:
                self.fail(m)
        if agent in self.turns and self.turns[agent][0] == instance:
            del self.turns[agent]

    def reboot(self) -> None:
        for m in self.mail:
            if m.state == "leased":
                self.fail(m)
        self.turns.clear()

    def expire(self) -> None:
        for m in self.mail:
            if m.state == "accepted" and m.expires <= self.now:
                self.settle(m, "expired")

    # --- what becomes of a message ---

    def abandon(self, agent: str) -> None:
        if held := self.turns.pop(agent, None):
            for m in self.leased(agent):
                if m.holder == held:
                    self.give_back(m)

    def give_back(self, m: Mail) -> None:
        m.state, m.holder, m.not_before = "accepted", None, 0

    def fail(self, m: Mail) -> None:
        if m.attempt == ATTEMPTS:
            self.settle(m, "dead")
            return
        pause = BACKOFF[m.attempt - 1]
        self.give_back(m)
        m.attempt, m.not_before = m.attempt + 1, self.now + pause

    def settle(self, m: Mail, state: str) -> None:
        m.state = state
