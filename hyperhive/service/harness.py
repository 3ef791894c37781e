"""How the local runtime starts a harness."""

from __future__ import annotations

import sys

from hyperhive.config import RuntimeConfig


def harness_command(runtime: RuntimeConfig) -> list[str]:
    """With our own interpreter, without its user's site packages and environment variables."""
    return [
        *(sys.executable, "-I", "-m", "hyperhive.harness", "run"),
        f"--idle-release={runtime.idle_release_seconds:g}",
    ]
