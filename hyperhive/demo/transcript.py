"""A readable transcript of what a swarm did, line by line, with its totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hyperhive.demo.narration import Item, Line, number, tell
from hyperhive.demo.plain_text import columns, wrap

MAX_LINES = 12
"""Lines that one event may take."""

_NAME_COLUMNS = 9
_MIN_TEXT_COLUMNS = 20
_COLOURS = {"strong": "1", "good": "32", "bad": "31", "dim": "2"}  # ECMA-48, section 8.3.117


@dataclass
class Totals:
    """Sums over the turns of one agent, or of all."""

    turns: int = 0
    calls: int = 0
    refused: int = 0
    milliseconds: float = 0
    usd: float = 0
    tokens: float = 0

    def words(self) -> str:
        allowed = max(0, self.calls - self.refused)
        return (
            f"{_counted(self.turns, 'turn')}, {_counted(allowed, 'tool call')} allowed, "
            f"{self.refused} refused, {self.milliseconds / 1000:.1f} s, ${self.usd:.4f}, "
            f"{self.tokens:,.0f} tokens"
        )


@dataclass
class Transcript:
    """Turns events, in order, into lines of at most `width` columns.

    `colour` is for terminals only; what the swarm's members wrote never reaches one as it is.
    """

    width: int = 80
    colour: bool = False
    messages: int = 0
    totals: dict[str, Totals] = field(default_factory=dict)
    _began: float | None = None

    def lines(self, event: Item) -> list[str]:
        """What to print for this event; empty when it is of no interest to a reader."""
        self._count(event)
        elapsed = self._elapsed(event.get("at"))
        line = tell(event)
        return list(self._lay_out(line, elapsed)) if line else []

    def summary(self) -> list[str]:
        """What it all came to, by agent and in all."""
        rows = [f"{name:<{_NAME_COLUMNS}} {each.words()}" for name, each in self.totals.items()]
        whole = Totals()
        for each in self.totals.values():
            _add(whole, each)
        lines = [
            *rows,
            f"{'in all':<{_NAME_COLUMNS}} {whole.words()}, {_counted(self.messages, 'message')}",
        ]
        indent = " " * (_NAME_COLUMNS + 1)
        return [line for row in lines for line in _hang(row, indent, self.width)]

    def _count(self, event: Item) -> None:
        kind, given = event.get("kind"), event.get("data")
        data = given if isinstance(given, Mapping) else {}
        if kind == "message":
            self.messages += 1
        agent = str(event.get("agent") or "")
        if kind in ("turn_ended", "turn_tool_use", "turn_tool_refused"):
            _count_turn(self.totals.setdefault(agent, Totals()), str(kind), data)

    def _elapsed(self, at: object) -> float | None:
        """Seconds since the first event that had a time."""
        now = _seconds(at)
        if now is None:
            return None
        if self._began is None:
            self._began = now
        return max(0.0, now - self._began)

    def _lay_out(self, line: Line, elapsed: float | None) -> Iterator[str]:
        time = "" if elapsed is None else f"{round(elapsed, 1):g}s"
        head = f"{time:>7}  {line.who:<{_NAME_COLUMNS}} "
        room = max(_MIN_TEXT_COLUMNS, self.width - columns(head))
        margin = " " * columns(head)
        for index, text in enumerate(wrap(line.words, room, MAX_LINES) or [""]):
            yield f"{margin if index else head}{self._coloured(text, line.tone)}".rstrip()

    def _coloured(self, text: str, tone: str) -> str:
        code = _COLOURS.get(tone) if self.colour else None
        return f"\x1b[{code}m{text}\x1b[0m" if code else text


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _count_turn(totals: Totals, kind: str, data: Item) -> None:
    if kind == "turn_tool_use":
        totals.calls += 1
    elif kind == "turn_tool_refused":
        totals.refused += 1
    else:
        totals.turns += 1
        totals.milliseconds += number(data, "duration_ms") or 0
        totals.usd += number(data, "usd") or 0
        totals.tokens += number(data, "tokens") or 0


def _add(whole: Totals, part: Totals) -> None:
    for name, value in vars(part).items():
        setattr(whole, name, getattr(whole, name) + value)


def _seconds(at: object) -> float | None:
    """Seconds since 1970, from a number or an ISO 8601 time."""
    if isinstance(at, (int, float)):
        return float(at)
    try:
        return datetime.fromisoformat(str(at)).timestamp()
    except ValueError:
        return None


def _hang(text: str, indent: str, width: int) -> list[str]:
    first, *_ = lines = wrap(text, width, MAX_LINES)
    if len(lines) == 1:
        return [first]
    rest = wrap(text[len(first) :].lstrip(), max(_MIN_TEXT_COLUMNS, width - len(indent)), MAX_LINES)
    return [first, *(indent + line for line in rest)]
