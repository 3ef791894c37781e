"""Exit codes, streams that end, completion, and the page about it all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperhive.cli.main import cli
from tests.cli.conftest import PROGRAM, Run
from tests.cli.test_verbs import commands
from tests.support.real_service import Swarm, short_directory
from tests.support.wait import wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()

Start = Callable[..., subprocess.Popen[bytes]]


# --- exit codes ---


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["--bogus"],
        ["status", "--bogus"],
        ["status", "surplus"],
        ["answer", "x", "y"],
        ["answer", "0", "y"],
        ["logs", "alice", "-n", "0"],
        ["logs", "alice", "-n", "1001"],
        ["events", "--after", "-1"],
        ["ask", "alice", "?", "--ttl", "soon"],
        ["demo", "--port", "70000"],
        ["debug", "bogus"],
        *[[*path] for path in commands(cli) if path[-1] in ("send", "spawn", "kill", "ack")],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(anywhere: Run, arguments: list[str]) -> None:
    result = anywhere(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert "Usage: " in result.err
    assert "Traceback" not in result.err


def test_no_verb_shows_what_there_is(anywhere: Run) -> None:
    result = anywhere()
    assert result.code == 2
    assert "Commands:" in result.err
    assert anywhere("--help").code == 0
    assert anywhere("--version").out.startswith("hyperhive, version ")


@pytest.mark.parametrize("verb", [["status"], ["events"], ["send", "a", "b"], ["debug", "leases"]])
def test_no_service_is_3(anywhere: Run, verb: list[str], tmp_path: Path) -> None:
    result = anywhere("--socket", str(tmp_path / "admin.sock"), *verb)
    assert (result.code, result.out) == (3, "")
    assert re.fullmatch(r"hyperhive: no hyperhive service answers at .*\n", result.err)
    assert "hyperhive serve" in result.err


@pytest.mark.root
def test_a_socket_of_somebody_else_is_3(service: Swarm) -> None:
    """With the mode of the socket, and with a directory that cannot be passed."""
    if any(not parent.stat().st_mode & 0o001 for parent in PROGRAM.parents):
        pytest.skip("other users cannot read this clone")
    argv = [str(PROGRAM), "--socket", str(service.root / "run" / "admin.sock"), "status"]
    done = subprocess.run(argv, user=65_534, group=65_534, capture_output=True, timeout=60)
    assert done.returncode == 3
    assert b"Permission denied" in done.stderr
    assert b"hyperhive-admin" in done.stderr
    assert b"Traceback" not in done.stderr


# --- streams ---


def test_events_go_on_until_interrupted(service: Swarm, start: Start, run: Run) -> None:
    last = run("status", "--json").json["last_event"]
    arguments = ["events", "--json", "--after", str(last)]
    with start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        run("send", "alice", "\x1b[2Jhello")
        event = json.loads(process.stdout.readline())
        assert event["seq"] == last + 1
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert b"Traceback" not in process.stderr.read()


def test_events_as_text(service: Swarm, start: Start, run: Run) -> None:
    with start("events", "--after", "0", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert re.match(rb" +1  20\d\d-.*Z  agent  ", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_an_event_that_is_not_in_the_log(run: Run) -> None:
    result = run("events", "--after", "999999")
    assert result.code == 1
    assert "no longer in the log" in result.err


@pytest.mark.parametrize("verb", [["agents"], ["status", "--json"], ["--help"]], ids=" ".join)
def test_a_reader_that_is_gone_is_no_error(start: Start, verb: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with start(*verb, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        assert process.stderr is not None
        assert (process.wait(20), process.stderr.read()) == (0, b"")


def test_a_reader_that_leaves_in_the_middle_is_no_error(start: Start, run: Run) -> None:
    """As with `hyperhive events | head -1`."""
    reader, writer = os.pipe()
    with start("events", "--after", "0", stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        os.read(reader, 10)
        os.close(reader)
        run("send", "alice", "one more event")
        assert process.stderr is not None
        assert (process.wait(20), process.stderr.read()) == (0, b"")


def test_a_terminal_that_knows_less(start: Start) -> None:
    with start(
        *("agents", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    ) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"")
    assert json.loads(out.decode("ascii"))


def test_a_service_that_goes_away_in_mid_call() -> None:
    """Told as what it is, also by what listens to events."""
    with short_directory() as root:
        swarm = Swarm(root, ("alice",))
        swarm.make_places()
        swarm.prepare()
        swarm.start()
        try:
            swarm.wait_ready()
            argv = [str(PROGRAM), f"--socket={root / 'run' / 'admin.sock'}"]
            with (
                subprocess.Popen(
                    [*argv, "debug", "recv", "alice", "--wait", "100"], stderr=subprocess.PIPE
                ) as caller,
                subprocess.Popen(
                    [*argv, "events", "--after", "0"],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                ) as listener,
            ):
                assert listener.stdout is not None
                listener.stdout.readline()
                wait_until(lambda: _calls(swarm) == 2, 20)
                swarm.kill(signal.SIGKILL)
                for process in (caller, listener):
                    assert process.wait(20) == 3
                    assert process.stderr is not None
                    said = process.stderr.read().decode()
                    assert said.startswith("hyperhive: no hyperhive service answers at ")
                    assert said.count("\n") == 1
        finally:
            swarm.kill()


def _calls(swarm: Swarm) -> int:
    """Connections to the admin socket that the service has open (proc_net_unix(5))."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    path = str(swarm.root / "run" / "admin.sock")
    return sum(line.endswith(path) and line.split()[5] == "03" for line in lines)


# --- completion, and the page ---


def test_completion_knows_the_verbs() -> None:
    environment = {
        **os.environ,
        "_HYPERHIVE_COMPLETE": "bash_complete",
        "COMP_WORDS": "hyperhive app",
        "COMP_CWORD": "1",
    }
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["plain,approvals", "plain,approve"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_had_as_the_page_says(shell: str) -> None:
    assert f"{shell}_source" in PAGE
    environment = {**os.environ, "_HYPERHIVE_COMPLETE": f"{shell}_source"}
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert "_HYPERHIVE_COMPLETE" in done.stdout


def test_the_page_names_every_verb_and_nothing_else() -> None:
    named = {
        tuple(word for word in text.split() if word.islower() and "[" not in word)
        for text in re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
    }
    assert named == set(commands(cli))


def test_the_page_names_every_exit_code() -> None:
    assert set(re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)) == {"0", "1", "2", "3", "130"}


def test_every_verb_has_help(anywhere: Run) -> None:
    for path in commands(cli):
        result = anywhere(*path, "--help")
        assert result.code == 0
        assert result.out.startswith(f"Usage: hyperhive {' '.join(path)} ")
        assert len(result.out.splitlines()[2].strip()) > 10, path


def test_it_runs_as_a_module_too() -> None:
    argv = [sys.executable, "-m", "hyperhive.cli", "--version"]
    assert subprocess.run(argv, capture_output=True, timeout=60).returncode == 0
