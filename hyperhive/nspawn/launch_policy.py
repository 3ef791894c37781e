"""The host's policy for what runs as root: `/etc/hyperhive/policy.json`, written by root alone.

    {
      "stateDir": "/var/lib/hyperhive",       where agents' directories, trash and bundles are
      "runDir": "/run/hyperhive",             where sockets and `launch/` are
      "serviceUser": "hyperhive",             the only owner a socket's directory may have
      "bundleRoots": ["/nix/store"],          where a bundle and its system must lie
      "bindReadOnly": ["/nix/store"],         what every container sees, read-only, where it is
      "skeleton": null,                       a directory of root's, copied into each fresh root
      "root": {"sizeMax": 67108864, "inodesMax": 20000},     of that root: bytes, inodes
      "ceilings": {"memoryMax": 4294967296},  protocol.limits.Ceilings of every agent
      "agents": {
        "alice": {
          "ceilings": {"memoryMax": 8589934592},   in place of the general ones, each by itself
          "binds": [{"source": "/srv/data", "target": "/data", "writable": false}],
          "capabilities": ["CAP_NET_RAW"],
          "devices": ["/dev/kvm"]
        }
      }
    }

`skeleton`, `ceilings` and `agents` may be left out, and in an agent's entry everything.
"""

from __future__ import annotations

import dataclasses
import os
import pwd
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated

from hyperhive.nspawn.launch_paths import open_trusted, opened, read_regular
from hyperhive.nspawn.launch_refusal import Exit, Refused
from hyperhive.protocol import wire
from hyperhive.protocol.bundle import Limits
from hyperhive.protocol.errors import HiveError
from hyperhive.protocol.limits import Ceilings
from hyperhive.protocol.model import AgentName
from hyperhive.protocol.schema import Check, Items, Range, Text, parse

POLICY_FILE = "/etc/hyperhive/policy.json"
SOCKET, STATE, HOME, WORKSPACE = "/run/hive", "/state", "/home/agent", "/workspace"
"""Where the container has what belongs to this agent."""

_MAX_FILE = 512 * 1024
PATH_PATTERN = r"(/(?!\.\.?(/|\Z))[A-Za-z0-9._+=@-]+)+"
"""Absolute, without `.`, `..`, and without the colon that separates nspawn's bind options."""
_OURS = tuple(map(PurePosixPath, (SOCKET, STATE, HOME, WORKSPACE, "/dev", "/proc", "/sys")))


def _target_problem(target: str) -> str | None:
    path = PurePosixPath(target)
    for ours in _OURS:
        if path in (ours, *ours.parents) or ours in path.parents:
            return f"would cover {ours}"
    return None


AbsolutePath = Annotated[
    str, Text(max=1_000, pattern=PATH_PATTERN, problem="must be an absolute path, without `..`")
]
Capability = Annotated[str, Text(max=40, pattern=r"CAP_[A-Z_]+")]
Device = Annotated[str, Text(max=200, pattern=r"/dev(/(?!\.\.?(/|\Z))[A-Za-z0-9._-]+)+")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A path of the host in the container; with `writable` its files keep the host's owners."""

    source: AbsolutePath
    target: Annotated[AbsolutePath, Check(_target_problem)]
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSize:
    """Of the container's root, which is in memory."""

    size_max: Annotated[int, Range(2**20, 2**40)] = 64 * 2**20
    inodes_max: Annotated[int, Range(100, 2**32)] = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPolicy:
    """What the host gives one agent beyond the usual."""

    ceilings: Limits = field(default_factory=Limits)
    binds: Annotated[tuple[Bind, ...], Items(max=100)] = ()
    capabilities: Annotated[tuple[Capability, ...], Items(max=50)] = ()
    devices: Annotated[tuple[Device, ...], Items(max=50)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    state_dir: AbsolutePath
    run_dir: AbsolutePath
    service_user: Annotated[str, Text(max=32, pattern=r"[a-z_][a-z0-9_-]*")]
    bundle_roots: Annotated[tuple[AbsolutePath, ...], Items(min=1, max=20)]
    bind_read_only: Annotated[tuple[AbsolutePath, ...], Items(min=1, max=50)]
    skeleton: AbsolutePath | None = None
    root: RootSize = RootSize()
    ceilings: Ceilings = field(default_factory=Ceilings)
    agents: Annotated[dict[AgentName, AgentPolicy], Items(max=10_000)] = field(default_factory=dict)

    def of(self, name: str) -> AgentPolicy:
        """This agent's part, its ceilings completed with the general ones."""
        own = self.agents.get(name, AgentPolicy())
        set_here = {k: v for k, v in dataclasses.asdict(own.ceilings).items() if v is not None}
        return dataclasses.replace(own, ceilings=dataclasses.replace(self.ceilings, **set_here))

    def service_uid(self) -> int:
        """Raises Refused."""
        try:
            uid = pwd.getpwnam(self.service_user).pw_uid
        except KeyError:
            raise Refused(Exit.POLICY, f"there is no user {self.service_user!r}") from None
        if uid == 0:
            raise Refused(Exit.POLICY, f"serviceUser: {self.service_user!r} is root")
        return uid


def read_policy(path: str = POLICY_FILE) -> Policy:
    """Raises Refused when the file is not root's alone, or not as described above."""
    with opened(open_trusted(os.path.dirname(path), Exit.POLICY)) as directory:
        data = read_regular(directory, os.path.basename(path), path, _MAX_FILE, Exit.POLICY)
    try:
        return parse(Policy, wire.loads_object(data), camel_case=True)
    except HiveError as error:
        raise Refused(Exit.POLICY, f"{path}: {error}") from None
