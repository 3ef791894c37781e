"""Limits of an agent's directories by project quota, where the file system enforces it (ext4, xfs).

The project is the base of the agent's uid range, which nobody else has. Only the host's root can
take a file out of its project. Files from before quotas were switched on do not count.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct

from hyperhive.nspawn.launch_paths import DIRECTORY, opened
from hyperhive.nspawn.launch_places import PARTS, Place
from hyperhive.nspawn.launch_refusal import Exit, Refused
from hyperhive.protocol.bundle import Limits

_SYS_QUOTACTL_FD = 443  # one number for all architectures but alpha and mips (syscalls(2))
_PROJECT = 2  # PRJQUOTA of linux/quota.h
_SETQUOTA, _XGETQSTATV = 0x800008, 0x5808
_ENFORCED = 1 << 5  # FS_QUOTA_PDQ_ENFD of linux/dqblk_xfs.h
_LIMITS = 5  # QIF_BLIMITS | QIF_ILIMITS
_BLOCK = 1024  # bytes; QIF_DQBLKSIZE
_GETXATTR, _SETXATTR = 0x801C581F, 0x401C5820  # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
_XATTR = "5I8x"  # struct fsxattr of linux/fs.h: flags, extsize, nextents, project, cowextsize
_INHERIT = 0x200  # FS_XFLAG_PROJINHERIT

_libc = ctypes.CDLL(None, use_errno=True)


def limit(place: Place, limits: Limits) -> bool:
    """Whether the file system keeps the agent's directories together within these limits.

    Raises Refused when it could, and does not take them.
    """
    with opened(os.open(place.path, DIRECTORY)) as own:
        if not _enforces(own):
            return False
        try:
            for part in PARTS:
                with opened(os.open(part, DIRECTORY, dir_fd=own)) as directory:
                    _put_into(directory, place.base)
            _set(own, place.base, limits)
        except OSError as error:
            raise Refused(Exit.LIMITS, f"no disk quota for {place.path}: {error}") from None
    return True


def _put_into(directory: int, project: int) -> None:
    """From now on what is made in it belongs to the project."""
    given = fcntl.ioctl(directory, _GETXATTR, bytes(struct.calcsize(_XATTR)))
    flags, extent_size, extents, _, cow_size = struct.unpack(_XATTR, given)
    wanted = struct.pack(_XATTR, flags | _INHERIT, extent_size, extents, project, cow_size)
    if wanted != given:
        fcntl.ioctl(directory, _SETXATTR, wanted)


def _set(directory: int, project: int, limits: Limits) -> None:
    """struct if_dqblk of linux/quota.h; zero is no limit."""
    blocks = -(-(limits.disk_max or 0) // _BLOCK)
    inodes = limits.inodes_max or 0
    values = struct.pack("8QI4x", blocks, blocks, 0, inodes, inodes, 0, 0, 0, _LIMITS)
    _quotactl(directory, _SETQUOTA, project, ctypes.create_string_buffer(values, len(values)))


def _enforces(directory: int) -> bool:
    """struct fs_quota_statv of linux/dqblk_xfs.h: its version, a byte, then the flags."""
    if os.uname().machine.startswith(("alpha", "mips")):
        return False
    state = ctypes.create_string_buffer(b"\x01", 256)
    try:
        _quotactl(directory, _XGETQSTATV, 0, state)
    except OSError:  # not a file system with quotas, or a kernel before 5.14
        return False
    (flags,) = struct.unpack_from("H", state, 2)
    return bool(flags & _ENFORCED)


def _quotactl(
    directory: int, command: int, project: int, data: ctypes.Array[ctypes.c_char]
) -> None:
    number = ctypes.c_long(_SYS_QUOTACTL_FD)
    shifted = ctypes.c_uint(command << 8 | _PROJECT)
    if _libc.syscall(number, ctypes.c_uint(directory), shifted, ctypes.c_uint(project), data) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
