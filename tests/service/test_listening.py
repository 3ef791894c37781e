"""The admin socket's owner and group."""

from __future__ import annotations

import grp
import logging
import os
from pathlib import Path

import pytest
from aiohttp import web

from hyperhive.service import listening


@pytest.mark.root
async def test_the_group_of_admins_may_use_the_socket(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = next(g for g in grp.getgrall() if g.gr_gid != 0)
    monkeypatch.setattr(listening, "ADMIN_GROUP", group.gr_name)
    path = socket_dir / "admin.sock"
    async with listening.on_socket(web.Application(), path):
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (os.geteuid(), group.gr_gid)
        assert found.st_mode & 0o777 == 0o660
    assert not path.exists()


async def test_without_the_group_it_is_its_owners(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "ADMIN_GROUP", "no-such-group")
    async with listening.on_socket(web.Application(), socket_dir / "admin.sock"):
        assert (socket_dir / "admin.sock").stat().st_mode & 0o777 == 0o600


async def test_a_group_that_cannot_be_given(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(listening, "ADMIN_GROUP", grp.getgrall()[0].gr_name)
    monkeypatch.setattr(os, "chown", refuse)
    with caplog.at_level(logging.WARNING):
        async with listening.on_socket(web.Application(), socket_dir / "admin.sock"):
            assert (socket_dir / "admin.sock").stat().st_mode & 0o777 == 0o600
    assert "stays its owner's" in caplog.text
