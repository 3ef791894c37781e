"""What garbage collection must not take: links in a directory of Nix's that is the service's."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

from hyperhive.protocol.builds import STORE_PATTERN
from hyperhive.protocol.errors import InvalidField, Unavailable
from hyperhive.protocol.model import check_name

Role = Literal["running", "previous", "pending", "proposed"]
"""`pending` is what a deploy is at; `proposed` waits for a decision, and deploys leave it alone."""
ROLES: tuple[Role, ...] = get_args(Role)

_STORE = re.compile(STORE_PATTERN)


class Roots:
    """One link `NAME-ROLE` each. All of it raises Unavailable where the directory does not let."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, agent: str, role: Role, path: str) -> None:
        """In place of what was kept so far, at once."""
        if not _STORE.fullmatch(path):
            raise InvalidField("path", "must be a path in /nix/store")
        link = self._link(agent, role)
        new = link.with_name(f".{link.name}.new")
        try:
            new.unlink(missing_ok=True)
            new.symlink_to(path)
            os.replace(new, link)
        except OSError as error:
            raise Unavailable(f"{link} cannot be made: {error.strerror}") from None

    def kept(self, agent: str, role: Role) -> str | None:
        with suppress(OSError):
            return os.readlink(self._link(agent, role))
        return None

    def release(self, agent: str, role: Role | None) -> None:
        for each in ROLES if role is None else (role,):
            link = self._link(agent, each)
            try:
                link.unlink(missing_ok=True)
            except OSError as error:
                raise Unavailable(f"{link} cannot be removed: {error.strerror}") from None

    def _link(self, agent: str, role: Role) -> Path:
        return self._directory / f"{check_name(agent)}-{role}"
