"""`python -m nested VERB CLONE PYTHON [ARGUMENT...]`: boots a nested host for one command in it.

VERB is `shell`, a person's look at it with the service installed, or `demo`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nested.handed import hand_in, scenario_of
from nested.host import ENVIRONMENT, NestedHost
from nested.root import COVERED

GREETED = [
    *("bash", "-c"),
    "echo 'A host of its own: exit ends it. Try: hyperhive status, hyperhive login-link, "
    "machinectl'; cd /root; exec bash",
]
PASSED = ("TERM", "COLUMNS", "LINES", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")
CALLED_FROM = "HIVE_CALLED_FROM"
"""In the environment: the directory that relative paths of arguments mean; else this one."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SOCKET = "/run/hyperhive/service/admin.sock"
READY_SECONDS = 60.0


def main(verb: str, clone: str, python: str, *arguments: str) -> int:
    demo = [python, "-I", "-m", "hyperhive.cli", "demo", "--runtime=nspawn"]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ends(128 + number))
    if verb == "demo":
        return play(Path(clone), python, demo, arguments)
    try:
        with opened(Path(clone), python) as host, running(host, [*demo, "--keep"]):
            return attach(host, list(arguments) or GREETED, Path(python).parent)
    except KeyboardInterrupt:
        return 130


def play(clone: Path, python: str, demo: Sequence[str], arguments: Sequence[str]) -> int:
    """The demo, which a person who has seen enough ends: that is no failure."""
    # Also where a script put it into the background, which ignores SIGINT (bash(1)).
    signal.signal(signal.SIGINT, ends(130 if "--once" in arguments else 0))
    try:
        given, scenario = scenario_of(arguments, Path(os.environ.get(CALLED_FROM, ".")))
    except OSError as error:
        sys.stderr.write(f"hive: {error.filename}: cannot be read: {error.strerror}\n")
        return 1
    with opened(clone, python) as host:
        for path, content in scenario.items():
            hand_in(host, path, content)
        return attach(host, [*demo, *given])


def ends(code: int) -> Callable[[int, object], None]:
    """A handler that ends us at once: all that the host has is thrown away with it."""

    def end(number: int, frame: object) -> None:
        for each in ENDINGS:
            signal.signal(each, signal.SIG_IGN)  # or a second one would leave some of it
        sys.exit(code)

    return end


@contextlib.contextmanager
def running(host: NestedHost, demo: Sequence[str]) -> Iterator[None]:
    """The service, and a scripted model that goes on whatever becomes of the service."""
    process = subprocess.Popen(
        host.command(demo),
        env=environment(host),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + READY_SECONDS
        while not host.path(SOCKET).is_socket():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the service of the nested host did not come up")
            time.sleep(0.1)
        yield
    finally:
        kill(process)


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


def attach(host: NestedHost, argv: Sequence[str], programs: Path | None = None) -> int:
    """Run it on this terminal, whose Ctrl-C goes to it; `programs` come first on its PATH."""
    given = environment(host)
    if programs is not None:
        given["PATH"] = f"{programs}:{given['PATH']}"
    process = subprocess.Popen(host.command(argv), env=given)
    try:
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                return process.wait()
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """nsenter(1) has forked: it is to take its child's end, or nobody may."""
    own = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(OSError):
        for pid in map(int, own.read_text().split()):
            os.kill(pid, signal.SIGKILL)
            process.wait()
    process.kill()
    process.wait()


def environment(host: NestedHost) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    seen_at = str(host.path("/")).rstrip("/")
    return {**ENVIRONMENT, **passed, "HOME": "/root", "HYPERHIVE_SEEN_AT": seen_at}


def needed(python: str) -> list[Path]:
    """What containers need besides /usr: the environment of its libraries, and the package."""
    find = "import hyperhive, sys; print(sys.prefix, hyperhive.__path__[0], sep='\\n')"
    answer = subprocess.run([python, "-I", "-c", find], check=True, capture_output=True, text=True)
    environment, package = map(Path, answer.stdout.splitlines())
    inside = package.is_relative_to(environment)
    return [environment] if inside else [environment, package]


def is_apart(path: Path, lower: Path) -> bool:
    """An overlay shows what is on the same file system only, and some of it is covered again."""
    covered = any(path.is_relative_to(place) for place in COVERED)
    return covered or lower != Path("/") or path.stat().st_dev != Path("/").stat().st_dev


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
