"""Runs git on one bare repository, so that nothing outside it has a say and nothing in it acts."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path

from hyperhive.flakes.process import Kept, run
from hyperhive.protocol.errors import Unavailable

SECONDS = 30.0
"""For one command; the repositories are small."""
OUTPUT_MAX = 8 * 2**20
_ERRORS_MAX = 64 * 1024
_LIMITS = {
    resource.RLIMIT_AS: 2**30,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_CPU: int(SECONDS),
    resource.RLIMIT_FSIZE: 256 * 2**20,
}

_CONFIG = {
    "core.attributesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.fsync": "all",  # a ref that a power cut leaves must not name what it has not
    "core.hooksPath": "/dev/null",
    "core.packedGitLimit": "256m",  # which, mapped, counts as memory
    "core.packedGitWindowSize": "32m",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "pack.windowMemory": "64m",
    "protocol.allow": "never",
    "transfer.fsckObjects": "true",
}
_ENVIRONMENT = {
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
}


class GitFailed(Unavailable):
    """git ended with an exit status that was not expected."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


async def git(
    repository: Path | None,
    *arguments: str,
    given: bytes = b"",
    also: Mapping[str, str] | None = None,
    output_max: int = OUTPUT_MAX,
) -> bytes:
    """What the command wrote. `also` is more environment.

    Raises GitFailed, TooLarge, TookTooLong, Unavailable.
    """
    output, errors = Kept(output_max, f"git {arguments[0]}"), Kept(_ERRORS_MAX, "git's complaint")
    argv = _command(repository, arguments)
    environment = {**_ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath), **(also or {})}
    status = await run(
        argv,
        environment=environment,
        seconds=SECONDS,
        output=output,
        errors=errors,
        given=given,
        limits=_LIMITS,
    )
    if status != 0:
        said = errors.data.decode(errors="replace").strip().removeprefix("fatal: ")
        raise GitFailed(f"git {arguments[0]}: {said or f'exit status {status}'}", status)
    return output.data


def _command(repository: Path | None, arguments: Sequence[str]) -> list[str]:
    options = [word for key, value in _CONFIG.items() for word in ("-c", f"{key}={value}")]
    where = [] if repository is None else [f"--git-dir={repository}", "--bare"]
    return ["git", "--no-pager", *options, *where, *arguments]
