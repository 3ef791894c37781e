"""How the local runtime starts a harness."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import hyperhive
from hyperhive.config import RuntimeConfig


def harness_command(runtime: RuntimeConfig) -> list[str]:
    """With our own interpreter, without its user's site packages and environment variables."""
    return [
        *(sys.executable, "-I", "-m", "hyperhive.harness", "run"),
        f"--idle-release={runtime.idle_release_seconds:g}",
    ]


def harness_files() -> list[Path]:
    """What a harness reads: Python's own library, ours, and the agent SDK with Claude Code."""
    sdk = importlib.util.find_spec("claude_agent_sdk")
    found = [os.__file__, hyperhive.__file__, sdk.origin if sdk else None]
    return [Path(path).parent for path in found if path]
