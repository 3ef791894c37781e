"""`python -I -m hyperhive.flakes.job ID`: one evaluation or build, as the user who has nothing.

Reads `jobs/ID/in`, writes `jobs/ID/out/log` as it comes and `jobs/ID/out/result.json` at the end.
Ends with 0 whenever that is written, whatever it says.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hyperhive.flakes import job_closure, job_nix, job_offline, job_place, job_verdict
from hyperhive.flakes.plain import plain
from hyperhive.flakes.process import Kept, TookTooLong
from hyperhive.protocol import wire
from hyperhive.protocol.builds import (
    JOB_PATTERN,
    MAX_ERROR,
    MAX_LOG,
    MAX_RESULT,
    MAX_WARNINGS,
    Reason,
    Request,
    parse_evaluation,
    parse_request,
)
from hyperhive.protocol.bundle import parse_settings
from hyperhive.protocol.errors import BuildFailed, HiveError, InvalidField, TooLarge, Unavailable

JOBS = Path("/var/lib/hyperhive/jobs")
_KEPT_OF_LOG = 256 * 1024
_EX_USAGE, _EX_NOPERM = 64, 77  # sysexits.h


class Log:
    """What Nix writes, for whoever follows it, and the begin and end of it for the answer."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o644)
        self._left = MAX_LOG
        self._begin = b""
        self._end = b""

    def __call__(self, data: bytes) -> None:
        fits = data[: self._left]
        os.write(self._fd, fits)
        self._left -= len(fits)
        room = _KEPT_OF_LOG - len(self._begin)
        self._begin += fits[:room]
        self._end = (self._end + fits[room:])[-_KEPT_OF_LOG:]
        if len(fits) < len(data):
            os.write(self._fd, b"\nended: it wrote more than this\n")
            raise TooLarge(f"it wrote more than {MAX_LOG} bytes")

    @property
    def text(self) -> str:
        gap = b"\n" if self._end else b""
        written = (self._begin + gap + self._end).decode(errors="replace")
        return "\n".join(map(plain, written.split("\n")))


async def execute(job: Path) -> dict[str, Any]:
    """What came of it. Raises BuildFailed."""
    try:
        request = parse_request(wire.loads_object((job / "in/request.json").read_bytes()))
        log = Log(job / "out/log")
    except (OSError, HiveError) as error:
        raise BuildFailed("job", f"it was not asked as it should be: {error}") from None
    with job_nix.prepared(request, job) as nix:
        output = Kept(MAX_RESULT, "the settings")
        status = await _nix(nix, request, job, output, log)
        if status != 0:
            said = log.text
            raise BuildFailed(
                job_verdict.reason(request.verb, status, said),
                job_verdict.explanation(said) or f"Nix ended with status {status} and said nothing",
            )
        if request.verb == "build":
            return _bundle(job)
        proposal = _proposal(output.data, log.text)
        return await _compared(nix, request, proposal) if request.compare else proposal


async def _nix(nix: job_nix.Nix, request: Request, job: Path, output: Kept, log: Log) -> int:
    try:
        if (
            (drv := request.drv)
            and request.offline
            and (why := await job_offline.lacking(nix, drv))
        ):
            raise BuildFailed("build", f"error: {why}")
        return await nix(job_nix.command(request, job), output, log)
    except TookTooLong as error:
        raise _ended("timeout", error, log) from None
    except TooLarge as error:
        raise _ended("output", error, log) from None
    except Unavailable as error:
        raise BuildFailed("daemon", str(error)) from None


def _ended(reason: Reason, limit: HiveError, log: Log) -> BuildFailed:
    return BuildFailed(reason, f"{limit}\n{job_verdict.last_lines(log.text)}".rstrip())


def _bundle(job: Path) -> dict[str, Any]:
    try:
        return {"bundle": os.readlink(job_nix.root(job))}
    except OSError as error:
        raise BuildFailed("daemon", f"Nix left no link to what it built: {error}") from None


def _proposal(output: bytes, said: str) -> dict[str, Any]:
    """What the flake's output says, as the answer; the service reads it as strictly once more."""
    try:
        proposal = wire.loads_object(output, limit=MAX_RESULT)
        parse_settings(proposal.get("settings"), "hyperhive")
        return {
            "drv": proposal["drvPath"],
            "settings": proposal["settings"],
            "system": proposal["system"],
            "warnings": job_verdict.warnings(said),
        }
    except HiveError as error:
        raise BuildFailed("evaluation", f"error: {error}") from None
    except KeyError as error:
        raise BuildFailed("evaluation", f"error: the flake's `proposal` has no {error}") from None


async def _compared(
    nix: job_nix.Nix, request: Request, proposal: Mapping[str, Any]
) -> dict[str, Any]:
    """With what else is told to whoever decides, as far as Nix has it."""
    try:
        found = parse_evaluation({"ok": True, **proposal})
    except InvalidField:
        return dict(proposal)  # the service is not going to believe it
    closure = await job_closure.closure(nix, found.drv, found.system, request.running)
    warnings = [*await _foreseen(nix, request, found.drv), *found.warnings][:MAX_WARNINGS]
    return {**proposal, "warnings": warnings, "closure": closure}


async def _foreseen(nix: job_nix.Nix, request: Request, drv: str) -> list[str]:
    """What is going to be refused when it is built."""
    if request.offline:
        with suppress(HiveError, OSError):
            async with asyncio.timeout(job_closure.SECONDS):
                problem = await job_offline.lacking(nix, drv)
                return [problem] if problem else []
    return []


def write_result(job: Path, answer: Mapping[str, Any]) -> None:
    """At once, so that nobody reads half of it."""
    new = job / "out/.result.json"
    new.write_text(wire.dumps(answer))
    new.chmod(0o644)
    new.rename(job / "out/result.json")


async def answer(job: Path) -> dict[str, Any]:
    """What goes into `result.json`; told to end (SIGTERM) it ends Nix, too."""
    task = asyncio.ensure_future(execute(job))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return {"ok": True, **await task}
    except BuildFailed as failure:
        error = failure.message.encode(errors="replace")[: MAX_ERROR - 4]
        return {"ok": False, "reason": failure.reason, "error": error.decode(errors="ignore")}
    except OSError as error:  # such as a full disk
        return {"ok": False, "reason": "job", "error": str(error)}
    except asyncio.CancelledError:
        return {"ok": False, "reason": "stopped", "error": "it was stopped"}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not re.fullmatch(JOB_PATTERN, arguments[0]):
        sys.stderr.write("usage: python -m hyperhive.flakes.job ID\n")
        return _EX_USAGE
    job = JOBS / arguments[0]
    mounts = job_place.MOUNTS.read_text(encoding="utf-8", errors="replace")
    if (place := job_place.foreign(job, mounts)) is not None:
        sys.stderr.write(f"{job} leads to {plain(place)}\n")
        return _EX_NOPERM
    with suppress(FileNotFoundError):
        (job / "out/result.json").unlink()
    write_result(job, asyncio.run(answer(job)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
