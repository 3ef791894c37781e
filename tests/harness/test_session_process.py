"""The process behind a session: how it ends, and what it takes along. Real programs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from hyperhive.harness import session_process
from hyperhive.harness.session_process import BrokenStream, ClaudeProcess
from tests.support.processes import child
from tests.support.scripted_model import ScriptedModel, tool
from tests.support.wait import wait_for

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def script(code: str) -> ClaudeProcess:
    argv = [sys.executable, "-I", "-S", "-c", code]
    return ClaudeProcess(argv, Path("/"), ENVIRONMENT)


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


async def read_all(process: ClaudeProcess) -> list[dict[str, object]]:
    return [message async for message in process.read_messages()]


async def test_reads_one_message_a_line_and_skips_other_output() -> None:
    process = script('print(\'{"a": 1}\\n[debug]\\n\\n{"b": "\\\\ud800"}\')')
    await process.start()
    assert await read_all(process) == [{"a": 1}, {"b": "\ud800"}]
    await process.close()
    assert process.exit_code == 0
    assert not process.is_ready()


async def test_writes_what_it_is_given() -> None:
    process = script("import sys; print(sys.stdin.readline(), end='')")
    await process.start()
    await process.write('{"prompt": "ü"}\n')
    assert await read_all(process) == [{"prompt": "ü"}]
    await process.close()


async def test_says_how_it_ended_and_its_last_words() -> None:
    process = script("import sys; print('x' * 10000, file=sys.stderr); sys.exit('no licence')")
    await process.start()
    assert await read_all(process) == []
    assert process.exit_code == 1
    await process.close()
    assert process.last_words.endswith("no licence")
    assert len(process.last_words) < 1_000


@pytest.mark.parametrize("line", ["{broken", '{"x": "' + "y" * 2_000_000 + '"}'])
async def test_a_broken_or_endless_message_is_an_error(
    monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setattr(session_process, "MAX_LINE_BYTES", 1_000_000)
    process = script("import sys; print(sys.stdin.readline(), flush=True); sys.stdin.read()")
    await process.start()
    await process.write(line + "\n")
    with pytest.raises(BrokenStream, match="broken message"):
        await read_all(process)
    await process.close()


async def test_a_process_that_reads_nothing_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_process, "_WRITE_SECONDS", 0.2)
    process = script("import time; time.sleep(60)")
    await process.start()
    with pytest.raises(BrokenStream, match="cannot write"):
        await process.write("x" * 10_000_000)
    process.kill()
    assert await read_all(process) == []
    assert process.exit_code == -signal.SIGKILL
    with pytest.raises(BrokenStream, match="cannot write"):
        await process.write("x" * 10_000_000)
    await process.close()


async def test_one_that_will_not_end_is_made_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_process, "_STEP_SECONDS", 0.2)
    process = script(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('{}', flush=True); time.sleep(60)"
    )
    await process.start()
    assert await anext(process.read_messages()) == {}
    await process.close()
    assert process.exit_code == -signal.SIGKILL


async def test_has_no_more_environment_than_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    process = script("import json, os; print(json.dumps(dict(os.environ)))")
    await process.start()
    [environment] = await read_all(process)
    assert environment.keys() - {"LC_CTYPE"} == {"PATH"}  # Python itself sets LC_CTYPE
    await process.close()


async def test_one_that_never_started_can_be_closed() -> None:
    process = ClaudeProcess(["/nonexistent"], Path("/"), ENVIRONMENT)
    with pytest.raises(FileNotFoundError):
        await process.start()
    process.kill()
    await process.close()
    with pytest.raises(BrokenStream, match="not started"):
        await process.write("x")


_HARNESS = """
import asyncio, sys
from pathlib import Path
from tests.support.claude import MODEL, allow, session_options
from hyperhive.harness.session import Session

session = Session(session_options(Path(sys.argv[1]), sys.argv[2]), allow)
asyncio.run(session.run("go", model=MODEL, report=print))
"""


@pytest.mark.claude
async def test_dies_with_the_harness_and_so_do_its_commands(tmp_path: Path) -> None:
    command = f"echo $$ $CLAUDE_PID > {tmp_path}/pids; exec tail -f /dev/null"
    async with ScriptedModel([tool("Bash", command=command)]) as model:
        argv = [sys.executable, "-c", _HARNESS, str(tmp_path), model.url]
        with child(argv, tmp_path / "log", cwd=Path.cwd()) as harness:
            file = tmp_path / "pids"
            await wait_for(lambda: file.exists() and len(file.read_text().split()) == 2, 30)
            pids = [int(pid) for pid in file.read_text().split()]
            assert all(alive(pid) for pid in pids)
            await asyncio.to_thread(harness.stop, signal.SIGKILL)
            await wait_for(lambda: not any(alive(pid) for pid in pids), 10)
