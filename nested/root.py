"""Makes the root of a nested host and becomes its PID 1; run in fresh namespaces, as root.

Usage: root.py BASE LOWER PATH... - BASE is an empty directory, LOWER what the root is an overlay
of, each PATH is shown inside as it is here, and can be written to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

# Nothing that is enabled on this machine starts inside: only what is named here, and what that
# needs. Units that would reach out to the machine's own kernel and devices do not start at all.
TARGET = """\
[Unit]
Description=Nested host
Requires=sysinit.target dbus.socket
Wants=dbus.service systemd-logind.service polkit.service systemd-machined.service
After=sysinit.target dbus.socket
AllowIsolate=yes
"""
MASKED = (
    "dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount sys-kernel-config.mount "
    "sys-kernel-debug.mount sys-kernel-tracing.mount proc-sys-fs-binfmt_misc.automount "
    "ldconfig.service kmod-static-nodes.service "
    "systemd-ask-password-console.path systemd-ask-password-wall.path systemd-binfmt.service "
    "systemd-boot-random-seed.service systemd-firstboot.service systemd-hwdb-update.service "
    "systemd-machine-id-commit.service systemd-modules-load.service systemd-networkd.service "
    "systemd-pstore.service systemd-random-seed.service systemd-resolved.service "
    "systemd-sysctl.service systemd-timesyncd.service systemd-udev-trigger.service "
    "systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd.service "
    "systemd-update-utmp.service"
).split()
INITS = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
COVERED = (
    "/dev",
    "/nix",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/var/lib/hyperhive",
    "/var/lib/machines",
)
"""Where a nested host has something of its own."""
DEVICES = "null zero full random urandom tty fuse net/tun".split()


def run(*argv: str | Path) -> None:
    subprocess.run([str(a) for a in argv], check=True, stdin=subprocess.DEVNULL)


def mount(kind: str, target: Path, options: str = "", source: str | Path = "none") -> None:
    target.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", kind, *(["-o", options] if options else []), source, target)


def bind(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    run("mount", "--rbind", source, target)


def main(base: Path, lower: str, *shown: str) -> None:
    run("mount", "--make-rprivate", "/")
    mount("tmpfs", base, "mode=0755")
    upper, work, root = (base / name for name in ("upper", "work", "root"))
    for directory in (upper, work):
        directory.mkdir()
    mount("overlay", root, f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay")
    file_systems(root)
    for path in map(Path, shown):
        bind(path, root / path.relative_to("/"))
    configuration(root)
    become(root)


def file_systems(root: Path) -> None:
    mount("proc", root / "proc")
    mount("sysfs", root / "sys")
    mount("cgroup2", root / "sys/fs/cgroup", "nsdelegate")
    dev = root / "dev"
    mount("tmpfs", dev, "mode=0755,nosuid")
    for name in DEVICES:
        if (source := Path("/dev", name)).exists():
            bind(source, dev / name)
    mount("devpts", dev / "pts", "newinstance,ptmxmode=0666,mode=0620,gid=5", "devpts")
    (dev / "ptmx").symlink_to("pts/ptmx")
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        (dev / name).symlink_to(f"/proc/self/fd{target}")
    mount("tmpfs", dev / "shm", "mode=1777,nosuid,nodev")
    mount("tmpfs", root / "run", "mode=0755,nosuid,nodev")
    mount("tmpfs", root / "tmp", "mode=1777,nosuid,nodev")
    # Not on the overlay, which takes no overlay, no id-mapped mount and no quota.
    for name in ("machines", "hyperhive"):
        mount("tmpfs", root / "var/lib" / name, "mode=0755,nosuid,nodev")
    if (root / "usr/bin/nix-daemon").exists():  # with a store of its own, which begins empty
        mount("tmpfs", root / "nix", "mode=0755,nosuid,nodev")


def configuration(root: Path) -> None:
    etc = root / "etc"
    for name in ("resolv.conf", "hosts"):  # their content, where they are mounts of a container
        if (source := Path("/etc", name)).exists():
            target = etc / name
            content = source.read_bytes()
            target.unlink(missing_ok=True)
            target.write_bytes(content)
    (etc / "machine-id").unlink(missing_ok=True)
    (etc / "machine-id").write_text(uuid.uuid4().hex + "\n")
    (etc / "hostname").write_text("nested\n")
    (etc / "fstab").write_text("")
    shutil.rmtree(root / "var/log/journal", ignore_errors=True)
    mount("tmpfs", etc / "systemd/system", "mode=0755")
    mount("tmpfs", etc / "hyperhive", "mode=0755")  # this machine may have one of its own
    units = etc / "systemd/system"
    (units / "nested.target").write_text(TARGET)
    for name in MASKED:
        (units / name).symlink_to("/dev/null")


def become(root: Path) -> None:
    old = root / "mnt"
    old.mkdir(exist_ok=True)
    os.chdir(root)
    run("pivot_root", ".", "mnt")
    os.chroot(".")
    os.chdir("/")
    run("umount", "--lazy", "/mnt")
    run("mount", "--make-rshared", "/")  # as systemd does where it does not see a container
    run("hostname", "nested")
    init = next(path for path in INITS if Path(path).exists())
    environment = {"container": "hyperhive-nested", "PATH": os.defpath, "TERM": "dumb"}
    os.execve(init, [init, "--unit=nested.target", "--show-status=no"], environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
