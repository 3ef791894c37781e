"""Child processes of tests: each in a session of its own, ended with everything it started."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.wait import wait_until


@dataclass(frozen=True)
class Child:
    """A running program whose output, both streams together, is kept in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for_output(self, text: str, timeout: float = 10.0) -> None:
        """Waits until `text` was printed; fails at once when the program ends before."""

        def printed() -> bool:
            ended = self.process.poll() is not None
            if text in self.output:
                return True
            assert not ended, (
                f"ended with {self.process.returncode} before {text!r}:\n{self.output}"
            )
            return False

        wait_until(printed, timeout, f"{text!r} in {self.log}")

    def stop(self, sig: signal.Signals = signal.SIGTERM, timeout: float = 10.0) -> int:
        """Sends `sig` to the program alone and returns its exit status."""
        self.process.send_signal(sig)
        return self.process.wait(timeout)


@contextlib.contextmanager
def child(
    argv: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Child]:
    """Runs `argv`; at the end kills whatever is left of its session's process group."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield Child(process, log)
    finally:
        # The group id stays taken until the leader is waited for and all members are gone.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
