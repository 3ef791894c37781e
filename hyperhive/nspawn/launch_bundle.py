"""What the service wants an agent to be started from; every byte of it may be hostile."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import PurePosixPath

from hyperhive.nspawn.launch_paths import (
    check_safe,
    open_below,
    open_trusted,
    opened,
    read_regular,
)
from hyperhive.nspawn.launch_policy import PATH_PATTERN, Policy
from hyperhive.nspawn.launch_refusal import Exit, Refused
from hyperhive.protocol import wire
from hyperhive.protocol.bundle import MAX_AGENT_JSON, AgentSettings, parse_settings
from hyperhive.protocol.errors import HiveError

_PATH = re.compile(PATH_PATTERN)
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Bundle:
    """Checked; `init` is the path of PID 1's program, outside as in the container."""

    path: str
    settings: AgentSettings
    init: str


def read_bundle(policy: Policy, name: str) -> Bundle:
    """The bundle that the service has set for this agent. Raises Refused."""
    path = _wanted(policy, name)
    with opened(_open_in_roots(policy, path, "the bundle")) as directory:
        shown = f"{path}/agent.json"
        data = read_regular(directory, "agent.json", shown, MAX_AGENT_JSON, Exit.SETTINGS)
        init = _find_init(policy, directory, path)
    return Bundle(path, _parse(data, shown), init)


def _wanted(policy: Policy, name: str) -> str:
    """What the service's link says, unchecked."""
    shown = f"{policy.state_dir}/service/bundles"
    with opened(open_trusted(policy.state_dir, Exit.DIRECTORIES)) as state:
        bundles = open_below(
            state,
            ("service", "bundles"),
            policy.service_uid(),
            policy.state_dir,
            Exit.BUNDLE_UNSAFE,
            missing=Exit.BUNDLE_MISSING,
        )
    with opened(bundles):
        try:
            return os.readlink(name, dir_fd=bundles)
        except FileNotFoundError:
            raise Refused(Exit.BUNDLE_MISSING, f"{shown}/{name} does not exist") from None
        except OSError as error:
            message = f"{shown}/{name} is no link: {error.strerror}"
            raise Refused(Exit.BUNDLE_UNSAFE, message) from None


def _open_in_roots(policy: Policy, path: str, what: str) -> int:
    """The directory `path`, which must lie below one of the roots and be root's all the way."""
    if not _PATH.fullmatch(path):
        raise Refused(Exit.BUNDLE_OUTSIDE, f"{what} {path[:_SHOWN]!r} is no plain absolute path")
    for root in policy.bundle_roots:
        if PurePosixPath(root) in PurePosixPath(path).parents:
            below = path[len(root) :].split("/")
            with opened(open_trusted(root, Exit.BUNDLE_UNSAFE)) as top:
                return open_below(
                    top, below, 0, root, Exit.BUNDLE_UNSAFE, missing=Exit.BUNDLE_MISSING
                )
    roots = ", ".join(policy.bundle_roots)
    raise Refused(Exit.BUNDLE_OUTSIDE, f"{what} {path[:_SHOWN]!r} is not below {roots}")


def _parse(data: bytes, shown: str) -> AgentSettings:
    try:
        return parse_settings(wire.loads_object(data, limit=MAX_AGENT_JSON))
    except HiveError as error:
        raise Refused(Exit.SETTINGS, f"{shown}: {error}") from None


def _find_init(policy: Policy, bundle: int, path: str) -> str:
    """The path of `system/init` where the container has it too.

    `system` is a directory, or one link to a directory below the same roots; `init` in it is a
    file, or a link to one. Links beyond that are followed in the container alone.
    """
    system = _read_link(bundle, "system", f"{path}/system")
    if system is None:
        shown = f"{path}/system"
        directory = open_below(bundle, ["system"], 0, path, Exit.SYSTEM)
    else:
        shown = system
        directory = _open_in_roots(policy, system, "the bundle's system")
    with opened(directory):
        init = _read_link(directory, "init", f"{shown}/init")
        if init is None:
            _check_program(directory, f"{shown}/init")
    return _visible(policy, f"{shown}/init" if init is None else init)


def _read_link(directory: int, name: str, shown: str) -> str | None:
    """Where a link of root's points to, or None if it is none."""
    try:
        found = os.lstat(name, dir_fd=directory)
        if not stat.S_ISLNK(found.st_mode):
            return None
        target = os.readlink(name, dir_fd=directory)
    except OSError as error:
        raise Refused(Exit.SYSTEM, f"{shown}: {error.strerror}") from None
    if found.st_uid != 0:
        raise Refused(Exit.SYSTEM, f"{shown} is owned by uid {found.st_uid} instead of 0")
    return target


def _check_program(directory: int, shown: str) -> None:
    found = os.lstat("init", dir_fd=directory)
    if not (stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IXUSR):
        raise Refused(Exit.SYSTEM, f"{shown} is no program")
    check_safe(found, 0, shown, Exit.SYSTEM)


def _visible(policy: Policy, init: str) -> str:
    """The same path, if it is one and the container sees it."""
    if not _PATH.fullmatch(init):
        raise Refused(Exit.SYSTEM, f"init {init[:_SHOWN]!r} is no plain absolute path")
    if not any(PurePosixPath(p) in PurePosixPath(init).parents for p in policy.bind_read_only):
        shown = ", ".join(policy.bind_read_only)
        raise Refused(Exit.SYSTEM, f"init {init!r} is not below what containers see: {shown}")
    return init
