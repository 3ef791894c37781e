"""Late imports: garbage is looked for again afterwards, and a loop can go on meanwhile."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperhive.harness.imports import import_aside, import_late
from tests.support.wait import let_time_pass


@pytest.fixture(autouse=True)
def frozen() -> Iterator[int]:
    yield gc.get_freeze_count()
    gc.unfreeze()


def test_garbage_is_not_looked_for_and_nothing_is_looked_at_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frozen: int
) -> None:
    (tmp_path / "slow_to_import.py").write_text("import gc\non = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert import_late("slow_to_import").on is False
    assert gc.isenabled()
    count = gc.get_freeze_count()
    assert count > frozen
    assert import_late("slow_to_import").on is False
    assert gc.get_freeze_count() == count


def test_an_import_that_fails_leaves_garbage_to_be_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_late("hyperhive.harness.nothing")
    assert gc.isenabled()


async def test_one_aside_lets_the_loop_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    waiting = f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n"
    (tmp_path / "waits_for_the_loop.py").write_text(waiting)
    monkeypatch.syspath_prepend(tmp_path)
    task = asyncio.create_task(import_aside("waits_for_the_loop"))
    await let_time_pass(0.05)
    assert not task.done()
    gate.touch()
    assert (await task).__name__ == "waits_for_the_loop"


async def test_one_aside_that_fails() -> None:
    with pytest.raises(ModuleNotFoundError):
        await import_aside("hyperhive.harness.nothing")


@pytest.mark.parametrize(
    ("module", "late"),
    [
        ("run", {"aiohttp", "mcp", "claude_agent_sdk", "hyperhive.harness.work"}),
        ("work", {"aiohttp", "hyperhive.harness.clones", "hyperhive.harness.proposals"}),
    ],
)
def test_what_may_not_be_needed_is_not_there_before_it(module: str, late: set[str]) -> None:
    """No hello waits for it, and who may propose nothing does without clones."""
    program = f"import sys, hyperhive.harness.{module}; print(*sys.modules.keys() & {late!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
