"""A turn in the warm session, beside one Claude process per turn."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.hive import MODEL
from bench.result import Result, median, ms
from hyperhive.demo import model, scenario
from hyperhive.harness.bash_policy import Decision
from hyperhive.harness.session import Session
from hyperhive.harness.session_options import SessionOptions, claude_environment

WARM, COLD = 40, 8
SCENARIO = b"""
title: Nothing to do
pace: {chunk: 10000, interval_ms: 0}
rules:
  - name: never
    when: {kind: operator, contains: no message has this}
    steps: [{say: never}]
"""


async def run() -> list[Result]:
    async with model.serve(scenario.loads(SCENARIO)) as url:
        with tempfile.TemporaryDirectory(prefix="turn-bench-") as name:
            warm = await _warm(Path(name), url)
            cold = await _cold(Path(name), url)
    return [
        Result(
            "a turn, warm session: one process a turn",
            ms(median(warm)),
            ms(median(cold)),
            f"{median(warm) / median(cold):.3f}",
            "under 0.1",
            median(warm) < median(cold) / 10,
        )
    ]


def _environment(root: Path, url: str) -> dict[str, str]:
    for name in ("home", "workspace", "scratch"):
        (root / name).mkdir(exist_ok=True, mode=0o700)
    return claude_environment(
        os.environ,
        home=root / "home",
        scratch=root / "scratch",
        api_url=url,
        credential_kind="api_key",
    )


def _refuse(name: str, arguments: Mapping[str, object]) -> Decision:
    return Decision(False, f"no {name} here")


async def _warm(root: Path, url: str) -> list[float]:
    options = SessionOptions(
        workspace=root / "workspace",
        scratch=root / "scratch",
        id_file=root / "session-id",
        environment=_environment(root, url),
        prompt="You are measured.",
        tools=("Bash",),
    )
    session = Session(options, _refuse)
    try:
        await session.run("first", model=MODEL, report=lambda event: None)
        times = []
        for _ in range(WARM):
            begun = time.perf_counter()
            await session.run("next", model=MODEL, report=lambda event: None)
            times.append(time.perf_counter() - begun)
        return times
    finally:
        await session.release()


async def _cold(root: Path, url: str) -> list[float]:
    program = _claude()
    times = []
    for number in range(COLD + 1):
        begun = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(program, "-p", "next", "--model", MODEL, "--setting-sources", ""),
            *(["--continue"] if number else []),
            cwd=root / "workspace",
            env=_environment(root, url),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        if await process.wait() != 0:
            raise RuntimeError("claude -p failed")
        if number:  # the first one sets its home up
            times.append(time.perf_counter() - begun)
    return times


def _claude() -> str:
    import claude_agent_sdk

    bundled = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
    if not bundled.exists():
        sys.exit("the agent SDK here carries no Claude Code")
    return str(bundled)
