"""What is in the scripts of NixOS tests: commands of ours, and Python that the driver runs."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from hyperhive.cli.main import cli
from tests.support.nix import STUBS

PLACEHOLDER = "1"
"""In place of what a script fills in: a number and a word as well."""
IMPORTED = (
    "from pathlib import Path",
    "from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Union",
    "from typing_extensions import Protocol",
)
"""What stands before a script when the driver's own build checks it (test-script-prepend.py)."""
SYMBOLS = ("machines", "vlans", "driver", "log", "start_all", "join_all", "subtest", "retry")
CLASSES = ("Driver", "Logger", "Machine", "VLan")
_OPERATORS = set("();<>|&")


def commands(script: str) -> list[list[str]]:
    """The words of each call of `hyperhive`, as often as the script has it."""
    return [words for text in _texts(ast.parse(script)) for words in _calls(text)]


def _texts(tree: ast.AST) -> Iterator[str]:
    """All strings; those that `json` of the helper is called with, as it completes them."""
    parts: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "json" and node.args:
            parts.add(node.args[0])
            if (text := _text(node.args[0])) is not None:
                yield f"{text} --json"
        if isinstance(node, ast.JoinedStr):
            parts.update(node.values)
        if node not in parts and (text := _text(node)) is not None:
            yield text


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or PLACEHOLDER for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _calls(text: str) -> Iterator[list[str]]:
    if "hyperhive " not in text:
        return
    words: list[str] = []
    for word in [*shlex.shlex(text, posix=True, punctuation_chars=True), ";"]:
        if set(word) <= _OPERATORS:
            if words[:1] == ["hyperhive"]:
                yield words
            words = []
        else:
            words.append(word)


def check(words: list[str]) -> None:
    """Raises click.ClickException where our command line would not take it."""
    command: click.Command = cli
    context = click.Context(cli, info_name=words[0])
    rest = words[1:]
    while isinstance(command, click.Group):
        if not rest:
            raise click.UsageError("a verb is missing", context)
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        if isinstance(command, click.Group):
            context = click.Context(command, parent=context, info_name=name)
    command.make_context(words[-1], rest, parent=context)


def mistakes(directory: Path, scripts: Mapping[str, tuple[str, set[str]]]) -> str:
    """What mypy and pyflakes' rules say of scripts, by name, each with its machines' names."""
    for name, (script, machines) in scripts.items():
        hints = [f"from test_driver import {', '.join((*CLASSES, *SYMBOLS))}"]
        hints += [f"{machine}: Machine" for machine in sorted(machines)]
        text = "\n".join([*IMPORTED, *hints, script])
        (directory / f"typed_{name.replace('-', '_')}.py").write_text(text)
        (directory / f"plain_{name.replace('-', '_')}.py").write_text(script)
    builtins = sorted({*SYMBOLS, *(name for _, names in scripts.values() for name in names)})
    linted = ["--isolated", "--select=F", f"--config=builtins={builtins}", "--no-cache"]
    typed = ["--strict", "--config-file=", "--python-version=3.11", "--cache-dir=/dev/null"]
    return "".join(
        _complaints(directory, *argv)
        for argv in (
            ("ruff", "check", *linted, *sorted(map(str, directory.glob("plain_*.py")))),
            ("mypy", *typed, *sorted(map(str, directory.glob("typed_*.py")))),
        )
    )


def _complaints(directory: Path, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=directory,
        env={"MYPYPATH": str(STUBS)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else ""
