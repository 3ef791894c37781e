"""What the admin verbs work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hyperhive.hive.gauge import Gauge
from hyperhive.hive.hive import Hive
from hyperhive.hive.terminals import Terminals


@dataclass(frozen=True, slots=True)
class Context:
    """The hive, and the few things around it that only the service knows."""

    hive: Hive
    runtime_kind: str
    warnings: tuple[str, ...]
    dashboard_url: str
    logs: Callable[[str, int], Awaitable[Sequence[str]]]
    gauge: Gauge
    terminals: Terminals
    push: Callable[[str, str], bool]
    """Send a hint down an agent's link; False when it has none."""
    login_code: Callable[[], Awaitable[str]]
    doctor: Callable[[], Awaitable[list[dict[str, Any]]]]
