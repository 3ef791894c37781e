"""Installs hyperhive as module.nix would on NixOS: into the nested host, or into a Debian; as root.

Usage: python -m nested.install CLONE PYTHON SHOWN... - PYTHON finds the package; each SHOWN is a
directory that containers need besides /usr. Configuration and credential are written by others.
With a PYTHON in /opt/hyperhive it is there to stay: a policy that is there is kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from nested import nix
from nested.agent_root import SHOWN, make_bundle, make_skeleton

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
HOME = Path("/opt/hyperhive")
SKELETON = HOME / "skeleton"
BUNDLES = HOME / "bundles"
POLICY_FILE = Path("/etc/hyperhive/policy.json")
GIB = 2**30
POLICY = {
    "stateDir": "/var/lib/hyperhive",
    "runDir": "/run/hyperhive",
    "serviceUser": "hyperhive",
    "skeleton": str(SKELETON),
    "root": {"sizeMax": 256 * 2**20, "inodesMax": 65_536},
    "ceilings": {
        "memoryMax": 4 * GIB,
        "cpuQuota": 200,
        "tasksMax": 1_024,
        "ioWeight": 100,
        "diskMax": 20 * GIB,
        "inodesMax": 2_000_000,
    },
    "agents": {},
}


def main(clone: Path, python: str, *shown: str) -> None:
    stays = Path(python).is_relative_to(HOME)
    packaging = clone / "packaging"
    for name, text in units(packaging, python).items():
        write(Path("/etc/systemd/system", name), text)
    # A clone may be anywhere.
    for unit in () if stays else ("hyperhive.service", "hyperhive-purge@.service"):
        write(
            Path(f"/etc/systemd/system/{unit}.d/clone.conf"),
            "[Service]\nProtectHome=no\nPrivateTmp=no\n",
        )
    copy(packaging / "polkit/50-hyperhive.rules", "/etc/polkit-1/rules.d/50-hyperhive.rules")
    copy(packaging / "tmpfiles/hyperhive.conf", "/etc/tmpfiles.d/hyperhive.conf")
    copy(packaging / "sysusers/hyperhive.conf", "/etc/sysusers.d/hyperhive.conf")
    copy(packaging / "journald/hyperhive.conf", "/etc/systemd/journald@hyperhive.conf")
    has_nix = nix.DAEMON.exists() and not stays  # its settings are for a host to throw away
    if has_nix:
        nix.prepare(clone, python, *shown)
    store = [str(nix.STORE)] if has_nix else []
    needed = [path for path in (*SHOWN, *store, *shown) if Path(path).is_dir()]
    make_skeleton(SKELETON, python, needed)
    make_bundle(BUNDLES / "default")
    policy = {**POLICY, "bindReadOnly": needed, "bundleRoots": [str(BUNDLES), *store]}
    if not (stays and POLICY_FILE.exists()):
        write(POLICY_FILE, json.dumps(policy, indent=2) + "\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "try-restart", "systemd-machined")
    also = ["hyperhive-nix.conf"] if has_nix else []
    run("systemd-sysusers", "hyperhive.conf", *also)
    run("systemd-tmpfiles", "--create", "hyperhive.conf", *also)
    if has_nix:
        run("systemd-tmpfiles", "--create", "nix-daemon.conf")
        run("systemctl", "start", "nix-daemon.socket")


def units(packaging: Path, python: str) -> dict[str, str]:
    """Name below `/etc/systemd/system` -> content."""
    directory = packaging / "systemd"
    return {
        str(file.relative_to(directory)): file.read_text()
        .replace("@python@", python)
        .replace("@path@", PATH)
        for file in directory.rglob("*")
        if file.is_file()
    }


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def copy(source: Path, target: str) -> None:
    write(Path(target), source.read_text())


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
