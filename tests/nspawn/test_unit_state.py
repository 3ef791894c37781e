"""How a run ended, from what systemd kept of it."""

from __future__ import annotations

import signal

import pytest

from hyperhive.hive.ports import EndReason
from hyperhive.nspawn.unit_state import (
    UNKNOWN,
    ServiceState,
    end_reason,
    exit_of,
    identity,
    number,
    service_state,
    unit_state,
)
from hyperhive.protocol.errors import Unavailable

EXITED, KILLED, DUMPED = 1, 2, 3
UNIT: dict[str, object] = {
    "LoadState": "loaded",
    "ActiveState": "failed",
    "InvocationID": [*range(16)],
    "InactiveExitTimestamp": 1_700_000_000_500_000,
    "InactiveExitTimestampMonotonic": 1_000,
    "ActiveEnterTimestampMonotonic": 2_000,
    "Job": (7, "/org/freedesktop/systemd1/job/7"),
}
SERVICE: dict[str, object] = {
    "Result": "success",
    "ExecMainCode": EXITED,
    "ExecMainStatus": 0,
    "NRestarts": 0,
}

WRONG: list[object] = [None, b"x", {}]


@pytest.mark.parametrize(
    ("result", "code", "status", "reason", "exit_code"),
    [
        ("success", EXITED, 0, "clean", 0),
        ("success", EXITED, 133, "clean", 133),
        ("exit-code", EXITED, 133, "clean", 133),
        ("exit-code", EXITED, 1, "crash", 1),
        ("exit-code", EXITED, 66, "crash", 66),
        ("oom-kill", KILLED, signal.SIGKILL, "oom", -9),
        ("oom-kill", EXITED, 1, "oom", 1),
        ("signal", KILLED, signal.SIGKILL, "killed", -9),
        ("signal", KILLED, signal.SIGTERM, "killed", -15),
        ("signal", KILLED, signal.SIGSEGV, "crash", -11),
        ("core-dump", DUMPED, signal.SIGABRT, "crash", -6),
        ("protocol", EXITED, 0, "crash", 0),
        ("resources", 0, 0, "crash", None),
        ("timeout", KILLED, signal.SIGKILL, "killed", -9),
        ("watchdog", KILLED, signal.SIGABRT, "killed", -6),
        ("something new", 0, 0, "crash", None),
    ],
)
def test_the_reason_of_an_end(
    result: str, code: int, status: int, reason: EndReason, exit_code: int | None
) -> None:
    service = state_of(Result=result, ExecMainCode=code, ExecMainStatus=int(status))
    assert end_reason(unit_state("u", UNIT), service) == reason
    assert exit_of(service) == exit_code


@pytest.mark.parametrize("up", [0, 999], ids=["never up", "up in an earlier run"])
def test_a_time_out_before_it_was_up_is_that_of_the_start(up: int) -> None:
    unit = unit_state("u", {**UNIT, "ActiveEnterTimestampMonotonic": up})
    assert end_reason(unit, state_of(Result="timeout")) == "start_timeout"


@pytest.mark.parametrize(
    ("active", "alive"),
    [
        *(("active", True), ("activating", True), ("deactivating", True), ("reloading", True)),
        *(("inactive", False), ("failed", False)),
    ],
)
def test_what_is_alive(active: str, alive: bool) -> None:
    assert unit_state("u", {**UNIT, "ActiveState": active}).is_alive is alive


def test_what_a_unit_says() -> None:
    unit = unit_state("u", UNIT)
    assert unit.invocation == "000102030405060708090a0b0c0d0e0f"
    assert unit.started_at == 1_700_000_000.5
    assert unit.job == "/org/freedesktop/systemd1/job/7"
    assert unit_state("u", {**UNIT, "InvocationID": []}).invocation == ""


def test_numbers_that_systemd_does_not_know() -> None:
    assert [number(value) for value in (0, 4096, UNKNOWN, "5", None)] == [0, 4096, None, None, None]


@pytest.mark.parametrize("value", [[], [256], [-1], ["a"], "abc", None, 5])
def test_what_is_no_identity(value: object) -> None:
    assert identity(value) == ""


@pytest.mark.parametrize("name", UNIT)
def test_a_unit_that_is_not_as_documented(name: str) -> None:
    for wrong in WRONG:
        with pytest.raises(Unavailable, match=name):
            unit_state("u", {**UNIT, name: wrong})


@pytest.mark.parametrize("name", SERVICE)
def test_a_service_that_is_not_as_documented(name: str) -> None:
    for wrong in WRONG:
        with pytest.raises(Unavailable, match=name):
            state_of(**{name: wrong})


def state_of(**changes: object) -> ServiceState:
    return service_state({**SERVICE, **changes})
