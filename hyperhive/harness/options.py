"""Where things are and how patient the harness is; given on the command line or by environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The defaults are an agent's container. Times in seconds."""

    socket: Path = Path("/run/hive/hive.sock")
    state: Path = Path("/state")
    """Survives restarts: `notes.md`, and which conversation to resume."""
    home: Path = Path("/home/agent")
    workspace: Path = Path("/workspace")
    idle_release: float = 300.0
    """Idle time after which Claude's process is ended, to be resumed with the next message."""
    turn_silence: float = 900.0
    """Time without any output after which a turn is taken for hung."""
    turn_limit: float = 6 * 3600.0
    poll: float = 30.0
    """Between questions to the host for mail that no push has announced."""

    @property
    def clones(self) -> Path:
        """Of configurations, where the agent may propose changes of them."""
        return self.workspace / "agents"
