"""Where agents are built: git, Nix, and the directories of both."""

from __future__ import annotations

from pathlib import Path

from hyperhive.config.options import NixConfig
from hyperhive.flakes.git import Repositories
from hyperhive.flakes.nix import Nix, UnitRunner
from hyperhive.flakes.room import STORE, Room
from hyperhive.hive.clock import Clock
from hyperhive.hive.storage_guard import LOW
from hyperhive.service.free_space import FreeSpace
from hyperhive.service.git_configs import GitConfigs
from hyperhive.service.nix_builds import NixBuilds

JOBS = Path("/var/lib/hyperhive/jobs")
GC_ROOTS = Path("/nix/var/nix/gcroots/hyperhive")


async def open_workshop(
    config: NixConfig, state: Path, clock: Clock, units: UnitRunner
) -> tuple[GitConfigs, NixBuilds]:
    """What an earlier service had begun is ended first. Raises InvalidField, Unavailable."""
    flake = Path(config.flake)
    repositories = Repositories(state / "applied")
    nix = Nix(
        JOBS,
        flake,
        GC_ROOTS,
        units,
        Room(FreeSpace((STORE,)), LOW),
        offline=config.offline,
        eval_seconds=config.eval_seconds,
        build_seconds=config.build_seconds,
    )
    builds = NixBuilds(nix, repositories, flake, state / "deploys")
    await repositories.adopt()
    await nix.adopt()
    return GitConfigs(repositories, clock), builds
