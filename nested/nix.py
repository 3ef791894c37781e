"""Nix in a nested host: the machine's own programs, with a store and a daemon of the host's own."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

DAEMON = Path("/usr/bin/nix-daemon")
STORE = Path("/nix/store")
FLAKE = Path("/opt/hyperhive/flake")
CONFIG = """\
# Builders see the nested host: no namespaces within its own.
sandbox = false
substituters =
trusted-users = root
allowed-users = *
build-users-group = nixbld
max-jobs = 2
"""
DROP_IN = """\
[Service]
# What runs here is below a directory that it would not see.
ProtectHome=no
PrivateTmp=no
TemporaryFileSystem=
TemporaryFileSystem=/run/hyperhive:mode=1777,size=256M
TemporaryFileSystem=/var/lib/hyperhive:ro /etc:ro
"""
HIDDEN = ("/home", "/media", "/mnt", "/root", "/run", "/srv", "/tmp", "/var")
"""From the units."""
UNITS = ("hyperhive-eval@.service", "hyperhive-build@.service")
SYSUSERS = "m hyperhive-build nix-users\n"
"""On Debian the daemon's socket is this group's."""


def prepare(clone: Path, *needed: str) -> None:
    """Before users and directories are made; the units' programs need the clone and `needed`."""
    shutil.chown(STORE.parent, "root", "root")
    STORE.mkdir(exist_ok=True)
    shutil.chown(STORE, "root", "nixbld")
    STORE.chmod(0o1775)
    _write(Path("/etc/nix/nix.conf"), CONFIG)
    _write(Path("/etc/sysusers.d/hyperhive-nix.conf"), SYSUSERS)
    tmpfiles = clone / "packaging/tmpfiles/hyperhive-nix.conf"
    _write(Path("/etc/tmpfiles.d/hyperhive-nix.conf"), tmpfiles.read_text())
    paths = [clone, *map(Path, needed)]
    hidden = any(path.is_relative_to(place) for path in paths for place in HIDDEN)
    for unit in UNITS if hidden else ():
        _write(Path(f"/etc/systemd/system/{unit}.d/clone.conf"), DROP_IN)
    shutil.rmtree(FLAKE, ignore_errors=True)
    shutil.copytree(clone / "nested/flake", FLAKE)
    _write(FLAKE / "machine.json", json.dumps({"system": f"{platform.machine()}-linux"}) + "\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
