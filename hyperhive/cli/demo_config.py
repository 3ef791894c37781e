"""What a demo's service is configured with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_WORKER_COMMANDS = [
    "cat *",
    "echo *",
    "expr *",
    "head *",
    "ls *",
    "mkdir *",
    "printf *",
    "sort *",
    "tail *",
    "tee *",
    "uname -a",
    "wc *",
]
_MODELS = {
    "haiku": {
        "id": "claude-haiku-5-5",
        "prices": {"input": 1.0, "output": 5.0, "cacheRead": 0.1, "cacheWrite": 1.25},
    },
    "sonnet": {
        "id": "claude-sonnet-5-5",
        "prices": {"input": 3.0, "output": 15.0, "cacheRead": 0.3, "cacheWrite": 3.75},
    },
}


def write_secret(path: Path, value: str) -> None:
    """A file that only its owner can read, from its first moment on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(value)


def write_config(path: Path, places: Mapping[str, Any], upstream: str, port: int) -> None:
    """`places` are the options that say where everything is, and which runtime."""
    config: dict[str, Any] = {
        "models": _MODELS,
        "defaultModel": "sonnet",
        "helperModel": "haiku",
        "upstream": upstream,
        "dashboard": {"port": port},
        "manager": {
            "description": "Coordinates the swarm.",
            "settings": {"allowedBash": ["cat *", "echo *", "git *", "ls *"]},
        },
        "agentDefaults": {
            "settings": {"allowedBash": _WORKER_COMMANDS, "model": "haiku"},
            "budget": {"usdPerDay": 5.0},
        },
        **places,
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))
