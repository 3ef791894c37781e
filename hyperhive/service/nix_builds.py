"""The rules' view of Nix: commits as bundles."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from io import FileIO
from pathlib import Path

from hyperhive.flakes.git import Repositories
from hyperhive.flakes.nix import Export, Nix
from hyperhive.flakes.untrusted import Bundle
from hyperhive.hive.change_rows import Closure
from hyperhive.hive.deploy_rows import Built, Checked
from hyperhive.protocol.builds import Evaluation
from hyperhive.protocol.errors import BuildFailed, InvalidField, Unavailable

MAX_LOG = 256 * 1024
"""Bytes of a log that are read at once."""
KEPT_LOGS = 200


class NixBuilds:
    """`hive.ports.Builds` on units that run Nix; keeps what they print in files of its own."""

    def __init__(self, nix: Nix, repositories: Repositories, flake: Path, logs: Path) -> None:
        self._nix = nix
        self._repositories = repositories
        self._logs = logs
        self.host = _digest(flake)

    async def check(self, approval: int, agent: str, commit: str, running: str | None) -> Checked:
        export = self._export(agent, commit)
        with self._log(approval) as log:
            found = await self._nix.check(approval, agent, export, running, _writer(log))
        closure = Closure(**asdict(found.closure)) if found.closure else None
        return Checked(self._built(found), found.warnings, closure)

    async def drop(self, agent: str) -> None:
        await self._nix.release(agent, "proposed")

    async def evaluate(self, deploy: int, agent: str, commit: str) -> Built:
        export = self._export(agent, commit)
        with self._log(deploy) as log:
            return self._built(await self._nix.evaluate(deploy, agent, export, _writer(log)))

    def _export(self, agent: str, commit: str) -> Export:
        return lambda directory: self._repositories.export(agent, commit, directory)

    def _built(self, found: Evaluation) -> Built:
        return Built(self.host, found.drv, found.system, found.settings)

    async def build(self, deploy: int, agent: str, built: Built) -> str:
        with self._log(deploy) as log:
            bundle = await self._nix.build(deploy, agent, built.drv, _writer(log))
        check_as_evaluated(bundle, built)
        return bundle.path

    async def keep(self, agent: str, bundles: Mapping[str, str]) -> None:
        # What ran until now is kept as that until it is kept as the one before.
        for role in ("previous", "running"):
            if role in bundles:
                await self._nix.keep(agent, role, bundles[role])
            else:
                await self._nix.release(agent, role)
        await self._nix.release(agent, "pending")

    async def log(self, number: int, offset: int) -> tuple[str, int]:
        return await asyncio.to_thread(_part_of, self._path(number), offset)

    async def forget(self, agent: str) -> None:
        await self._nix.release(agent)

    def _log(self, number: int) -> FileIO:
        try:
            self._logs.mkdir(mode=0o700, exist_ok=True)
            for old in sorted(self._logs.glob("*.log"), key=lambda p: int(p.stem))[:-KEPT_LOGS]:
                old.unlink(missing_ok=True)
            # Without a buffer, or closing it would fail on a full disk.
            return self._path(number).open("ab", buffering=0)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._logs} cannot be written to: {error}") from None

    def _path(self, number: int) -> Path:
        return self._logs / f"{number}.log"


def check_as_evaluated(bundle: Bundle, built: Built) -> None:
    """A derivation may say one thing of itself and build another. Raises BuildFailed."""
    for what, evaluated, found in (
        ("settings", built.settings, bundle.settings),
        ("system", built.system, bundle.system),
    ):
        if evaluated != found:
            raise BuildFailed("build", f"the bundle has another {what} than was evaluated")


def _writer(log: FileIO) -> Callable[[str], None]:
    def write(line: str) -> None:
        with suppress(OSError):  # a full disk: the outcome matters more than its log
            log.write(f"{line}\n".encode())

    return write


def _part_of(path: Path, offset: int) -> tuple[str, int]:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            # Whole lines: a character may be half written at the end.
            data = file.read(MAX_LOG)
            data = data[: data.rfind(b"\n") + 1]
            return data.decode(errors="replace"), offset + len(data)
    except FileNotFoundError:
        return "", offset
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from None


def _digest(flake: Path) -> str:
    """Of all that decides what a configuration amounts to. Raises InvalidField."""
    digest = hashlib.sha256()
    try:
        digest.update((flake / "flake.nix").read_bytes())
        for path in sorted(path for path in flake.rglob("*") if path.is_file()):
            data = path.read_bytes()
            digest.update(f"{path.relative_to(flake)} {len(data)}\n".encode() + data)
    except OSError as error:
        problem = f"{error.filename or flake} cannot be read: {error.strerror}"
        raise InvalidField("nix.flake", problem) from None
    return digest.hexdigest()
