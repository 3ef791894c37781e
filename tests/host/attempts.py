"""Attempts to get out of a container, as a program that contained.py sends inside as a zip.

`python -I attempts.zip MODULE ARGUMENTS` calls `attempts` of that module with a JSON object and
writes what became of each as JSON: `done`, or why not.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping

Attempt = Callable[[], object]
Attempts = Mapping[str, Attempt]

DONE = "done"
libc = ctypes.CDLL(None, use_errno=True)
_NUMBERS = {
    "x86_64": {
        "add_key": 248,
        "bpf": 321,
        "finit_module": 313,
        "io_uring_setup": 425,
        "ioprio_set": 251,
        "kexec_file_load": 320,
        "kexec_load": 246,
        "keyctl": 250,
        "perf_event_open": 298,
        "userfaultfd": 323,
    },
    "aarch64": {
        "add_key": 217,
        "bpf": 280,
        "finit_module": 273,
        "io_uring_setup": 425,
        "ioprio_set": 30,
        "kexec_file_load": 294,
        "kexec_load": 104,
        "keyctl": 219,
        "perf_event_open": 241,
        "userfaultfd": 282,
    },
}


def main(module: str, arguments: str) -> None:
    attempts: Attempts = importlib.import_module(module).attempts(**json.loads(arguments))
    outcomes = {name: outcome(attempt) for name, attempt in attempts.items()}
    sys.stdout.write(json.dumps(outcomes) + "\n")


def outcome(attempt: Attempt) -> str:
    """The text it returned or `done`, the name of an errno, or TIMEOUT.

    What else it raised is a fault of the attempt.
    """
    try:
        result = attempt()
    except TimeoutError:
        return "TIMEOUT"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, repr(error))
    except Exception as error:  # one that is wrong must not hide the others
        return f"fault: {error!r}"
    return result if isinstance(result, str) else DONE


def call(name: str, *arguments: int | bytes | None) -> int:
    """A function of the C library, or a system call that it has none for. Raises OSError."""
    values = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    ctypes.set_errno(0)
    number = _NUMBERS.get(platform.machine(), {}).get(name)
    if number is None:
        result = int(getattr(libc, name)(*values))
    else:
        result = int(libc.syscall(ctypes.c_long(number), *values))
    if result < 0:
        shown = [a.decode(errors="replace") for a in arguments if isinstance(a, bytes)]
        raise OSError(ctypes.get_errno(), name, " ".join(shown))
    return result


def mount(kind: str, target: str, source: str = "none", flags: int = 0, data: str = "") -> None:
    os.makedirs(target, exist_ok=True)
    call("mount", source.encode(), target.encode(), kind.encode(), flags, data.encode() or None)


def write(path: str, data: bytes, flags: int = 0) -> None:
    fd = os.open(path, os.O_WRONLY | flags, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


if __name__ == "__main__":
    main(*sys.argv[1:])
