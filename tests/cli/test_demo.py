"""`hyperhive demo` as people run it: to its end, broken off, and when it cannot go on."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Run
from tests.support.processes import Child, child
from tests.support.real_service import short_directory
from tests.support.wait import wait_until

Play = Callable[..., AbstractContextManager[Child]]


@pytest.fixture
def top() -> Iterator[Path]:
    """Where the demo makes its directory; it must leave nothing there, and no process."""
    with short_directory() as root:
        (root / "tmp").mkdir()
        for path in (root, root / "tmp"):
            path.chmod(0o755)
        yield root
        assert list((root / "tmp").iterdir()) == []
        assert processes_of(root) == []


@pytest.fixture
def demo(top: Path) -> Play:
    """Starts it as a process of its own."""

    @contextlib.contextmanager
    def start(*arguments: str, **environment: str) -> Iterator[Child]:
        without = ("ANTHROPIC_", "CLAUDE_")
        usual = {k: v for k, v in os.environ.items() if not k.startswith(without)}
        env = {**usual, "TMPDIR": str(top / "tmp"), **environment}
        with child([PROGRAM, "demo", *arguments], top / "output", env=env) as started:
            yield started

    return start


def processes_of(root: Path) -> list[str]:
    """Command lines of what has to do with this directory, by arguments or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if int(entry.name) == os.getpid():
                continue
            line = (entry / "cmdline").read_bytes()
            if str(root).encode() in line + (entry / "environ").read_bytes():
                found.append(line.replace(b"\0", b" ").decode())
    return found


def ended(started: Child, timeout: float = 60) -> int:
    return started.process.wait(timeout)


# --- a play ---


@pytest.mark.claude
def test_the_play_ends_with_the_report(demo: Play) -> None:
    with demo("--once", COLUMNS="200") as started:
        assert ended(started, 120) == 0, started.output
        output = started.output
    assert output.startswith("model: scripted (")
    assert "dashboard: http://127.0.0.1:" in output
    assert "manager   -> operator: The honey adds up to 43 kg." in output
    assert " refused" in output
    assert "here it stays as it is" in output  # nothing is built without containers
    assert re.search(
        r"^in all +\d+ turns, 10 tool calls allowed, 1 refused, ", output, re.MULTILINE
    )
    assert "Traceback" not in output


@pytest.mark.claude
@pytest.mark.parametrize(
    ("numbers", "code"),
    [([signal.SIGINT], 130), ([signal.SIGTERM], 143), ([signal.SIGINT] * 3, 130)],
    ids=["Ctrl-C", "SIGTERM", "Ctrl-C in a hurry"],
)
def test_a_play_that_is_broken_off_leaves_nothing(
    demo: Play, numbers: list[signal.Signals], code: int
) -> None:
    with demo("--once") as started:
        started.wait_for_output(" wakes for ", 60)
        for number in numbers:
            started.process.send_signal(number)
        assert ended(started) == code
        assert "Traceback" not in started.output


@pytest.mark.claude
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_demo_stays_up_until_it_is_told_to_end(demo: Play, number: signal.Signals) -> None:
    with demo() as started:
        started.wait_for_output("Ctrl-C ends the demo", 60)
        started.wait_for_output(" wakes for ", 60)
        assert started.stop(number, 60) == (0 if number == signal.SIGINT else 129)
        assert "Traceback" not in started.output


def test_one_that_is_told_to_end_while_it_starts(demo: Play) -> None:
    with demo("--once") as started:
        started.wait_for_output("model: scripted", 30)
        assert started.stop(signal.SIGTERM, 60) == 143
        assert "Traceback" not in started.output


# --- one that cannot go on ---


@pytest.mark.root
def test_agents_that_cannot_be_started(demo: Play, top: Path) -> None:
    """As with a temporary directory of root's own; its name and the remedy are told, and soon."""
    (top / "tmp").chmod(0o700)
    began = time.monotonic()
    with demo("--once") as started:
        assert ended(started) == 1
        output = started.output
    assert time.monotonic() - began < 40
    assert "Error: manager is starting: " in output.splitlines()[-1]
    assert f"{top}/tmp is closed to them" in output.splitlines()[-1]
    assert f"chmod o+x {top}/tmp" in output
    assert "the service's log:" in output


@pytest.mark.claude
def test_a_manager_that_crashes_over_and_over(demo: Play, top: Path) -> None:
    with demo("--once") as started:

        def kill_managers() -> bool:
            for entry in Path("/proc").iterdir():
                with contextlib.suppress(OSError, ValueError):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if b"hyperhive.harness" in words and f"{top}".encode() in b" ".join(words):
                        os.kill(int(entry.name), signal.SIGKILL)
            return started.process.poll() is not None

        wait_until(kill_managers, 60, "the demo to give up")
        assert started.process.returncode == 1
        output = started.output
    last = output.splitlines()[-1]
    assert last.startswith("Error: manager is quarantined: 3 crashes within 10 minutes")
    assert "the service's log:" in output


def test_a_service_that_does_not_come_up(demo: Play) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with demo("--once", f"--port={port}") as started:
            assert ended(started) == 1
            output = started.output
    assert "Error: the service did not come up:" in output
    assert f"dashboard.port: 127.0.0.1:{port}: Address already in use" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"])
def test_a_real_key_needs_a_word(demo: Play, name: str) -> None:
    with demo("--once", **{name: "sk-ant-very-secret"}) as started:
        assert ended(started) == 1
        output = started.output
    assert "--unsafe-local" in output
    assert "very-secret" not in output


# --- scenarios ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: x", "rules: is missing"),
        ("title: x\nrules: []", "rules: must have from 1"),
        ("title: x\nrules:\n- {name: a, when: {}, steps: [{sai: x}]}", "rules[0].steps[0].sai"),
        ("title: [", "line 1, column 9: "),
        ("title: &a x\nrules: *a", "line 2, column 8: aliases are not accepted"),
        ("title: x\nrules:\n- {name: a, when: {}, steps: [{say: x}]}", "operator: is missing"),
    ],
)
def test_a_mistake_in_a_scenario_is_named(
    anywhere: Run, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "play.yaml"
    path.write_text(text)
    result = anywhere("demo", "--once", f"--scenario={path}")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("hyperhive: ")
    assert result.err.count("\n") == 1
    assert "play.yaml: " in result.err
    assert said in result.err


def test_a_scenario_that_is_not_there(anywhere: Run, tmp_path: Path) -> None:
    result = anywhere("demo", f"--scenario={tmp_path / 'play.yaml'}")
    assert result.code == 1
    assert "cannot be read: No such file" in result.err
