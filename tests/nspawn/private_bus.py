"""A message bus of a test's own, and the far side on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from hyperhive.nspawn.bus import Remote
from hyperhive.nspawn.lasting import LastingBus
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[2]
CONTROL = Remote("org.freedesktop.systemd1", "/control", "test.Control")
ALICE, BOB = "hyperhive-agent@alice.service", "hyperhive-agent@bob.service"

_CONFIGURATION = """<busconfig>
<type>custom</type>
<listen>unix:path={socket}</listen>
<auth>EXTERNAL</auth>
<policy context="default">
  <allow send_destination="*" eavesdrop="true"/>
  <allow receive_sender="*"/>
  <allow own="*"/>
  <allow user="*"/>
</policy>
<limit name="max_replies_per_connection">128</limit>
</busconfig>
"""


class PrivateBus:
    """It can be stopped and started at the same address. To be closed."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "bus"
        self._configuration = directory / "bus.conf"
        self._configuration.write_text(_CONFIGURATION.format(socket=self._socket))
        self.daemon: subprocess.Popen[bytes] | None = None
        self.far_side: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix:path={self._socket}"

    def start(self) -> None:
        """The bus and the far side."""
        self._socket.unlink(missing_ok=True)
        argv = ["dbus-daemon", f"--config-file={self._configuration}", "--nofork", "--nopidfile"]
        self.daemon = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        wait_until(self._socket.exists, what="the bus")
        self.far_side = subprocess.Popen(
            [sys.executable, "-m", "tests.nspawn.far_side", self.address],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert self.far_side.stdout is not None
        assert self.far_side.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """As a restart of the bus does; the far side ends with it."""
        self.resume()
        for process in (self.daemon, self.far_side):
            if process is not None:
                process.kill()
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()
        self.daemon = self.far_side = None

    def freeze(self) -> None:
        assert self.daemon is not None
        os.kill(self.daemon.pid, signal.SIGSTOP)

    def resume(self) -> None:
        if self.daemon is not None:
            os.kill(self.daemon.pid, signal.SIGCONT)


class Control:
    """Tells the far side what to do, through the bus that is tested."""

    def __init__(self, bus: LastingBus) -> None:
        self._bus = bus

    async def next(self, behaviour: str) -> None:
        await self._bus.call(CONTROL, "Next", ("(s)", (behaviour,)))

    async def begin(self, unit: str, restarts: int = 0) -> None:
        await self._bus.call(CONTROL, "Begin", ("(su)", (unit, restarts)))

    async def end(self, unit: str, result: str = "success", code: int = 0, status: int = 0) -> None:
        await self._bus.call(CONTROL, "End", ("(ssii)", (unit, result, code, status)))

    async def calls(self, beginning: str) -> list[str]:
        """What was called at the far side, in order."""
        answer: tuple[Any, ...] = await self._bus.call(CONTROL, "Calls", reply="(as)")
        return [call for call in answer[0] if call.startswith(beginning)]


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
