"""Programs that leave a mark when they are started, and a shell that notes what it evaluates."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

# What the lines of the golden table would start, were they let through.
_NAMES = """
    bash cat env find head id ls man nice nohup python3 rm sed sh sort sudo tar timeout touch whoami
    xargs yarn
"""

_MARK = """\
#!/bin/sh
printf '%s\\n' "${{0##*/}} $*" >>{calls}
exit 1
"""
_GIT = """\
#!/bin/sh
printf '%s\\n' "git $*" >>{calls}
exec {git} "$@"
"""
# Claude Code has its shell `eval` the line. The function comes through the environment and notes
# the first one only, which is the line itself.
_SHELL = """\
#!{bash}
eval() {{ unset -f eval; printf '%s\\0' "$1" >>{lines}; eval "$1"; }}
export -f eval
exec {bash} "$@"
"""


class Marks:
    """Nothing but these programs is on the path; `git` is the real one and marked too."""

    def __init__(self, directory: Path) -> None:
        self._path, self._shell = directory / "path", directory / "shell" / "bash"
        self._lines, self._calls = directory / "lines", directory / "calls"
        self._path.mkdir(parents=True)
        self._shell.parent.mkdir()
        places = {"lines": self._lines, "calls": self._calls}
        git, bash = (shutil.which(name) for name in ("git", "bash"))
        for name in _NAMES.split():
            make_program(self._path / name, _MARK.format(**places))
        make_program(self._path / "git", _GIT.format(git=git, **places))
        make_program(self._shell, _SHELL.format(bash=bash, **places))
        self._lines.touch()
        self._calls.touch()

    @property
    def lines(self) -> set[str]:
        """Whatever the Bash tool's shell has evaluated."""
        return set(self._lines.read_text(errors="surrogateescape").split("\0")[:-1])

    @property
    def calls(self) -> set[str]:
        """Whichever programs were started, with their arguments, by whomever."""
        return set(self._calls.read_text(errors="surrogateescape").splitlines())

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        return {**given, "PATH": str(self._path), "SHELL": str(self._shell)}


def make_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def make_repository(directory: Path) -> None:
    """Three commits and a bisection on one branch, another commit on `other`, a loose file."""

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=directory, check=True, capture_output=True)

    def commit(text: str) -> None:
        (directory / "file").write_text(text)
        git("add", "file")
        git("commit", "--quiet", "--message", text)

    directory.mkdir(exist_ok=True)
    git("init", "--quiet", "--initial-branch=main")
    git("config", "user.name", "a")
    git("config", "user.email", "a@b")
    commit("one")
    git("checkout", "--quiet", "-b", "other")
    commit("else")
    git("checkout", "--quiet", "main")
    commit("two")
    commit("two, three")
    commit("two, three, four")
    git("bisect", "start", "HEAD", "HEAD~3")
    (directory / "second").write_text("x")
