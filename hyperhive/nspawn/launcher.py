"""`python -I -m hyperhive.nspawn.launcher NAME`: becomes the container of one agent. Runs as root.

With the `launch_` modules beside it this is a small package that needs the standard library and
`hyperhive.protocol` alone. The unit `hyperhive-agent@NAME.service` runs it. All it reads, apart
from the host's policy, may be chosen by a guest or by a service that was taken over: a refusal is
one line in the journal and one exit status of `launch_refusal.Exit`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Sequence

from hyperhive.nspawn import launch_limits, launch_mounts, launch_policy, launch_quota, launch_root
from hyperhive.nspawn.launch_bundle import read_bundle
from hyperhive.nspawn.launch_command import command, environment, find
from hyperhive.nspawn.launch_paths import opened
from hyperhive.nspawn.launch_places import agents_locked, settle
from hyperhive.nspawn.launch_policy import Policy
from hyperhive.nspawn.launch_refusal import Exit, Refused, run_and_exit
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.limits import effective
from hyperhive.protocol.model import check_name

_INVOCATION = re.compile(r"[0-9a-f]{32}")


class Launcher:
    """One start of one agent. `policy_file` is another one in tests alone."""

    def __init__(self, policy_file: str = launch_policy.POLICY_FILE) -> None:
        self._policy_file = policy_file

    def main(self, arguments: Sequence[str]) -> int:
        """Does not return when the container starts; otherwise the exit status."""
        return run_and_exit("launcher", lambda: self._launch(arguments))

    def _launch(self, arguments: Sequence[str]) -> None:
        name, invocation = agent_name(arguments), _invocation()
        nspawn = find("systemd-nspawn")
        os.umask(0o022)
        policy = launch_policy.read_policy(self._policy_file)
        launch_mounts.own_namespace()
        argv = [nspawn, *_prepare(policy, name, invocation)]
        # Also what somebody else left open: nothing of the host may reach the container.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.execve(nspawn, argv, environment(os.environ))  # noqa: S606 - a shell would only harm


def agent_name(arguments: Sequence[str]) -> str:
    """The one argument of a program that only root may run. Raises Refused."""
    if len(arguments) != 1:
        raise Refused(Exit.USAGE, "one argument is expected, the name of an agent")
    try:
        name = check_name(arguments[0])
    except InvalidField as error:
        raise Refused(Exit.USAGE, str(error)) from None
    if os.geteuid() != 0:
        raise Refused(Exit.USAGE, "only root can do this; start the unit instead")
    return name


def _invocation() -> str:
    invocation = os.environ.get("INVOCATION_ID", "")
    if not _INVOCATION.fullmatch(invocation):
        raise Refused(Exit.USAGE, "INVOCATION_ID is not set; start the unit instead")
    return invocation


def _prepare(policy: Policy, name: str, invocation: str) -> list[str]:
    """Everything that is there before the container; returns the arguments that start it."""
    agent = policy.of(name)
    bundle = read_bundle(policy, name)
    limits = effective(bundle.settings.limits, agent.ceilings)
    unit = f"hyperhive-agent@{name}.service"
    limited = launch_limits.apply(unit, launch_limits.properties(limits, agent.devices))
    place = settle(policy, name)
    disk_quota = launch_quota.limit(place, limits)
    stage = launch_root.build(policy, name, place)
    limited()
    _record(
        policy,
        name,
        invocation_id=invocation,
        uid_base=place.base,
        bundle=bundle.path,
        disk_quota=disk_quota,
    )
    return command(policy, agent, name, invocation, place.base, stage, bundle.init)


def _record(policy: Policy, name: str, **facts: object) -> None:
    """What the service reads: whole, or as it was before. No purge may be half way meanwhile."""
    fresh = f".{name}.json"
    with agents_locked(policy), opened(launch_root.open_launch(policy)) as launch:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=launch)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=launch)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            os.fchmod(fd, 0o644)
            json.dump(facts, file)
        os.rename(fresh, f"{name}.json", src_dir_fd=launch, dst_dir_fd=launch)


if __name__ == "__main__":
    sys.exit(Launcher().main(sys.argv[1:]))
