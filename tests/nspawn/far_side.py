"""A program that is systemd and machined on a private bus, and misbehaves on demand.

Usage: python -m tests.nspawn.far_side ADDRESS. `Control.Next(behaviour)` is about
the next call that has a choice.
"""

from __future__ import annotations

import fnmatch
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from tests.nspawn.far_interfaces import INTERFACES

SYSTEMD, MACHINED = "org.freedesktop.systemd1", "org.freedesktop.machine1"
UNITS = [
    f"hyperhive-{kind}@{name}.service" for kind in ("agent", "purge") for name in ("alice", "bob")
]
UNLOADED = {
    "LoadState": ("s", "loaded"),
    "ActiveState": ("s", "inactive"),
    "InvocationID": ("ay", b""),
    "InactiveExitTimestamp": ("t", 0),
    "InactiveExitTimestampMonotonic": ("t", 0),
    "ActiveEnterTimestampMonotonic": ("t", 0),
    "FreezerState": ("s", "running"),
    "Job": ("(uo)", (0, "/")),
    "Result": ("s", "success"),
    "ExecMainCode": ("i", 0),
    "ExecMainStatus": ("i", 0),
    "MemoryCurrent": ("t", 2**64 - 1),
    "CPUUsageNSec": ("t", 1_500_000_000),
    "TasksCurrent": ("t", 7),
    "ControlGroup": ("s", ""),
    "NRestarts": ("u", 0),
    "StatusText": ("s", ""),
}


def later(milliseconds: int, *acts: Callable[[], object]) -> None:
    def now() -> bool:
        for act in acts:
            act()
        return False

    GLib.timeout_add(milliseconds, now)


def unit_path(unit: str) -> str:
    escaped = "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in unit)
    return f"/org/freedesktop/systemd1/unit/{escaped}"


