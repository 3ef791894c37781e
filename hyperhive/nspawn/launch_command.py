"""The command line of systemd-nspawn, and the environment it starts in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from hyperhive.nspawn import launch_policy, launch_ranges, launch_root
from hyperhive.nspawn.launch_policy import AgentPolicy, Policy
from hyperhive.nspawn.launch_refusal import Exit, Refused

DROPPED = (
    "CAP_AUDIT_CONTROL",
    "CAP_DAC_READ_SEARCH",
    "CAP_IPC_OWNER",
    "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE",
    "CAP_MKNOD",
    "CAP_NET_ADMIN",  # nspawn brings loopback up itself; much of the kernel is behind this one
    "CAP_NET_BROADCAST",
    "CAP_NET_RAW",
    "CAP_SYS_TTY_CONFIG",
)
"""Of those that nspawn leaves to PID 1: what an agent's system can do without."""
_PASSED = ("PATH", "NOTIFY_SOCKET", "INVOCATION_ID", "LANG")
"""What nspawn gets to see: others would reach the container (LISTEN_FDS) or loosen it."""


def find(program: str) -> str:
    """Its path, from the unit's PATH. Raises Refused."""
    path = shutil.which(program)
    if path is None or not os.path.isabs(path):
        raise Refused(Exit.PROGRAM, f"{program} is not on PATH={os.environ.get('PATH', '')}")
    return path


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """A unified tree, since nspawn looks for a systemd in a root that is still empty."""
    passed = {name: given[name] for name in _PASSED if name in given}
    return {**passed, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}


def command(
    policy: Policy, agent: AgentPolicy, name: str, invocation: str, base: int, stage: str, init: str
) -> list[str]:
    """The arguments after the program; no option that systemd 252 does not know.

    The console is a terminal of nspawn's own: PID 1 must hold no descriptor of the host.
    """
    dropped = [capability for capability in DROPPED if capability not in agent.capabilities]
    return [
        "--quiet",
        "--settings=no",
        "--keep-unit",
        "--register=yes",
        f"--machine=h-{name}",
        f"--uuid={invocation}",
        f"--directory={stage}/{launch_root.ROOT}",
        f"--private-users={base}:{launch_ranges.SIZE}",
        "--private-users-ownership=chown",
        "--private-network",
        "--no-new-privileges=yes",
        f"--drop-capability={','.join(dropped)}",
        *(f"--capability={capability}" for capability in agent.capabilities),
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--console=read-only",
        "--notify-ready=yes",
        "--kill-signal=SIGRTMIN+3",
        *(f"--bind-ro={path}" for path in policy.bind_read_only),
        f"--bind-ro={stage}/{launch_root.SOCKET}:{launch_policy.SOCKET}",
        f"--bind={stage}/state:{launch_policy.STATE}",
        f"--bind={stage}/home:{launch_policy.HOME}",
        f"--bind={stage}/workspace:{launch_policy.WORKSPACE}",
        *(_bind(bind) for bind in agent.binds),
        *(f"--bind={device}" for device in agent.devices),
        "--",
        init,
    ]


def _bind(bind: launch_policy.Bind) -> str:
    return f"--bind{'' if bind.writable else '-ro'}={bind.source}:{bind.target}"
