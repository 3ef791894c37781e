"""What systemd knows of one unit, and how its last run ended (org.freedesktop.systemd1(5))."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from hyperhive.hive.ports import EndReason
from hyperhive.protocol.errors import Unavailable

T = TypeVar("T")

UNKNOWN = 2**64 - 1
"""What systemd says of a number that it does not know."""
REBOOT = 133
"""systemd-nspawn's exit status for a reboot from inside, with --keep-unit."""

_DEAD = ("inactive", "failed")
_EXITED, _KILLED, _DUMPED = 1, 2, 3  # si_code of sigaction(2), as ExecMainCode has it


@dataclass(frozen=True, slots=True)
class UnitState:
    """`active` is ActiveState; `invocation` is empty when it never ran since it was loaded."""

    unit: str
    load: str
    active: str
    invocation: str
    started_at: float
    """Wall time of the last start, 0 for none."""
    was_up: bool
    """Whether the last run ever was ready."""
    job: str
    """Path of the job that is under way, `/` for none."""

    @property
    def is_alive(self) -> bool:
        return self.active not in _DEAD


@dataclass(frozen=True, slots=True)
class ServiceState:
    """`code` and `status` are those of the main process (wait(2)); None where not known."""

    result: str
    code: int
    status: int
    restarts: int
    """How often systemd itself began it again since it was last asked to."""


def unit_state(unit: str, properties: Mapping[str, object]) -> UnitState:
    """From the interface Unit. Raises Unavailable when a property is not as documented."""
    left = _get(properties, "InactiveExitTimestamp", int)
    up = _get(properties, "ActiveEnterTimestampMonotonic", int)
    job = _get(properties, "Job", tuple)
    return UnitState(
        unit,
        load=_get(properties, "LoadState", str),
        active=_get(properties, "ActiveState", str),
        invocation=identity(_get(properties, "InvocationID", list)),
        started_at=left / 1e6,
        was_up=up >= _get(properties, "InactiveExitTimestampMonotonic", int) > 0,
        job=str(job[1]) if len(job) == 2 else "/",
    )


def service_state(properties: Mapping[str, object]) -> ServiceState:
    """From the interface Service. Raises Unavailable when a property is not as documented."""
    return ServiceState(
        result=_get(properties, "Result", str),
        code=_get(properties, "ExecMainCode", int),
        status=_get(properties, "ExecMainStatus", int),
        restarts=_get(properties, "NRestarts", int),
    )


def end_reason(unit: UnitState, service: ServiceState) -> EndReason:
    """Of a run that is over, from the unit that it left."""
    match service.result:
        case "success":
            return "clean"
        case "oom-kill":
            return "oom"
        case "timeout" | "watchdog":
            # After it was up it can only be the time-out of a stop, which ends in SIGKILL.
            return "killed" if unit.was_up else "start_timeout"
        case "signal" if service.status in (signal.SIGKILL, signal.SIGTERM):
            return "killed"
        case "exit-code" if service.status == REBOOT:
            return "clean"
        case _:
            return "crash"


def exit_of(service: ServiceState) -> int | None:
    """The exit status, or the negative signal number; None when it left none."""
    match service.code:
        case code if code == _EXITED:
            return service.status
        case code if code in (_KILLED, _DUMPED):
            return -service.status
        case _:
            return None


def identity(value: object) -> str:
    """An invocation id as text, empty for none."""
    numbers = value if isinstance(value, list) else []
    return bytes(numbers).hex() if all(n in range(256) for n in numbers) else ""


def number(value: object) -> int | None:
    """None where systemd does not know it."""
    return value if isinstance(value, int) and value != UNKNOWN else None


def _get(properties: Mapping[str, object], name: str, kind: type[T]) -> T:
    value = properties.get(name)
    if not isinstance(value, kind):
        raise Unavailable(f"systemd gave {name} as {value!r}, which is no {kind.__name__}")
    return value
