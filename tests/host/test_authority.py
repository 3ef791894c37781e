"""What the service's user may ask of systemd and machined, each call really made."""

import subprocess
from collections.abc import Iterator

import pytest

from nested.host import NestedHost
from tests.support.wait import wait_until

SYSTEMD = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1")
MACHINED = ("org.freedesktop.machine1", "/org/freedesktop/machine1", "org.freedesktop.machine1")
AGENT = "hyperhive-agent@alice.service"
PURGE = "hyperhive-purge@alice.service"
EVAL = "hyperhive-eval@123456789012.service"
BUILD = "hyperhive-build@1.service"
OURS = (AGENT, PURGE, EVAL, BUILD)
MARKER = "/run/hyperhive-authority-marker"
TRANSIENT = "a(sv)a(sa(sv))"
EVIL = ("1", "ExecStart", "a(sasb)", "1", "/bin/touch", "2", "/bin/touch", MARKER, "false", "0")
REFUSED = ("Access denied", "authentication required", "AccessDenied", "not authorized")


def manager(method: str, *arguments: str) -> list[str]:
    service, path, interface = SYSTEMD
    return ["busctl", "call", service, path, f"{interface}.Manager", method, *arguments]


def machines(method: str, *arguments: str) -> list[str]:
    service, path, interface = MACHINED
    return ["busctl", "call", service, path, f"{interface}.Manager", method, *arguments]


def unit(name: str, method: str, *arguments: str) -> list[str]:
    """A method of the unit's own object, which does not pass through the manager's."""
    escaped = "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in name)
    path = f"/org/freedesktop/systemd1/unit/{escaped}"
    return ["busctl", "call", SYSTEMD[0], path, "org.freedesktop.systemd1.Unit", method, *arguments]


def refused(host: NestedHost, user: str, argv: list[str]) -> subprocess.CompletedProcess[str]:
    answer = host.run(argv, user=user, check=False)
    assert answer.returncode != 0, f"{argv} was done: {answer.stdout}"
    assert any(text in answer.stderr for text in REFUSED), answer.stderr
    return answer


FOREIGN_UNITS = [
    "dbus.service",
    "hyperhive.service",
    "hyperhive-agent@Alice.service",
    "hyperhive-agent@a-.service",
    "hyperhive-agent@aaaaaaaaaaaaaaaaaaaaa.service",
    "hyperhive-agent@alice\\x2d.service",
    "hyperhive-agent@alice.socket",
    "hyperhive-eval@1234567890123.service",
    "hyperhive-eval@a.service",
    "hyperhive-eval@1\\x2d.service",
    "hyperhive-build@-1.service",
    "hyperhive-build@1.socket",
    "hyperhive-building@1.service",
    "xhyperhive-agent@alice.service",
    "multi-user.target",
    "rescue.target",
    "poweroff.target",
]

FORBIDDEN = {
    **{f"start {name}": manager("StartUnit", "ss", name, "replace") for name in FOREIGN_UNITS},
    **{f"stop {name}": manager("StopUnit", "ss", name, "replace") for name in FOREIGN_UNITS[:2]},
    "reload": manager("ReloadUnit", "ss", AGENT, "replace"),
    "try-restart": manager("TryRestartUnit", "ss", AGENT, "replace"),
    "reload-or-restart": manager("ReloadOrRestartUnit", "ss", AGENT, "replace"),
    "isolate": manager("StartUnit", "ss", "rescue.target", "isolate"),
    "enqueue": manager("EnqueueUnitJob", "sss", "dbus.service", "restart", "replace"),
    "kill": manager("KillUnit", "ssi", AGENT, "all", "9"),
    "kill another": manager("KillUnit", "ssi", "dbus.service", "all", "9"),
    "set-property": manager(
        "SetUnitProperties", "sba(sv)", AGENT, "true", "1", "TasksMax", "t", "9"
    ),
    "freeze": manager("FreezeUnit", "s", AGENT),
    "clean": manager("CleanUnit", "sas", AGENT, "1", "all"),
    "reset-failed": manager("ResetFailedUnit", "s", AGENT),
    "bind mount": manager("BindMountUnit", "sssbb", AGENT, "/etc", "/mnt", "false", "true"),
    "attach processes": manager(
        "AttachProcessesToUnit", "ssau", "stand-in-other.service", "", "1", "0"
    ),
    "daemon-reload": manager("Reload"),
    "daemon-reexec": manager("Reexecute"),
    "environment": manager("SetEnvironment", "as", "1", "LD_PRELOAD=/tmp/x"),
    "enable": manager("EnableUnitFiles", "asbb", "1", "hyperhive.service", "true", "true"),
    "link": manager("LinkUnitFiles", "asbb", "1", "/tmp/evil.service", "true", "true"),
    "mask": manager("MaskUnitFiles", "asbb", "1", AGENT, "true", "true"),
    "preset": manager("PresetUnitFiles", "asbb", "1", "hyperhive.service", "true", "true"),
    "default target": manager("SetDefaultTarget", "sb", "rescue.target", "true"),
    "log level": [
        *("busctl", "set-property", *SYSTEMD[:2]),
        *(f"{SYSTEMD[2]}.Manager", "LogLevel", "s", "debug"),
    ],
    "stop by object": unit("dbus.service", "Stop", "s", "replace"),
    "kill by object": unit("dbus.service", "Kill", "si", "all", "9"),
    "properties by object": unit("dbus.service", "SetProperties", "ba(sv)", "true", "0"),
    **{
        f"transient {name}": manager("StartTransientUnit", f"ss{TRANSIENT}", name, "replace", *EVIL)
        for name in ("evil.service", "hyperhive-agent@Evil.service", "hyperhive-eval@x.service")
    },
    "shell on the host": machines("OpenMachineShell", "sssasas", ".host", "root", "", "0", "0"),
    "shell in a foreign machine": machines(
        "OpenMachineShell", "sssasas", "other", "root", "/bin/sh", "0", "0"
    ),
    "login": machines("OpenMachineLogin", "s", "h-alice"),
    "pseudo-terminal": machines("OpenMachinePTY", "s", "h-alice"),
    "copy in": machines("CopyToMachine", "sss", "h-alice", "/etc/shadow", "/tmp/x"),
    "copy out": machines("CopyFromMachine", "sss", "h-alice", "/etc/shadow", "/tmp/x"),
    "bind": machines("BindMountMachine", "sssbb", "h-alice", "/etc", "/mnt", "false", "true"),
    "kill machine": machines("KillMachine", "ssi", "h-alice", "all", "9"),
    "terminate": machines("TerminateMachine", "s", "h-alice"),
    "root directory": machines("OpenMachineRootDirectory", "s", "h-alice"),
    "clone image": machines("CloneImage", "ssb", "a", "b", "false"),
    "remove image": machines("RemoveImage", "s", "a"),
    "pool limit": machines("SetPoolLimit", "t", "1"),
}

