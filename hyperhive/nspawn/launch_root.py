"""The container's root: fresh at each start, in memory, in a mount namespace of its own.

`launch/<name>/` holds a small tmpfs of which only this namespace knows; in it are the root and the
directories that the container gets, each checked, and bound by its descriptor. So nobody can put
anything else at the paths that systemd-nspawn is given, and all is gone with the last process.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from hyperhive.nspawn import launch_mounts as mounts
from hyperhive.nspawn.launch_paths import DIRECTORY, open_below, open_trusted, opened
from hyperhive.nspawn.launch_places import PARTS, Place
from hyperhive.nspawn.launch_policy import Policy
from hyperhive.nspawn.launch_refusal import Exit, Refused

ROOT, SOCKET = "root", "hive"
_DIRECTORIES = ("etc", "usr", "var", "home", "home/agent", "state", "workspace")
_MODE = 0o755


def open_launch(policy: Policy) -> int:
    """The directory that says what was launched; a descriptor."""
    with opened(open_trusted(policy.run_dir, Exit.DIRECTORIES)) as run:
        return open_below(run, ["launch"], 0, policy.run_dir, Exit.DIRECTORIES)


def build(policy: Policy, name: str, place: Place) -> str:
    """Returns the path of a directory with `ROOT`, `SOCKET` and `PARTS` in it. Raises Refused."""
    stage = _stage(policy, name)
    try:
        _show_socket(policy, name, f"{stage}/{SOCKET}")
        for part in PARTS:
            _show_part(place, part, f"{stage}/{part}")
        _fill_root(policy, f"{stage}/{ROOT}")
    except OSError as error:
        raise Refused(Exit.ROOT, f"the root cannot be built in {stage}: {error}") from None
    return stage


def _stage(policy: Policy, name: str) -> str:
    with opened(open_launch(policy)) as launch:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=launch)
        shown = f"{policy.run_dir}/launch"
        os.close(open_below(launch, [name], 0, shown, Exit.DIRECTORIES))
    stage = f"{shown}/{name}"
    mounts.tmpfs(stage, mounts.NOSUID | mounts.NODEV, "mode=0700,size=64k,nr_inodes=16")
    for directory in (ROOT, SOCKET, *PARTS):
        os.mkdir(f"{stage}/{directory}", _MODE)
    return stage


def _show_socket(policy: Policy, name: str, target: str) -> None:
    """The service's directory, in which it makes the agent's socket."""
    uid, shown = policy.service_uid(), policy.run_dir
    with opened(open_trusted(policy.run_dir, Exit.SOCKET)) as run:
        source = open_below(run, ("service", "agents", name), uid, shown, Exit.SOCKET)
    flags = mounts.READ_ONLY | mounts.NOSUID | mounts.NODEV | mounts.NOEXEC
    with opened(source):
        mounts.bind(source, target, flags)


def _show_part(place: Place, part: str, target: str) -> None:
    """A guest's own directory; all above it are root's alone, so its path is safe."""
    with opened(os.open(f"{place.path}/{part}", DIRECTORY)) as source:
        mounts.bind(source, target, mounts.NOSUID | mounts.NODEV)


def _fill_root(policy: Policy, root: str) -> None:
    """systemd-nspawn shifts the owners of what is in it, and makes further mount points itself."""
    size, inodes = policy.root.size_max, policy.root.inodes_max
    options = f"mode={_MODE:04o},size={size},nr_inodes={inodes}"
    mounts.tmpfs(root, mounts.NOSUID | mounts.NODEV, options)
    if policy.skeleton:
        os.close(open_trusted(policy.skeleton, Exit.ROOT))
        _copy(policy.skeleton, root)
    for directory in _DIRECTORIES:
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{root}/{directory}", _MODE)
    # systemd-nspawn wants the first; without the second systemd takes it for a first boot.
    for name in ("etc/os-release", "etc/machine-id"):
        if not os.path.lexists(f"{root}/{name}"):
            with open(f"{root}/{name}", "x", encoding="utf-8"):
                pass


def _copy(skeleton: str, root: str) -> None:
    """What it copies is root's: a fresh copy belongs to who makes it."""
    try:
        shutil.copytree(skeleton, root, symlinks=True, dirs_exist_ok=True)
    except (shutil.Error, shutil.SpecialFileError) as error:
        raise Refused(Exit.ROOT, f"{skeleton} cannot be copied: {error}") from None
