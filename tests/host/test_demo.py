"""The demo as root: a host of its own, every agent in a container, and nothing left of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperhive.demo.scenario import SCENARIOS
from nested import nix
from tests.host.conftest import CLONE
from tests.support.processes import Child, child
from tests.support.wait import wait_until

pytestmark = pytest.mark.claude

BEGUN = "wakes for 1 message"
UP = "Ctrl-C ends the demo"
PLACE = "hyperhive-nested-"
"""In the names of directories of nested hosts, which only they themselves mount on."""
DEMO = ("/usr/bin/python3", "-m", "nested", "demo", str(CLONE), sys.executable)
PATH = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}


def mounted() -> list[str]:
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if PLACE in line]


def once(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, "--once", *arguments],
        cwd=CLONE,
        env={**PATH, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextlib.contextmanager
def staying(log: Path, *before: str) -> Iterator[Child]:
    with child([*before, *DEMO], log, env=PATH, cwd=CLONE) as started:
        started.wait_for_output(UP, 60)
        yield started


def systemctl(demo: Child, *arguments: str) -> None:
    """In the demo's host, which says where its root directory is seen."""
    found = re.search(r"--socket=/proc/(\d+)/root", demo.output)
    assert found
    enter = ["nsenter", f"--target={found[1]}", "--all"]
    subprocess.run([*enter, "systemctl", *arguments], check=True, timeout=60)


def ask_for_help(demo: Child) -> None:
    """With the command line that it has told."""
    found = re.search(r"^command line: (.*) VERB$", demo.output, re.M)
    assert found
    subprocess.run([*found[1].split(), "send", "manager", "help"], check=True, timeout=60)


def test_it_plays_the_whole_scenario_in_containers() -> None:
    done = once(COLUMNS="200")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "runtime: nspawn" in lines
    assert any(line.endswith("manager   started") for line in lines), "a unit of its own"
    assert any(line.endswith("clerk     started") for line in lines)
    assert any("clerk" in line and BEGUN in line for line in lines), "Claude Code in a container"
    assert any("1 refused" in line for line in lines), "the allow-list holds there"
    changed_and_changed_back(done.stdout)
    assert not mounted()


def changed_and_changed_back(output: str) -> None:
    """As told, in this order; where Nix is, agents are built, and changed without a restart."""
    if not nix.DAEMON.exists():
        assert "here it stays as it is" in output
        return
    at = 0
    for pattern in (
        r"clerk +wakes for 1 message \(claude-haiku-5-5\)",
        r"clerk +x Bash refused: `awk ",
        r"manager +-> operator: The honey adds up to 43 kg",
        r"manager +> Bash git -C agents/clerk commit",
        r"manager +> request_apply_commit agent clerk",
        r"approval 4 \(apply_commit clerk\) is pending",
        r"operator +looks at approval 4, which changes agent\.nix\n +wider: allowedBash awk \*",
        r"other: model haiku -> sonnet",
        r"approval 4 \(apply_commit clerk\) is running",
        r"deploy 4 of [0-9a-f]{12}: done",
        r"clerk +wakes for 1 message \(claude-sonnet-5-5\)",
        r"clerk +> Bash awk .*\n.*clerk +(= )?43\n",
        r"operator +looks at approval 5, which changes agent\.nix\n +wider: extraMcpServers",
        r"deploy 5 of [0-9a-f]{12}: rolled back: MCP server calculator: ",
        r"system +-> manager: rolled_back: agent clerk, .* tag failed/5, note MCP server",
        r"manager +> Bash git -C agents/clerk show .* failed/5\n.* = tag failed/5\n",
        r"manager +-> operator: That is all\. The clerk has checked its total: awk says 43 kg too",
    ):
        found = re.compile(pattern).search(output, at)
        assert found, f"{pattern} in {output[at:]}"
        at = found.start()
    assert len(re.findall(r"clerk +started$", output, re.M)) == 1


def test_it_plays_a_scenario_of_the_directory_it_was_called_from(tmp_path: Path) -> None:
    play = (SCENARIOS / "swarm.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(re.sub("^title: .*", "title: Mine", play, flags=re.M))
    done = once("--scenario", "mine.yaml", HIVE_CALLED_FROM=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("model: scripted (Mine)\n")


@pytest.mark.parametrize("form", ["--scenario={}", "--scenario {}"])
def test_a_mistake_in_a_scenario_is_named(tmp_path: Path, form: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("title: [")
    done = once(*form.format(path).split())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hyperhive: mine.yaml: line 1, column 9: ")


def test_a_scenario_that_is_not_there(tmp_path: Path) -> None:
    done = once("--scenario=mine.yaml", HIVE_CALLED_FROM=str(tmp_path))
    said = f"hive: {tmp_path}/mine.yaml: cannot be read: No such file or directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_a_restarted_service_goes_on_and_one_that_stays_away_ends_it(tmp_path: Path) -> None:
    with staying(tmp_path / "output") as demo:
        demo.wait_for_output("manager   started", 30)
        systemctl(demo, "restart", "hyperhive")
        ask_for_help(demo)
        demo.wait_for_output("I am a scripted model", 30)
        systemctl(demo, "stop", "hyperhive")
        assert demo.process.wait(60) == 1
        assert "the service ended by itself; its log:" in demo.output


@pytest.mark.parametrize("before", [(), ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")])
def test_sigint_to_it_alone_ends_it(tmp_path: Path, before: tuple[str, ...]) -> None:
    """Also where it is ignored, as in the background of a script."""
    with staying(tmp_path / "output", *before) as demo:
        began = len(demo.output)
        assert demo.stop(signal.SIGINT, 30) == 0
        assert "Traceback" not in demo.output[began:]
    wait_until(lambda: not hosts_of(demo.pid), 5, "nothing left of it")


def hosts_of(pid: int) -> list[str]:
    return [name for name in os.listdir("/tmp") if name.startswith(f"{PLACE}{pid}-")]
