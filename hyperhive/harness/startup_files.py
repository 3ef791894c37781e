"""Files in an agent's home whose content runs when a shell or Claude Code starts.

Claude Code sources Bash's startup files before the first command: whoever may write them may run
anything, whatever the allow-list of commands says.
"""

from __future__ import annotations

import os
from pathlib import Path

_FILES = (
    ".bash_aliases",
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bashrc",
    ".claude.json",
    ".inputrc",
    ".profile",
)
_DIRECTORY = ".claude"


def runs_later(path: str, home: Path, workspace: Path) -> bool:
    """Whether `path`, relative to the workspace or to `~`, ends at such a file. Follows links."""
    real_home = os.path.realpath(home)
    expanded = real_home + path[1:] if path == "~" or path.startswith("~/") else path
    target = os.path.realpath(os.path.join(workspace, expanded))
    inside = os.path.relpath(target, real_home).split(os.sep)
    return inside[0] == _DIRECTORY or (len(inside) == 1 and inside[0] in _FILES)
