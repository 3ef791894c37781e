"""What the driver of NixOS tests makes of running a command on a machine."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod

from tests.support.wait import wait_until

SECONDS = 60.0
"""For what takes minutes where agents are built of all of NixOS."""


class Commands(ABC):
    """Methods have the names and meanings that they have there."""

    @abstractmethod
    def execute(self, command: str) -> tuple[int, str]:
        """Exit status and standard output."""

    def succeed(self, *commands: str) -> str:
        results = [self.execute(command) for command in commands]
        assert not any(status for status, _ in results), (commands, results)
        return "".join(output for _, output in results)

    def fail(self, *commands: str) -> str:
        results = [self.execute(command) for command in commands]
        assert all(status for status, _ in results), (commands, results)
        return "".join(output for _, output in results)

    def wait_until_succeeds(self, command: str) -> None:
        wait_until(lambda: self.execute(command)[0] == 0, SECONDS, command)

    def wait_until_fails(self, command: str) -> None:
        wait_until(lambda: self.execute(command)[0] != 0, SECONDS, command)

    def wait_for_unit(self, unit: str) -> None:
        self.wait_until_succeeds(f"systemctl is-active {shlex.quote(unit)}")

    def wait_for_open_port(self, port: int) -> None:
        self.wait_until_succeeds(f"ss -ltn | grep ':{port} '")
