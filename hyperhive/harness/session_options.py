"""How Claude Code is started: its environment, its command line, the files it is given."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from hyperhive.protocol.bundle import McpServer

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TZDIR", "LOCALE_ARCHIVE", "NIX_SSL_CERT_FILE")

_FIXED = {
    "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    # When a task in the background ends, Claude Code begins a turn by itself: outside of any lease.
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_DISABLE_CRON": "1",
    # `@path` in a prompt would be read without asking the hook.
    "CLAUDE_CODE_DISABLE_FILE_MENTIONS": "1",
}

_NEVER_OFFERED = ("AskUserQuestion", "CronCreate", "Monitor", "ScheduleWakeup")
"""Tools that wait for a person at a terminal, or begin turns by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What a Claude Code process is started with. To change anything is to start another one."""

    workspace: Path
    scratch: Path
    """A directory for Claude Code's own files, which nobody else can read. May be lost."""
    id_file: Path
    """Where the id of the session is kept."""
    environment: Mapping[str, str]
    """All of it: nothing is added. What the agent runs in Bash inherits it."""
    prompt: str = ""
    tools: tuple[str, ...] = ()
    """Built-in tools the model is offered; `("*",)` is all of them."""
    fallback_model: str | None = None
    own_servers: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    """MCP servers in this process, by name: each call makes a low-level `Server` of `mcp`."""
    extra_servers: Mapping[str, McpServer] = field(default_factory=dict)


def claude_environment(
    parent: Mapping[str, str],
    *,
    home: Path,
    scratch: Path,
    api_url: str,
    credential_kind: Literal["api_key", "oauth_token"],
) -> dict[str, str]:
    """Built from nothing but a short list of what `parent` has.

    The credential is a placeholder. It only decides which header Claude Code sends; the host puts
    the real one in.
    """
    passed = {name: parent[name] for name in _PASSED_ON if name in parent}
    variable = {"api_key": "ANTHROPIC_API_KEY", "oauth_token": "CLAUDE_CODE_OAUTH_TOKEN"}
    # Where /bin/bash does not exist, as on NixOS, Claude Code finds its shell by SHELL only.
    bash = shutil.which("bash", path=parent.get("PATH"))
    return {
        **passed,
        **_FIXED,
        **({"SHELL": bash} if bash else {}),
        "HOME": str(home),
        "TMPDIR": str(scratch),
        "ANTHROPIC_BASE_URL": api_url,
        variable[credential_kind]: "placeholder",
    }


def proxy_environment(url: str) -> dict[str, str]:
    """The way to the network, for Claude Code and for what it runs; not to loopback.

    In both spellings: curl takes `http_proxy` in small letters only. No ALL_PROXY: what is not
    HTTP would be sent to a proxy that does not speak it.
    """
    upper = {
        "HTTP_PROXY": url,
        "HTTPS_PROXY": url,
        "NO_PROXY": "127.0.0.1,localhost,::1",
    }
    lower = {name.lower(): value for name, value in upper.items()}
    # Node's own fetch looks at them only when told to.
    return {**upper, **lower, "NODE_USE_ENV_PROXY": "1"}


def find_claude(search_path: str) -> str | None:
    """The program that the Claude Agent SDK brings, else `claude` on `search_path`."""
    spec = importlib.util.find_spec("claude_agent_sdk")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "_bundled" / "claude"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    return shutil.which("claude", path=search_path)


def command_line(
    program: str, options: SessionOptions, model: str, session_id: str | None
) -> list[str]:
    """Writes the files it refers to: `ps` shows command lines to everybody.

    Each option and its value are one word, so that no value is ever taken for an option.
    """
    prompt, servers = options.scratch / "prompt.md", options.scratch / "mcp.json"
    _write_private(prompt, options.prompt)
    _write_private(servers, json.dumps({"mcpServers": _servers(options)}))
    fallback = options.fallback_model
    return [
        program,
        "--verbose",
        "--input-format=stream-json",
        "--output-format=stream-json",
        "--permission-prompt-tool=stdio",
        "--setting-sources=",
        "--strict-mcp-config",
        f"--mcp-config={servers}",
        f"--system-prompt-file={prompt}",
        f"--tools={'default' if '*' in options.tools else ','.join(options.tools)}",
        f"--disallowedTools={','.join(_NEVER_OFFERED)}",
        f"--model={model}",
        *([f"--fallback-model={fallback}"] if fallback and fallback != model else []),
        *([f"--resume={session_id}"] if session_id else []),
    ]


def _servers(options: SessionOptions) -> dict[str, object]:
    own = {name: {"type": "sdk", "name": name} for name in options.own_servers}
    extra = {name: {"type": "stdio", **asdict(s)} for name, s in options.extra_servers.items()}
    return {**extra, **own}


def _write_private(path: Path, text: str) -> None:
    """A new file each time: an old one may have been opened, or linked elsewhere."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
