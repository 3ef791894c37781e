"""An agent's limits, as systemd enforces them on its unit."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Sequence

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


def apply(unit: str, wanted: Sequence[str]) -> Callable[[], None]:
    """Until the next boot; they are in force when the function returned has come back.

    systemd needs as long as all else that a launch does. Both raise Refused.
    """
    try:
        process = _systemctl("--runtime", "set-property", unit, *wanted)
    except OSError as error:
        raise _not_set(unit, error) from None

    def wait() -> None:
        try:
            _, problem = process.communicate(timeout=_WAIT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_set(unit, error) from None
        if process.returncode != 0:
            raise Refused(Exit.LIMITS, f"limits of {unit} were refused: {problem.strip()}")

    return wait


def _not_set(unit: str, error: Exception) -> Refused:
    return Refused(Exit.LIMITS, f"limits of {unit} could not be set: {error}")


def forget(unit: str, control: str = CONTROL) -> None:
    """For an agent that is gone for good: its limits, and that its last run failed."""
    shutil.rmtree(f"{control}/{unit}.d", ignore_errors=True)
    # Refused for a unit that is not loaded, which has nothing to forget.
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        _systemctl("reset-failed", unit).communicate(timeout=_WAIT)


def _systemctl(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [find("systemctl"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _or(value: int | None, default: str) -> str:
    return default if value is None else str(value)