ALLOWED = {
    f"{verb} {name}": manager(f"{verb}Unit", "ss", name, "replace")
    for verb in ("Start", "Stop", "Restart")
    for name in OURS
}


@pytest.fixture(
    scope="module",
    params=["nested", pytest.param("newer", marks=pytest.mark.host13)],
)
def host(request: pytest.FixtureRequest) -> NestedHost:
    """Each of the versions of systemd that there may be."""
    found: NestedHost = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def machine(host: NestedHost) -> Iterator[str]:
    """Machines, an image and a loaded unit, so that requests fail for want of authority alone."""
    for name in ("h-alice", "other"):
        directory = f"/var/lib/machines/{name}"
        host.run(["cp", "-a", "/opt/hyperhive/skeleton", directory])
        harness = host.path(f"{directory}/etc/systemd/system/hyperhive-harness.service")
        harness.write_text("[Service]\nExecStart=/usr/bin/sleep 1000\n")
        argv = ["systemd-run", f"--unit=stand-in-{name}", "--property=Delegate=yes"]
        argv += [f"--property=After={AGENT}"]  # what another unit names stays loaded
        options = ["--quiet", f"--machine={name}", f"--directory={directory}", "--bind-ro=/usr"]
        init = ["--keep-unit", "--boot"]
        host.run([*argv, "--", "systemd-nspawn", *options, *init])
        ready = ["systemctl", f"--machine={name}", "is-active", "agent.target"]
        wait_until(lambda argv=ready: host.run(argv, check=False).returncode == 0, 20.0, name)  # type: ignore[misc]  # bound now
    host.run(["mkdir", "/var/lib/machines/a"])
    host.run(["systemctl", "start", AGENT], check=False)  # it has no bundle, and has failed
    yield "h-alice"
    host.run(["systemctl", "stop", "stand-in-*"])
    host.run(["systemctl", "reset-failed"])


@pytest.mark.parametrize("name", FORBIDDEN)
def test_all_else_is_refused(host: NestedHost, machine: str, name: str) -> None:
    refused(host, "hyperhive", FORBIDDEN[name])


@pytest.mark.parametrize("name", ALLOWED)
def test_what_it_needs_is_allowed(host: NestedHost, name: str) -> None:
    answer = host.run(ALLOWED[name], user="hyperhive", check=False)
    assert not any(text in answer.stderr for text in REFUSED), answer.stderr


@pytest.mark.parametrize("name", OURS)
def test_a_transient_unit_cannot_take_the_name_of_ours(host: NestedHost, name: str) -> None:
    argv = manager("StartTransientUnit", f"ss{TRANSIENT}", name, "replace", *EVIL)
    answer = host.run(argv, user="hyperhive", check=False)
    assert answer.returncode != 0
    # Newer versions ask for the right to start that very unit, and then find that it exists.
    assert any(t in answer.stderr for t in (*REFUSED, "already loaded or has a fragment file"))
    assert not host.path(MARKER).exists()


@pytest.mark.parametrize("user", ["root", "agent"])
def test_shells_of_other_users_and_machines(host: NestedHost, machine: str, user: str) -> None:
    for wrong in ("nobody", "root ", "hyperhive"):
        argv = machines("OpenMachineShell", "sssasas", machine, wrong, "/bin/sh", "0", "0")
        refused(host, "hyperhive", argv)
    argv = machines("OpenMachineShell", "sssasas", machine, user, "/bin/sh", "0", "0")
    answer = host.run(argv, user="hyperhive", check=False)
    assert not any(text in answer.stderr for text in REFUSED), answer.stderr


@pytest.mark.parametrize("name", [*FORBIDDEN, *ALLOWED])
def test_nobody_may_do_nothing(host: NestedHost, machine: str, name: str) -> None:
    refused(host, "nobody", {**FORBIDDEN, **ALLOWED}[name])


def test_nothing_was_done(host: NestedHost) -> None:
    assert not host.path(MARKER).exists()
    assert host.run(["systemctl", "is-system-running"], check=False).stdout in (
        "running\n",
        "degraded\n",  # the agent that was started has no bundle
    )