class FarSide:
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.next = ""
        self.calls: list[str] = []
        self.unanswered: list[Any] = []
        self.jobs = 0
        self.units: dict[str, dict[str, tuple[str, Any]]] = {u: {**UNLOADED} for u in UNITS}
        self.machines = {"h-alice": UNITS[0], "h-bob": "foreign.service"}
        self.register("/org/freedesktop/systemd1", f"{SYSTEMD}.Manager")
        self.register("/org/freedesktop/machine1", f"{MACHINED}.Manager")
        self.register("/control", "test.Control")
        for unit in UNITS:
            for interface in ("Unit", "Service"):
                self.register(unit_path(unit), f"{SYSTEMD}.{interface}", self.units[unit])
        for machine, unit in self.machines.items():
            facts = {"Unit": ("s", unit), "Leader": ("u", 4711)}
            self.register(self.machine_path(machine), f"{MACHINED}.Machine", facts)

    def machine_path(self, name: str) -> str:
        return f"/org/freedesktop/machine1/machine/{name.replace('-', '_2d')}"

    def register(self, path: str, interface: str, facts: dict[str, Any] | None = None) -> None:
        def called(*arguments: Any) -> None:
            name, values, invocation = arguments[4], arguments[5].unpack(), arguments[6]
            self.calls.append(f"{name} {' '.join(map(str, values))}".strip())
            getattr(self, "do_" + re.sub("(?<!^)(?=[A-Z])", "_", name).lower())(invocation, *values)

        def get(*arguments: Any) -> Any:
            return GLib.Variant(*(facts or {})[arguments[4]])

        self.connection.register_object(path, INTERFACES[interface], called, get, None)

    def chosen(self) -> str:
        chosen, self.next = self.next, ""
        return chosen

    # --- systemd ---

    def do_subscribe(self, call: Any) -> None:
        if self.calls.count("Subscribe") > 1:
            call.return_dbus_error(f"{SYSTEMD}.AlreadySubscribed", "Client is already subscribed.")
        else:
            call.return_value(None)

    def do_list_units_by_patterns(self, call: Any, states: list[str], patterns: list[str]) -> None:
        loaded = [
            (unit, "", "loaded", facts["ActiveState"][1], "", "", unit_path(unit), 0, "", "/")
            for unit, facts in self.units.items()
            if facts["ActiveState"][1] != "inactive" and fnmatch.fnmatch(unit, patterns[0])
        ]
        call.return_value(GLib.Variant("(a(ssssssouso))", (loaded,)))

    def do_start_unit(self, call: Any, unit: str, mode: str) -> None:
        self.job(call, unit, lambda: self.begin(unit))

    def do_stop_unit(self, call: Any, unit: str, mode: str) -> None:
        self.job(call, unit, lambda: self.unload(unit))

    def do_restart_unit(self, call: Any, unit: str, mode: str) -> None:
        self.job(call, unit, lambda: self.begin(unit))

    def job(self, call: Any, unit: str, act: Callable[[], None]) -> None:
        """The behaviours: see the branches."""
        behaviour = self.chosen()
        self.jobs += 1
        number, path = self.jobs, f"/org/freedesktop/systemd1/job/{self.jobs}"

        def reply() -> None:
            call.return_value(GLib.Variant("(o)", (path,)))

        def end(result: str, job: str = path) -> None:
            self.set(unit, Job=(0, "/"))
            facts = GLib.Variant("(uoss)", (number, job, unit, result))
            manager = ("/org/freedesktop/systemd1", f"{SYSTEMD}.Manager")
            self.connection.emit_signal(None, *manager, "JobRemoved", facts)

        self.set(unit, Job=(number, path))
        match behaviour:
            case "denied":
                call.return_dbus_error(
                    "org.freedesktop.DBus.Error.AccessDenied", "Permission denied"
                )
            case "no such unit":
                call.return_dbus_error(f"{SYSTEMD}.NoSuchUnit", f"Unit {unit} not found.")
            case "early":
                act()
                end("done")
                reply()
            case "no reply":
                self.unanswered.append(call)
                later(300, act, lambda: end("done"))
            case "no reply, nothing done":
                self.unanswered.append(call)
                self.set(unit, Job=(0, "/"))
            case "no signal":
                reply()
                later(300, act, lambda: self.set(unit, Job=(0, "/")))
            case "others first":
                reply()
                end("canceled", f"{path}999")
                self.set(unit, Job=(number, path))
                later(200, act, lambda: end("done"), lambda: end("failed"))
            case "hang":
                reply()
            case "refused":
                reply()
                self.begin(unit)
                self.end(unit, "exit-code", 1, 66)
                self.set(unit, StatusText="launcher: /b is not there [bundle_missing, exit 66]")
                end("failed")
            case "canceled" | "timeout" | "dependency" | "skipped" as result:
                reply()
                end(result)
            case _:
                reply()
                act()
                end("done")

    def begin(self, unit: str, restarts: int = 0) -> None:
        now = time.monotonic_ns() // 1000
        self.set(
            unit,
            ActiveState="active",
            InvocationID=os.urandom(16),
            InactiveExitTimestamp=time.time_ns() // 1000,
            InactiveExitTimestampMonotonic=now,
            ActiveEnterTimestampMonotonic=now,
            Result="success",
            NRestarts=restarts,
        )

    def end(self, unit: str, result: str, code: int, status: int) -> None:
        self.set(
            unit, ActiveState="failed", Result=result, ExecMainCode=code, ExecMainStatus=status
        )

    def unload(self, unit: str) -> None:
        self.set(unit, **{name: value for name, (_, value) in UNLOADED.items()})

    def set(self, unit: str, **facts: Any) -> None:
        kept = self.units[unit]
        for name, value in facts.items():
            kept[name] = (kept[name][0], value)
        if "ActiveState" in facts:
            changed = {"ActiveState": GLib.Variant("s", facts["ActiveState"])}
            self.changed(unit_path(unit), changed)

    def changed(self, path: str, changed: dict[str, Any]) -> None:
        values = GLib.Variant("(sa{sv}as)", (f"{SYSTEMD}.Unit", changed, []))
        interface = "org.freedesktop.DBus.Properties"
        self.connection.emit_signal(None, path, interface, "PropertiesChanged", values)

    # --- machined ---

    def do_get_machine(self, call: Any, name: str) -> None:
        if name in self.machines:
            call.return_value(GLib.Variant("(o)", (self.machine_path(name),)))
        else:
            call.return_dbus_error(f"{MACHINED}.NoSuchMachine", f"No machine '{name}' known")

    def do_open_machine_shell(self, call: Any, *_: Any) -> None:
        behaviour = self.chosen()
        if behaviour == "frozen":
            self.unanswered.append(call)
            return
        pty, other = os.openpty()
        os.write(other, b"$ ")
        descriptors = Gio.UnixFDList.new()
        for _number in range({"none": 0, "two": 2}.get(behaviour, 1)):
            descriptors.append(pty)
        os.close(pty)
        answer = GLib.Variant("(hs)", (0, "/dev/pts/0"))
        pause = 700 if behaviour == "late" else 0
        send = call.return_value_with_unix_fd_list
        later(pause, lambda: send(answer, descriptors))

    # --- for tests ---

    def do_next(self, call: Any, behaviour: str) -> None:
        self.next = behaviour
        call.return_value(None)

    def do_echo(self, call: Any, text: str) -> None:
        call.return_value(GLib.Variant("(s)", (text,)))

    def do_never(self, call: Any) -> None:
        self.unanswered.append(call)

    def do_fail(self, call: Any, name: str) -> None:
        call.return_dbus_error(name, "what it says")

    def do_emit(self, call: Any, path: str, text: str) -> None:
        values = GLib.Variant("(s)", (text,))
        self.connection.emit_signal(None, path, "test.Control", "Said", values)
        call.return_value(None)

    def do_descriptors(self, call: Any, count: int, pause: int) -> None:
        descriptors = Gio.UnixFDList.new()
        for _ in range(count):
            descriptors.append(0)
        answer, send = GLib.Variant("(b)", (True,)), call.return_value_with_unix_fd_list
        later(pause, lambda: send(answer, descriptors))

    def do_begin(self, call: Any, unit: str, restarts: int) -> None:
        self.begin(unit, restarts)
        call.return_value(None)

    def do_end(self, call: Any, unit: str, result: str, code: int, status: int) -> None:
        if result == "success":
            self.unload(unit)
        else:
            self.end(unit, result, code, status)
        call.return_value(None)

    def do_calls(self, call: Any) -> None:
        call.return_value(GLib.Variant("(as)", (self.calls,)))


def main(address: str) -> None:
    flags = Gio.DBusConnectionFlags
    connection = Gio.DBusConnection.new_for_address_sync(
        address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None
    )
    loop = GLib.MainLoop()
    connection.connect("closed", lambda *_: loop.quit())
    FarSide(connection)
    for name in (SYSTEMD, MACHINED):
        wanted = GLib.Variant("(su)", (name, 0))
        bus = "org.freedesktop.DBus"
        connection.call_sync(bus, "/", bus, "RequestName", wanted, None, 0, -1, None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    main(sys.argv[1])
