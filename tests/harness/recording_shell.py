"""Runs command lines in a real Bash that reports what it would start and starts nothing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

_BASH = shutil.which("bash") or "bash"

# No builtin but the driver's own and no program on PATH is left, so every command of a line ends in
# `record`, even one hidden in a substitution. Functions only save the fork that an unknown name
# costs. A record is the number of words, then the words; the number 0 ends a line. Newlines would
# split the write, and mix the records of a pipeline.
_DRIVER = """\
FUNCNEST=50
exec 9>>"$1"
status=$2
record() { printf '%s\\0' "$#" "${@//$'\\n'/¶}" >&9; ((status == 0)); }
command_not_found_handle() { record "$@"; }
for name in $(compgen -b); do
  case $name in printf | eval | enable | wait) ;; *) enable -n -- "$name" ;; esac
done
enable -n enable
"""
_FUNCTION_NAME = re.compile(r"[\w.,:@+!][\w.,:@+!-]*")


def executed(
    lines: Sequence[str], names: Iterable[str], directory: Path, status: int = 0
) -> list[list[tuple[str, ...]]]:
    """What Bash executes for each line when every command exits with `status`.

    `names` are commands that are expected; others are reported too. Asserts that no file appears.
    """
    work, record = directory / "work", directory / f"record-{status}"
    work.mkdir(exist_ok=True)
    script = directory / "script"
    script.write_bytes((_DRIVER + _functions(names) + _cases(lines)).encode())
    _run([_BASH, str(script), str(record), str(status)], work)
    assert list(work.iterdir()) == []
    found = list(_read(record.read_bytes().decode(errors="replace")))
    assert len(found) == len(lines), "the driver did not reach the last line"
    return found


def _run(command: Sequence[str], work: Path) -> None:
    shell = subprocess.Popen(
        command,
        cwd=work,
        env={"PATH": str(work), "HOME": "~", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        shell.wait(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


def _functions(names: Iterable[str]) -> str:
    fit = sorted(name for name in set(names) if _FUNCTION_NAME.fullmatch(name))
    bodies = (f'function {name} {{ record "$FUNCNAME" "$@"; }}' for name in fit)
    return "".join(f"eval {_single_quoted(body)}\n" for body in bodies)


def _cases(lines: Iterable[str]) -> str:
    return "".join(f"eval -- {_single_quoted(line)}\nwait\nprintf '0\\0' >&9\n" for line in lines)


def _single_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _read(record: str) -> Iterator[list[tuple[str, ...]]]:
    fields = iter(record.split("\0")[:-1])
    commands: list[tuple[str, ...]] = []
    for number in fields:
        if int(number):
            commands.append(tuple(word.replace("¶", "\n") for word in islice(fields, int(number))))
        else:
            yield commands
            commands = []
