"""`python -m nested VERB CLONE PYTHON [ARGUMENT...]`: boots a nested host for one command in it.

VERB is `shell`, a person's look at it with the service installed, or `demo`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nested.host import ENVIRONMENT, NestedHost

PASSED = ("TERM", "COLUMNS", "LINES", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")


def main(verb: str, clone: str, python: str, *arguments: str) -> int:
    with opened(Path(clone), python) as host:
        if verb == "demo":
            argv = [python, "-I", "-m", "hyperhive.cli", "demo", "--runtime=nspawn", *arguments]
        else:
            print("A nested host: exit ends it. Try: systemctl, machinectl, journalctl -f")
            argv = list(arguments) or ["bash", "--login"]
        return attach(host, argv)


@contextlib.contextmanager
def opened(clone: Path, python: str, lower: Path = Path("/")) -> Iterator[NestedHost]:
    """A nested host with hyperhive installed, and not yet started; `lower` as in `start`."""
    shown = needed(python)
    seen = {path for path in (clone, *shown) if is_apart(path, lower)}
    host = NestedHost.start(sorted(seen), lower)
    try:
        install(host, clone, python, shown)
        yield host
    finally:
        host.close()


def install(host: NestedHost, clone: Path, python: str, shown: Sequence[Path]) -> None:
    host.run(
        ["/usr/bin/python3", "-m", "nested.install", clone, python, *shown],
        environment={"PYTHONPATH": str(clone)},
    )


def attach(host: NestedHost, argv: Sequence[str]) -> int:
    """Run it on this terminal; Ctrl-C goes to it."""
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    passed["HYPERHIVE_SEEN_AT"] = str(host.path("/")).rstrip("/")
    process = subprocess.Popen(host.command(argv), env={**ENVIRONMENT, **passed})
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def needed(python: str) -> list[Path]:
    """What containers need besides /usr: the environment of its libraries, and the package."""
    find = "import hyperhive, sys; print(sys.prefix, hyperhive.__path__[0], sep='\\n')"
    answer = subprocess.run([python, "-I", "-c", find], check=True, capture_output=True, text=True)
    environment, package = map(Path, answer.stdout.splitlines())
    inside = package.is_relative_to(environment)
    return [environment] if inside else [environment, package]


def is_apart(path: Path, lower: Path) -> bool:
    """An overlay shows what is on the same file system only."""
    return lower != Path("/") or path.stat().st_dev != Path("/").stat().st_dev


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
