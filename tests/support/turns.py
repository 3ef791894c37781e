"""Commands of agents that tests wait for and let go."""

import contextlib
from pathlib import Path

from tests.support.wait import wait_for
from tests.support.working import Working

ANY_COMMAND = {"allowedBash": ["*"]}
UNTIL_TOLD = "touch begun; until [ -e go ]; do sleep 0.02; done; echo went"


async def until_begun(w: Working) -> None:
    await wait_for((w.workspace / "begun").exists, 30, "the command to begin")


def claude_runs(w: Working) -> list[int]:
    """Pids of the Claude Code of this agent."""
    home = f"HOME={w.options.home}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if b"--permission-prompt-tool" in (entry / "cmdline").read_bytes() and home in (
                entry / "environ"
            ).read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def go(w: Working) -> None:
    (w.workspace / "go").touch()
