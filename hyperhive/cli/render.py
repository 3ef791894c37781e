"""Plain text for terminals: tables, and text of agents made harmless."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Sequence

Row = Sequence[object]


def table(head: Sequence[str], rows: Sequence[Row], empty: str) -> str:
    """Columns as wide as their content; a line longer than a terminal is wide is cut."""
    if not rows:
        return empty
    cells = [[one_line(str(cell if cell is not None else "")) for cell in row] for row in rows]
    lines = [[name.upper() for name in head], *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return "\n".join(_line(line, widths, limit) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], limit: int | None) -> str:
    padded = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    text = padded.rstrip()
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str) -> str:
    return " ".join(safe(text).split())


def safe(text: str) -> str:
    """Text of agents with control, bidi and invisible characters drawn as escapes.

    A terminal obeys escape sequences; only line ends and tabs pass.
    """
    return "".join(_draw(char) for char in text)


def _draw(char: str) -> str:
    if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def json_text(value: object, indent: int | None = None) -> str:
    """JSON that a terminal may be shown: what it would obey or hide is escaped, as JSON allows."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return "".join(char if _draw(char) == char else json.dumps(char)[1:-1] for char in text)


def size(count: int | None) -> str:
    """Bytes as `300M`, `1.5G`, or `-`."""
    if count is None:
        return "-"
    value, units = float(count), "BKMGTP"
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.0f}{units[0]}" if value >= 10 else f"{value:.1f}{units[0]}"


def duration(seconds: float | None) -> str:
    """`1h 05m`, `4m 10s`, `12s`, or `-`."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"
