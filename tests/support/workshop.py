"""Where agents are built, without Nix: real git, and builds that go by what the files say.

The first word of `agent.nix` decides: `throw WHY` does not evaluate, `broken WHY` does not build,
`old WHY` is warned of.
Else its whole text stands for the system, and `declared.json` is the settings.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from hyperhive.flakes.git import Repositories
from hyperhive.hive.clock import Clock
from hyperhive.hive.deploy_rows import Built, Checked
from hyperhive.protocol.bundle import parse_settings
from hyperhive.protocol.errors import BuildFailed
from hyperhive.protocol.wire import loads_object
from hyperhive.service.declared import MODULE, SETTINGS
from hyperhive.service.git_configs import GitConfigs


async def go_on(_: str) -> None:
    pass


class FakeBuilds:
    """Keeps the promises of the port `Builds`; outlives the service, as the Nix store does.

    `step` is awaited at the beginning of each of these, and may hold or fail it. Of what systems
    consist there is nothing to tell.
    """

    def __init__(self, repositories: Repositories, host: str = "host-1") -> None:
        self.host = host
        self.step: Callable[[str], Awaitable[None]] = go_on
        """Called with `check alice`, `evaluate alice` or `build alice`."""
        self.history: list[str] = []
        """The same, as they were over."""
        self.kept: dict[str, dict[str, str]] = {}
        """Bundles by agent and role."""
        self.proposed: dict[str, str] = {}
        """Derivations by agent that wait for a decision."""
        self.forgotten: list[str] = []
        self._repositories = repositories
        self._broken: dict[str, str] = {}
        self._logs: dict[int, bytes] = {}

    async def check(self, approval: int, agent: str, commit: str, running: str | None) -> Checked:
        built, warnings = await self._evaluate("check", approval, agent, commit)
        self.proposed[agent] = built.drv
        return Checked(built, warnings)

    async def drop(self, agent: str) -> None:
        self.proposed.pop(agent, None)

    async def evaluate(self, deploy: int, agent: str, commit: str) -> Built:
        return (await self._evaluate("evaluate", deploy, agent, commit))[0]

    async def _evaluate(
        self, verb: str, number: int, agent: str, commit: str
    ) -> tuple[Built, tuple[str, ...]]:
        self._print(number, f"evaluating {agent}")
        await self.step(f"{verb} {agent}")
        with tempfile.TemporaryDirectory() as place:
            tree = Path(place) / "agent"
            await self._repositories.export(agent, commit, tree)
            found = [path for path in tree.rglob("*") if path.is_file()]
            files = {str(path.relative_to(tree)): path.read_bytes() for path in found}
        self.history.append(f"{verb} {agent}")
        module = files[MODULE].decode()
        word, _, why = module.partition(" ")
        if word == "throw":
            self._print(number, f"error: {why}")
            raise BuildFailed("evaluation", f"error: {why}")
        if word == "old":
            self._print(number, f"warning: {why}")
        drv = f"/nix/store/{_digest(files, self.host)}-agent-{agent}.drv"
        if word == "broken":
            self._broken[drv] = why
        settings = parse_settings(loads_object(files.get(SETTINGS, b"{}")))
        system = f"/nix/store/{_digest({MODULE: files[MODULE]}, self.host)}-system"
        return Built(self.host, drv, system, settings), (why,) if word == "old" else ()

    async def build(self, deploy: int, agent: str, built: Built) -> str:
        drv = built.drv
        self._print(deploy, f"building {drv}")
        await self.step(f"build {agent}")
        self.history.append(f"build {agent}")
        if drv in self._broken:
            self._print(deploy, f"error: {self._broken[drv]}")
            raise BuildFailed("build", f"error: {self._broken[drv]}")
        return drv.removesuffix(".drv")

    async def keep(self, agent: str, bundles: Mapping[str, str]) -> None:
        self.kept[agent] = dict(bundles)

    async def forget(self, agent: str) -> None:
        self.kept.pop(agent, None)
        self.proposed.pop(agent, None)
        self.forgotten.append(agent)

    async def log(self, number: int, offset: int) -> tuple[str, int]:
        data = self._logs.get(number, b"")[offset:]
        return data.decode(), offset + len(data)

    def _print(self, number: int, line: str) -> None:
        self._logs[number] = self._logs.get(number, b"") + f"{line}\n".encode()


def open_fake_workshop(directory: Path, clock: Clock) -> tuple[GitConfigs, FakeBuilds]:
    """What `hive.build` takes as its workshop; repositories are made below `directory`."""
    repositories = Repositories(directory)
    return GitConfigs(repositories, clock), FakeBuilds(repositories)


def _digest(files: Mapping[str, bytes], host: str) -> str:
    digest = hashlib.sha256(host.encode())
    for path, data in sorted(files.items()):
        digest.update(b"%d %s %d " % (len(path), path.encode(), len(data)) + data)
    return digest.hexdigest()[:32]
