"""What the kernel gives to root of the machine alone: devices, modules, clocks, mounts, knobs."""

from __future__ import annotations

import os
import stat
import struct
import tempfile
import time
from collections.abc import Collection
from functools import partial

from tests.host.attempts import Attempt, call, mount, write

DEVICES = {
    "mem": (stat.S_IFCHR, 1, 1),
    "kmsg": (stat.S_IFCHR, 1, 11),
    "fuse": (stat.S_IFCHR, 10, 229),
    "kvm": (stat.S_IFCHR, 10, 232),
    "loop-control": (stat.S_IFCHR, 10, 237),
    "loop0": (stat.S_IFBLK, 7, 0),
    "sda": (stat.S_IFBLK, 8, 0),
    "vda": (stat.S_IFBLK, 254, 0),
}
FILE_SYSTEMS = (
    "ext4 xfs btrfs iso9660 devtmpfs debugfs tracefs securityfs bpf pstore configfs nfs 9p"
)
READ_ONLY = ("/usr", "/run/hive", "/run/host", "/run/host/incoming", "/sys")
REMOUNT_BIND = 0x20 | 0x1000
KEYRING, GET_ID, DISABLE_PREEMPTION = -3, 0, 1 << 13
READ_ALL, CLEAR = 3, 5
SOFTWARE_EVENT = struct.pack("IIQ", 1, 128, 0) + bytes(112)


def attempts(*, only: Collection[str] = ()) -> dict[str, Attempt]:
    made = every()
    return {name: made[name] for name in only or made}


def every() -> dict[str, Attempt]:
    scratch = tempfile.mkdtemp()
    file = os.path.join(scratch, "file")
    with open(file, "wb") as image:
        image.truncate(1 << 20)
    return {
        **{f"make {name}": partial(make, scratch, *what) for name, what in DEVICES.items()},
        **{f"mount {kind}": partial(mount, kind, scratch, file) for kind in FILE_SYSTEMS.split()},
        **{f"rw {p}": partial(mount, "", p, flags=REMOUNT_BIND) for p in (*READ_ONLY, *shown())},
        **{f"unmount {p}": partial(unmount, p) for p in (*READ_ONLY[:4], "/state", *shown())},
        **{f"write below {p}": partial(create, p) for p in (*READ_ONLY, *shown())},
        "load a module": partial(call, "init_module", bytes(64), 64, b""),
        "load a module's file": lambda: call("finit_module", os.open(file, os.O_RDONLY), b"", 0),
        "unload a module": partial(call, "delete_module", b"no-such-module", 0),
        "another kernel": partial(call, "kexec_load", 0, 0, None, 0),
        "another kernel's file": partial(call, "kexec_file_load", 0, 0, 0, None, 0),
        "swap": partial(call, "swapon", file.encode(), 0),
        "no swap": partial(call, "swapoff", file.encode()),
        "accounting": partial(call, "acct", None),
        "quota": partial(call, "quotactl", 0x800001 << 8, file.encode(), 0, None),
        "read the kernel's log": partial(call, "klogctl", READ_ALL, bytes(4096), 4096),
        "clear the kernel's log": partial(call, "klogctl", CLEAR, None, 0),
        "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
        "turn the clock": partial(call, "adjtimex", struct.pack("I", 1) + bytes(300)),
        "bpf": partial(call, "bpf", 0, struct.pack("IIII", 2, 4, 4, 1) + bytes(112), 128),
        "trace events": partial(call, "perf_event_open", SOFTWARE_EVENT, -1, 0, -1, 0),
        "io_uring": partial(call, "io_uring_setup", 4, bytes(256)),
        "userfaultfd": partial(call, "userfaultfd", 1),
        "add a key": partial(call, "add_key", b"user", b"name", b"value", 5, KEYRING),
        "a keyring": partial(call, "keyctl", GET_ID, KEYRING, 1),
        "a file by its handle": partial(call, "open_by_handle_at", 0, bytes(64), 0),
        "priority": partial(os.nice, -20),
        "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
        "real time of the disk": partial(call, "ioprio_set", 1, 0, DISABLE_PREEMPTION),
        "no death by memory": partial(write, "/proc/self/oom_score_adj", b"-1000"),
    }


def shown() -> list[str]:
    """What else of the host is mounted read-only, below directories of its own."""
    with open("/proc/self/mounts") as mounts:
        fields = [line.split() for line in mounts]
    apart = ("/usr", "/run", "/sys", "/proc", "/dev")
    return [f[1] for f in fields if "ro" in f[3].split(",") and not f[1].startswith(apart)]


def make(scratch: str, kind: int, major: int, minor: int) -> None:
    path = os.path.join(scratch, "device")
    os.mknod(path, kind | 0o600, os.makedev(major, minor))
    os.unlink(path)


def unmount(path: str) -> None:
    call("umount2", path.encode(), 0)


def create(directory: str) -> None:
    path = os.path.join(directory, "way-out")
    write(path, b"", os.O_CREAT | os.O_EXCL)
    os.unlink(path)
