"""Which files a declaration comes to, and what of a module is refused with its place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hyperhive.config import AgentConfig
from hyperhive.protocol.bundle import parse_settings
from hyperhive.protocol.errors import InvalidField
from hyperhive.service import declared
from hyperhive.service.declared import declared_files


def files_of(module: Path | None, **settings: Any) -> dict[str, bytes]:
    agent = AgentConfig(module=str(module) if module else None, settings=parse_settings(settings))
    return declared_files(agent, "agents.alice")


def refused(module: Path) -> str:
    with pytest.raises(InvalidField) as error:
        files_of(module)
    assert error.value.field.startswith("agents.alice.module")
    return error.value.message


def settings_in(files: dict[str, bytes]) -> Any:
    return json.loads(files["declared.json"])


def test_without_a_module_there_is_one_to_begin_with() -> None:
    files = files_of(None)
    assert list(files) == ["agent.nix", "declared.json"]
    assert b"{ ... }:" in files["agent.nix"]
    assert files["declared.json"] == b"{}\n"


def test_a_file_is_the_module(tmp_path: Path) -> None:
    (tmp_path / "any.nix").write_text("{ }")
    (tmp_path / "other.nix").write_text("{ }")
    assert list(files_of(tmp_path / "any.nix")) == ["agent.nix", "declared.json"]
    assert files_of(tmp_path / "any.nix")["agent.nix"] == b"{ }"


def test_a_directory_is_taken_with_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "empty").mkdir()
    for directory in (tmp_path / ".git", tmp_path / "lib" / ".git"):
        directory.mkdir()
        (directory / "HEAD").write_text("ref")
    for name in ("agent.nix", "lib/tools.nix", "lib/a b.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "linked.nix").symlink_to("lib/tools.nix")
    os.mkfifo(tmp_path / "fifo")
    files = files_of(tmp_path)
    assert {name: data for name, data in files.items() if name != "declared.json"} == {
        "agent.nix": b"agent.nix",
        "lib/a b.txt": b"lib/a b.txt",
        "lib/tools.nix": b"lib/tools.nix",
        "linked.nix": b"lib/tools.nix",
    }


def test_a_worktree_of_git_is_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "agent.nix").write_text("{ }")
    (tmp_path / ".git").write_text("gitdir: elsewhere")
    assert list(files_of(tmp_path)) == ["agent.nix", "declared.json"]


def test_only_what_is_set_is_rendered() -> None:
    """All else is left to the module and its defaults."""
    server = {"command": "/bin/server", "args": ["-v"]}
    files = files_of(
        None,
        model="big",
        allowedBash=["git *"],
        limits={"memoryMax": 2**30},
        egress={"allow": ["example.org:443"]},
        extraMcpServers={"tools": server},
        context={"compactAt": 0.75},
    )
    assert settings_in(files) == {
        "model": "big",
        "allowedBash": ["git *"],
        "limits": {"memoryMax": 2**30},
        "egress": {"allow": ["example.org:443"]},
        "extraMcpServers": {"tools": {**server, "env": {}}},
    }
    assert parse_settings(settings_in(files)).egress.allow == ("example.org:443",)


def test_what_is_not_there_or_not_to_be_read(tmp_path: Path) -> None:
    assert "no-such.nix cannot be read: No such file" in refused(tmp_path / "no-such.nix")
    assert f"{tmp_path} has no agent.nix" in refused(tmp_path)
    (tmp_path / "agent.nix").symlink_to("agent.nix")
    assert "agent.nix cannot be read: Too many levels of symbolic links" in refused(tmp_path)


def test_names_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "agent.nix").write_text("{ }")
    (tmp_path / "declared.json").write_text("{}")
    assert "declared.json is made by hyperhive; rename yours" in refused(tmp_path)
    (tmp_path / "declared.json").unlink()
    odd = tmp_path / "a\nb"
    odd.write_text("")
    assert "a character in its name that cannot be shown" in refused(tmp_path)
    odd.unlink()
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff")).write_text("")
    assert "a character in its name that cannot be shown" in refused(tmp_path)


def test_a_link_to_a_directory(tmp_path: Path) -> None:
    (tmp_path / "agent.nix").write_text("{ }")
    (tmp_path / "lib").symlink_to("/etc")
    assert f"{tmp_path}/lib is a link to a directory" in refused(tmp_path)


def test_more_than_a_configuration_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agent.nix").write_text("{ }")
    (tmp_path / "big").write_bytes(bytes(1_000))
    monkeypatch.setattr(declared, "MAX_BYTES", 1_000)
    assert "big cannot be read: with it there are more than 1000 bytes" in refused(tmp_path)
    (tmp_path / "big").write_bytes(bytes(997))
    files_of(tmp_path)
    monkeypatch.setattr(declared, "MAX_FILES", 1)
    assert "has more than 1 files" in refused(tmp_path)
