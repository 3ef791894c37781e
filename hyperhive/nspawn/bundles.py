"""Which bundle each agent is started from: a link that the root launcher reads and checks."""

from __future__ import annotations

import os
from pathlib import Path

from hyperhive.protocol.errors import Unavailable


class Bundles:
    """The links of one hive, in the service's own directory."""

    def __init__(self, directory: Path, default: Path) -> None:
        self._directory = directory
        self._default = default

    def ensure(self, agent: str) -> None:
        """Give an agent that has none the default one. Raises Unavailable."""
        link = self._directory / agent
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            if not link.is_symlink():
                os.symlink(self._default, link)
        except OSError as error:
            raise Unavailable(f"{link} cannot be made: {error.strerror}") from None

    def forget(self, agent: str) -> None:
        """For an agent that is purged. Raises Unavailable."""
        try:
            (self._directory / agent).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"{agent}'s bundle cannot be removed: {error.strerror}") from None
