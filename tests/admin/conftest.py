"""`admin.sock` served in this process over a real hive, without agents that run."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from hyperhive.admin.app import make_app
from hyperhive.admin.client import AdminClient
from hyperhive.admin.context import Context
from hyperhive.service import listening
from tests.support.deploying import Workshop, workshop
from tests.support.dump import dump
from tests.support.swarm import Swarm, swarm


@dataclass
class Served:
    """A hive with the manager, alice and bob, and its admin socket."""

    swarm: Swarm
    socket: Path
    database: Path
    app: web.Application

    @property
    def client(self) -> AdminClient:
        return AdminClient(self.socket)

    async def post(self, path: str, body: bytes) -> tuple[int, Any]:
        """Status and document of whatever is answered."""
        connector = aiohttp.UnixConnector(str(self.socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"http://admin{path}", data=body) as answer,
        ):
            return answer.status, await answer.json()

    def dump(self) -> str:
        return dump(self.database)


@asynccontextmanager
async def serving(made: Swarm, directory: Path, path: Path) -> AsyncIterator[Served]:
    """Its admin socket at `path`; the swarm's database is in `directory`."""

    async def logs(agent: str, lines: int) -> list[str]:
        return [f"{agent} {n}" for n in range(lines)][-3:]

    async def doctor() -> list[dict[str, Any]]:
        return [{"name": "disk", "level": "failure", "text": "full"}]

    context = Context(
        hive=made.hive,
        runtime_kind="local",
        warnings=("careful",),
        dashboard_url=made.url,
        logs=logs,
        gauge=made.gauge,
        terminals=made.terminals,
        push=made.push,
        login_code=made.login_code,
        doctor=doctor,
    )
    app = make_app(context)
    async with listening.on_socket(app, path):
        yield Served(made, path, directory / "hive.db", app)


@pytest.fixture
def all_is_well(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """At the end nothing may have been logged as an error."""
    caplog.set_level(logging.INFO)
    yield
    records = caplog.get_records("call")
    bad = [r for r in records if r.levelno >= logging.ERROR or r.exc_info]
    assert [r.getMessage() for r in bad] == []


@pytest.fixture
async def served(tmp_path: Path, socket_dir: Path, all_is_well: None) -> AsyncIterator[Served]:
    async with swarm(tmp_path) as made:
        await made.hive.agents.spawn("bob")
        async with serving(made, tmp_path, socket_dir / "admin.sock") as served:
            yield served


@pytest.fixture
async def building(
    tmp_path: Path, socket_dir: Path, all_is_well: None
) -> AsyncIterator[tuple[Served, Workshop]]:
    """One whose agents are built, though nothing carries deploys out."""
    async with (
        workshop(tmp_path) as made,
        serving(made.made, tmp_path, socket_dir / "admin.sock") as served,
    ):
        yield served, made
