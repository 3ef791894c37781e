"""What Claude Code is started with: environment, command line, files."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.harness.session_options import (
    SessionOptions,
    claude_environment,
    command_line,
    find_claude,
    proxy_environment,
)
from hyperhive.protocol.bundle import McpServer

HOSTILE = "--dangerously-skip-permissions --settings={} \n-x"


def options(directory: Path, **given: object) -> SessionOptions:
    fields: dict[str, object] = {
        "workspace": directory,
        "scratch": directory,
        "id_file": directory / "id",
        "environment": {},
        **given,
    }
    return SessionOptions(**fields)  # type: ignore[arg-type]  # the dataclass's own names, by caller


def environment(parent: dict[str, str], kind: str = "api_key") -> dict[str, str]:
    return claude_environment(
        parent,
        home=Path("/h"),
        scratch=Path("/s"),
        api_url="http://127.0.0.1:1",
        credential_kind=kind,  # type: ignore[arg-type]  # tried with each kind
    )


def test_of_the_parent_only_what_is_listed_is_passed_on() -> None:
    parent = {"PATH": "/bin", "LANG": "C.UTF-8", "ANTHROPIC_API_KEY": "real", "SECRET": "x"}
    parent |= {"LD_PRELOAD": "x.so", "BASH_ENV": "x", "NODE_OPTIONS": "-r x", "HOME": "/root"}
    made = environment(parent)
    assert (made["PATH"], made["LANG"], made["HOME"]) == ("/bin", "C.UTF-8", "/h")
    assert made["ANTHROPIC_API_KEY"] == "placeholder"
    assert not {"SECRET", "LD_PRELOAD", "BASH_ENV", "NODE_OPTIONS"} & made.keys()
    assert "real" not in made.values()


def test_the_proxy_is_named_in_both_spellings_and_not_for_loopback() -> None:
    made = proxy_environment("http://127.0.0.1:1")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        assert made[name] == "http://127.0.0.1:1"
    assert made["no_proxy"] == made["NO_PROXY"] == "127.0.0.1,localhost,::1"
    assert "ALL_PROXY" not in made


def test_the_placeholder_is_of_the_kind_of_the_real_credential() -> None:
    assert "CLAUDE_CODE_OAUTH_TOKEN" not in environment({}, "api_key")
    oauth = environment({}, "oauth_token")
    assert oauth["CLAUDE_CODE_OAUTH_TOKEN"] == "placeholder"
    assert "ANTHROPIC_API_KEY" not in oauth


def test_names_the_shell_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "bash").touch(mode=0o755)
    assert environment({"PATH": str(tmp_path)})["SHELL"] == str(tmp_path / "bash")
    assert "SHELL" not in environment({"PATH": str(tmp_path / "empty")})


def test_text_of_others_stands_in_files_and_each_value_with_its_option(tmp_path: Path) -> None:
    server = McpServer(command=HOSTILE, args=(HOSTILE,), env={"TOKEN": "hidden"})
    given = options(
        tmp_path, prompt=HOSTILE, extra_servers={"x": server}, own_servers={"y": object}
    )
    given = replace(given, tools=("Bash", HOSTILE), fallback_model=f"{HOSTILE}2")
    argv = command_line("claude", given, HOSTILE, HOSTILE)
    assert [word for word in argv if HOSTILE in word] == [
        f"--tools=Bash,{HOSTILE}",
        f"--model={HOSTILE}",
        f"--fallback-model={HOSTILE}2",
        f"--resume={HOSTILE}",
    ]
    assert all(word.startswith("--") for word in argv[1:])
    assert (tmp_path / "prompt.md").read_text() == HOSTILE
    assert json.loads((tmp_path / "mcp.json").read_text())["mcpServers"] == {
        "x": {"type": "stdio", "command": HOSTILE, "args": [HOSTILE], "env": {"TOKEN": "hidden"}},
        "y": {"type": "sdk", "name": "y"},
    }


def test_the_files_are_private_and_never_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "mcp.json").symlink_to(victim)
    (tmp_path / "prompt.md").touch(mode=0o666)
    command_line("claude", options(tmp_path, prompt="secret \ud800"), "m", None)
    assert victim.read_text() == "precious"
    for name in ("mcp.json", "prompt.md"):
        assert stat.S_IMODE((tmp_path / name).lstat().st_mode) == 0o600
    assert (tmp_path / "prompt.md").read_text() == "secret ?"


@pytest.mark.parametrize(
    ("tools", "word"),
    [((), "--tools="), (("Read", "Bash"), "--tools=Read,Bash"), (("*",), "--tools=default")],
)
def test_tools(tmp_path: Path, tools: tuple[str, ...], word: str) -> None:
    assert word in command_line("claude", options(tmp_path, tools=tools), "m", None)


def test_a_model_is_not_its_own_fallback(tmp_path: Path) -> None:
    given = options(tmp_path, fallback_model="b")
    assert "--fallback-model=b" in command_line("claude", given, "a", None)
    assert not any("fallback" in word for word in command_line("claude", given, "b", None))


def test_finds_the_program_of_the_sdk_or_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert find_claude(str(tmp_path)) is None
    (tmp_path / "claude").touch(mode=0o755)
    assert find_claude(str(tmp_path)) == str(tmp_path / "claude")
