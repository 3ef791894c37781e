"""What the harness tells the agent's shells, as a shell reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hyperhive.harness.shell_environment import told_to_shells
from hyperhive.protocol.terminal import SHELL_ENVIRONMENT

HOSTILE = 'a\'b "c" $HOME `id` \\ \n;'


def said(state: Path, variable: str) -> str:
    script = f'. "$0"; printf %s "${variable}"'
    argv = ["/bin/sh", "-c", script, str(state / SHELL_ENVIRONMENT)]
    return subprocess.run(argv, check=True, capture_output=True, text=True, env={}).stdout


def test_a_shell_has_them_until_they_end(tmp_path: Path) -> None:
    with told_to_shells(tmp_path, {"HTTP_PROXY": "http://127.0.0.1:1", "odd": HOSTILE}):
        assert said(tmp_path, "HTTP_PROXY") == "http://127.0.0.1:1"
        assert said(tmp_path, "odd") == HOSTILE
        assert (tmp_path / SHELL_ENVIRONMENT).stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    for name in (SHELL_ENVIRONMENT, f".{SHELL_ENVIRONMENT}"):
        (tmp_path / name).symlink_to("other")
    with told_to_shells(tmp_path, {"a": "b"}):
        assert said(tmp_path, "a") == "b"
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert (tmp_path / "other").read_text() == "kept"


def test_an_agent_without_a_place_for_it_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with told_to_shells(tmp_path / "missing", {"a": "b"}):
        assert "terminals get no proxy" in caplog.text
