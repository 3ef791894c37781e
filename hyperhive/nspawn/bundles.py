"""Which bundle each agent is started from: a link that the root launcher reads and checks."""

from __future__ import annotations

import os
from pathlib import Path

from hyperhive.protocol.errors import Unavailable


class Bundles:
    """The links of one hive, in the service's own directory."""

    def __init__(self, directory: Path, default: Path | None) -> None:
        self._directory = directory
        self._default = default

    def ensure(self, agent: str, bundle: str | None) -> None:
        """Have the next start be from `bundle`; without one from what it had, or the default.

        Raises Unavailable, also when there is none of them.
        """
        link = self._directory / agent
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            known = os.readlink(link) if link.is_symlink() else None
            wanted = bundle or known or (str(self._default) if self._default else None)
            if wanted is None:
                raise Unavailable(f"{agent} was not built yet")
            if wanted != known:
                fresh = self._directory / f".{agent}"
                fresh.unlink(missing_ok=True)
                os.symlink(wanted, fresh)
                os.replace(fresh, link)
        except OSError as error:
            raise Unavailable(f"{link} cannot be made: {error.strerror}") from None

    def forget(self, agent: str) -> None:
        """For an agent that is purged. Raises Unavailable."""
        try:
            (self._directory / agent).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"{agent}'s bundle cannot be removed: {error.strerror}") from None
