"""Plain text for terminals: tables, and text of agents made harmless."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Sequence

from hyperhive.demo.plain_text import columns, wrap

Row = Sequence[object]

_INDENT = "    "


def table(head: Sequence[str], rows: Sequence[Row], empty: str, spare: Sequence[str] = ()) -> str:
    """Columns as wide as their content, fitted to the terminal if there is one.

    `spare` are columns that a narrow terminal may go without, those of least use first. The last
    column is never cut: where it does not fit beside its row it stands below it.
    """
    if not rows:
        return empty
    cells = [[one_line(str(cell if cell is not None else "")) for cell in row] for row in rows]
    lines = [[name.upper() for name in head], *cells]
    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for name in spare:
        if _width(lines) <= limit:
            break
        index = lines[0].index(name.upper())
        lines = [line[:index] + line[index + 1 :] for line in lines]
    widths = _widths(lines)
    return "\n".join(text for line in lines for text in _row(line, widths, limit))


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """Of all columns but the last."""
    return [max(map(columns, column)) for column in list(zip(*lines, strict=True))[:-1]]


def _width(lines: Sequence[Sequence[str]]) -> int:
    """What the columns need, and the last one's name."""
    return sum(width + 2 for width in _widths(lines)) + columns(lines[0][-1])


def _row(cells: Sequence[str], widths: Sequence[int], limit: int) -> list[str]:
    *short, last = cells
    padded = [f"{c}{' ' * (width - columns(c))}" for c, width in zip(short, widths, strict=True)]
    text = "  ".join([*padded, last]).rstrip()
    if columns(text) <= limit:
        return [text]
    below = wrap(last, max(limit - len(_INDENT), 1), sys.maxsize)
    return [_cut("  ".join(padded).rstrip(), limit), *(_INDENT + line for line in below)]


def _cut(text: str, limit: int) -> str:
    if columns(text) <= limit:
        return text
    while columns(text) > limit - 1:
        text = text[:-1]
    return text + "…"


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
