"""Claude Code sessions for tests: the real program, a scripted model, a directory of their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hyperhive.harness.bash_policy import Decision
from hyperhive.harness.session import Session
from hyperhive.harness.session_events import TurnOutcome
from hyperhive.harness.session_options import SessionOptions, claude_environment
from hyperhive.harness.tool_policy import Policy
from hyperhive.protocol.verbs import TurnEvent
from tests.support.scripted_model import Script, ScriptedModel

MODEL = "claude-sonnet-4-5-20250929"
OTHER_MODEL = "claude-opus-4-5-20251101"
FOR_EVER = "tail -f /dev/null"
"""A command that does not end; Claude Code refuses a plain `sleep`."""


def allow(name: str, arguments: Mapping[str, object]) -> Decision:
    return Decision(True, "allowed")


def refuse(name: str, arguments: Mapping[str, object]) -> Decision:
    return Decision(False, f"Refused: no {name} today")


@dataclass
class Bench:
    """A session, its scripted model, and the events of all its turns."""

    session: Session
    model: ScriptedModel
    events: list[TurnEvent] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        return self.session.options.workspace

    async def run(self, prompt: str = "go", model: str = MODEL) -> TurnOutcome:
        return await self.session.run(prompt, model=model, report=self.events.append)

    async def compact(self) -> TurnOutcome:
        return await self.session.compact(model=MODEL, report=self.events.append)

    def texts(self, kind: str) -> list[str]:
        return [event.text for event in self.events if event.kind == kind]


@contextlib.asynccontextmanager
async def bench(
    directory: Path, script: Script, policy: Policy = allow, **options: object
) -> AsyncIterator[Bench]:
    """`options` are those of SessionOptions; the session's process is ended at the end."""
    async with ScriptedModel(script) as model:
        session = Session(session_options(directory, model.url, **options), policy)
        try:
            yield Bench(session, model)
        finally:
            await session.release()


def session_options(directory: Path, api_url: str, **options: object) -> SessionOptions:
    for name in ("home", "workspace", "scratch"):
        (directory / name).mkdir(mode=0o700, exist_ok=True)
    environment = claude_environment(
        os.environ,
        home=directory / "home",
        scratch=directory / "scratch",
        api_url=api_url,
        credential_kind="api_key",
    )
    given: dict[str, object] = {
        "workspace": directory / "workspace",
        "scratch": directory / "scratch",
        "id_file": directory / "session-id",
        "environment": environment,
        "prompt": "You are a test.",
        "tools": ("Bash", "Read"),
        **options,
    }
    return SessionOptions(**given)  # type: ignore[arg-type]  # the dataclass's own names, by caller


def pid_of(b: Bench) -> int:
    client = b.session._client
    assert client is not None
    assert client._process.pid is not None
    return client._process.pid


def endless_commands(directory: Path) -> list[int]:
    """Pids of `FOR_EVER` in this workspace."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            argv = (entry / "cmdline").read_bytes()
            if argv.startswith(b"tail\0-f") and (entry / "cwd").resolve() == directory:
                found.append(int(entry.name))
        except OSError:
            continue
    return found
