"""The real clock."""

from __future__ import annotations

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """Implements the clock port with clock_gettime(2) and the kernel's boot id (random(4))."""

    def __init__(self) -> None:
        self.boot_id = _BOOT_ID.read_text().strip()

    def now(self) -> float:
        return time.time()

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
