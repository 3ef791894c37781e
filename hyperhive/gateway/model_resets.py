"""When the model's servers will take requests again, from the headers of a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_WAIT = 8 * 86_400.0
"""Seconds; the longest window is a week, anything beyond is a mistake."""


def reset_time(headers: Mapping[str, str], now: float) -> float | None:
    """Wall time, or None when no header tells. `headers` must ignore case.

    `retry-after` and the window of a subscription say it outright; of the single limits, those
    that are used up count, and the last of them to be filled again.
    """
    outright = [
        _retry_after(headers.get("retry-after", ""), now),
        _moment(headers.get("anthropic-ratelimit-unified-reset", "")),
    ]
    used_up = [
        _moment(headers.get(name[: -len("remaining")] + "reset", ""))
        for name in map(str.lower, headers)
        if name.startswith("anthropic-ratelimit-")
        and name.endswith("-remaining")
        and headers[name].strip() == "0"
    ]
    known = [moment for moment in outright if moment is not None]
    known = known[:1] or [max((m for m in used_up if m is not None), default=0.0)]
    return min(known[0], now + MAX_WAIT) if known[0] else None


def _retry_after(text: str, now: float) -> float | None:
    """Seconds, or a date (RFC 9110, section 10.2.3)."""
    text = text.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit() and len(text) < 16:
        return now + float(text)
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _moment(text: str) -> float | None:
    """Seconds since 1970, or RFC 3339."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 13:
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
