"""How Nix is run on what nobody has approved: fixed options, and nothing of anybody's settings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hyperhive.flakes.process import Sink, run
from hyperhive.protocol.builds import Request

Nix = Callable[[Sequence[str], Sink, Sink], Awaitable[int]]
"""Runs one of its programs: argv, and where output and errors go. See `process.run`."""

_ALWAYS = {
    "accept-flake-config": "false",
    "experimental-features": "nix-command flakes",
    "show-trace": "true",
}
_EVALUATING = {
    # A build during the evaluation would run before anybody had a look at the configuration.
    "allow-import-from-derivation": "false",
    "allow-unsafe-native-code-during-evaluation": "false",
    "eval-cache": "false",
    "flake-registry": "",
    "nix-path": "",
    "pure-eval": "true",
    "restrict-eval": "true",
}
_OFFLINE = {"substitute": "false", "substituters": ""}


@contextmanager
def prepared(request: Request, job: Path) -> Iterator[Nix]:
    """All of its programs have the same options, and one home, which is empty at first."""
    with tempfile.TemporaryDirectory() as home:
        options = environment(request, job, Path(home))

        async def nix(argv: Sequence[str], output: Sink, errors: Sink) -> int:
            return await run(
                argv,
                environment=options,
                seconds=request.seconds,
                output=output,
                errors=errors,
                directory=Path(home),
            )

        yield nix


def environment(request: Request, job: Path, home: Path) -> Mapping[str, str]:
    """`home` is empty, so that neither settings nor what was trusted before is found there."""
    settings = dict(_ALWAYS)
    if request.verb == "eval":
        # The host's flake names its inputs as paths in the store, and is itself one in the job.
        settings |= {**_EVALUATING, "allowed-uris": f"path:/nix/store/ path:{job}/in/flake"}
    if request.offline:
        settings |= _OFFLINE
    return {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "NIX_CONFIG": "".join(f"{name} = {value}\n" for name, value in settings.items()),
        "NIX_REMOTE": "daemon",
        "NIX_USER_CONF_FILES": "/dev/null",
        "PATH": os.environ.get("PATH", os.defpath),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
    }


def command(request: Request, job: Path) -> list[str]:
    if request.verb == "build":
        assert request.drv is not None
        rooted = ["--add-root", str(root(job)), "--indirect"]
        limits = ["--timeout", f"{request.seconds:.0f}"]
        return ["nix-store", "--realise", request.drv, *rooted, *limits]
    flake = f"path:{job}/in/flake#proposal"
    offline = ["--offline"] if request.offline else []
    return ["nix", "eval", "--json", *offline, "--no-update-lock-file", flake]


def plan(drv: str) -> list[str]:
    """Lists on standard error what would be built and fetched for it."""
    return ["nix-store", "--realise", "--dry-run", drv]


def root(job: Path) -> Path:
    """A link to what was built, which keeps it until the service has taken a root of its own."""
    return job / "out/result"
