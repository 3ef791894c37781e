"""An agent's limits, as systemd enforces them on its unit."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Sequence

from hyperhive.nspawn.launch_command import find
from hyperhive.nspawn.launch_refusal import Exit, Refused
from hyperhive.protocol.bundle import Limits

CONTROL = "/run/systemd/system.control"
"""Where systemd keeps what was set until the next boot (systemd.unit(5))."""
_WAIT = 20.0
"""Seconds that systemd may take."""


def properties(limits: Limits, devices: Sequence[str]) -> list[str]:
    """systemd.resource-control(5). Each is set, since those of the last start are still there."""
    wanted = [
        f"MemoryMax={_or(limits.memory_max, 'infinity')}",
        "MemorySwapMax=0",
        f"CPUQuota={limits.cpu_quota}%" if limits.cpu_quota else "CPUQuota=",
        f"TasksMax={_or(limits.tasks_max, 'infinity')}",
        f"IOWeight={_or(limits.io_weight, '100')}",
        *(f"DeviceAllow={device} rw" for device in devices),
    ]
    # systemd lists its drop-ins as they come, and asks for a reload when they are not sorted.
    return sorted(wanted, key=lambda line: line.partition("=")[0])


def apply(unit: str, wanted: Sequence[str]) -> None:
    """Until the next boot. Raises Refused."""
    try:
        done = _systemctl("--runtime", "set-property", unit, *wanted)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(Exit.LIMITS, f"limits of {unit} could not be set: {error}") from None
    if done.returncode != 0:
        raise Refused(Exit.LIMITS, f"limits of {unit} were refused: {done.stderr.strip()}")


def forget(unit: str, control: str = CONTROL) -> None:
    """For an agent that is gone for good: its limits, and that its last run failed."""
    shutil.rmtree(f"{control}/{unit}.d", ignore_errors=True)
    # Refused for a unit that is not loaded, which has nothing to forget.
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        _systemctl("reset-failed", unit)


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find("systemctl"), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_WAIT,
        check=False,
    )


def _or(value: int | None, default: str) -> str:
    return default if value is None else str(value)
