"""Claude Code starts before the SDK is imported, and leaves nothing when that goes wrong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hyperhive.harness import session_start
from hyperhive.harness.processes import children
from hyperhive.harness.session_events import ClaudeUnavailable
from hyperhive.harness.session_start import start_client
from tests.support.claude import MODEL, allow, session_options

_ORDER = """
import asyncio, sys
from pathlib import Path
import hyperhive.harness.work
from hyperhive.harness import session_start
from hyperhive.harness.processes import children
from tests.support.claude import MODEL, allow, session_options

assert "mcp" not in sys.modules and "claude_agent_sdk" not in sys.modules
real = session_start.import_aside

async def importing(name):
    print(name, len(children()), "claude_agent_sdk" in sys.modules)
    return await real(name)

session_start.import_aside = importing
session_start.find_claude = lambda path: sys.argv[2]

async def main():
    options = session_options(Path(sys.argv[1]), "http://127.0.0.1:9")
    client = await session_start.start_client(options, MODEL, None, allow)
    print("claude_agent_sdk" in sys.modules)
    await client.stop()

asyncio.run(main())
"""


def _patient(tmp_path: Path) -> str:
    """A program that takes any arguments, and ends with its input."""
    program = tmp_path / "claude"
    program.write_text("#!/bin/sh\nexec cat\n")
    program.chmod(0o755)
    return str(program)


def test_the_sdk_is_imported_while_the_process_starts(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _ORDER, str(tmp_path), _patient(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    expected = ["hyperhive.harness.session_client 1 False", "True"]
    assert done.stdout.splitlines() == expected


async def test_no_process_is_left_when_the_import_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(name: str) -> None:
        raise ImportError(name)

    program = _patient(tmp_path)
    monkeypatch.setattr(session_start, "find_claude", lambda path: program)
    monkeypatch.setattr(session_start, "import_aside", fail)
    options, before = session_options(tmp_path, "http://127.0.0.1:9"), children()
    with pytest.raises(ImportError):
        await start_client(options, MODEL, None, allow)
    assert children() == before


async def test_a_directory_that_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_start, "find_claude", lambda path: "/bin/cat")
    options = session_options(tmp_path, "http://127.0.0.1:9")
    with pytest.raises(ClaudeUnavailable, match="gone"):
        await start_client(replace(options, workspace=tmp_path / "gone"), MODEL, None, allow)
