"""Pytest plugin for tiers: what cannot run here is reported, or with `--require` refused."""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from nested.host import NEEDS as NESTED_NEEDS
from tests.support import nix

Probe = Callable[[], str | None]

MCP1_PYTHON = Path(__file__).parents[2] / ".venv-mcp1" / "bin" / "python"
"""Of an environment like this one, but with mcp 1.x; `./hive test` sets it up."""


def _probe_claude() -> str | None:
    spec = importlib.util.find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        return "the package claude-agent-sdk is not installed"
    bundled = Path(spec.origin).parent / "_bundled" / "claude"
    program = str(bundled) if bundled.exists() else shutil.which("claude")
    if program is None:
        return "no Claude Code program in claude-agent-sdk nor on PATH"
    return _try_out(program, "--version")


def _probe_browser() -> str | None:
    if importlib.util.find_spec("playwright") is None:
        return "the package playwright is not installed"
    return None if shutil.which("chromium") else "no program chromium on PATH"


def _probe_root() -> str | None:
    return None if os.geteuid() == 0 else "needs uid 0"


def _probe_powercut() -> str | None:
    return _try_ext4([], "loop")


def _probe_quota() -> str | None:
    """Few kernels are built without project quotas, and none of them mounts this."""
    return _try_ext4(["-O", "quota,project", "-E", "quotatype=prjquota"], "loop,prjquota")


def _try_ext4(features: list[str], options: str) -> str | None:
    """Makes and mounts a small ext4 image: containers often lack loop devices or may not mount."""
    if reason := _probe_root():
        return reason
    with tempfile.TemporaryDirectory() as directory:
        image, target = Path(directory, "image"), Path(directory, "target")
        target.mkdir()
        with image.open("wb") as file:
            file.truncate(8 << 20)
        if reason := _try_out("mkfs.ext4", "-q", *features, str(image)):
            return reason
        if reason := _try_out("mount", "-o", options, str(image), str(target)):
            return reason
        return _try_out("umount", str(target))


def _probe_cgroups() -> str | None:
    """Containers are limited through the unified tree, which lacks what an older one has taken."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            there = Path(line.split()[4], "cgroup.controllers").read_text().split()
            missing = {"memory", "pids"} - set(there)
            return f"not in the unified tree: {', '.join(sorted(missing))}" if missing else None
    return "no cgroup2 is mounted"


def _probe_crash() -> str | None:
    return None if sys.platform == "linux" else "needs /proc of Linux"


def _probe_mcp1() -> str | None:
    if not MCP1_PYTHON.exists():
        return f"no {MCP1_PYTHON}, which ./hive test sets up"
    code = "import mcp, pytest; from importlib.metadata import version as v; print(v('mcp'))"
    return _try_out(str(MCP1_PYTHON), "-c", code)


def _probe_host() -> str | None:
    """A whole nested host would take seconds: this looks for its programs and namespaces."""
    if reason := _probe_root():
        return reason
    if missing := [name for name in NESTED_NEEDS if not shutil.which(name)]:
        return f"not on PATH: {', '.join(missing)}"
    if importlib.util.find_spec("gi") is None or importlib.util.find_spec("pydbus") is None:
        return "the packages pydbus and gi are not there"
    return _try_out("unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "true")


def _probe_host13() -> str | None:
    systemd = Path("/var/cache/hyperhive/debian-13/usr/lib/systemd/systemd")
    return _probe_host() or (None if systemd.exists() else f"no {systemd}, ./hive test makes it")


def _try_out(*argv: str) -> str | None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{argv[0]}: {error}"
    return f"{argv[0]}: {done.stderr.strip()}" if done.returncode else None


TIERS: dict[str, Probe] = {
    "browser": functools.cache(_probe_browser),
    "cgroups": functools.cache(_probe_cgroups),
    "claude": functools.cache(_probe_claude),
    "crash": functools.cache(_probe_crash),
    "host": functools.cache(_probe_host),
    "host13": functools.cache(_probe_host13),
    "mcp1": functools.cache(_probe_mcp1),
    "nix": functools.cache(nix.missing),
    "nixlib": functools.cache(nix.missing_library),
    "powercut": functools.cache(_probe_powercut),
    "quota": functools.cache(_probe_quota),
    "root": functools.cache(_probe_root),
}

_missing = pytest.StashKey[dict[str, Counter[str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        default="",
        metavar="TIER,...",
        help="fail when one of these tiers cannot run or has no test: " + ", ".join(TIERS),
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_missing] = {}


def pytest_sessionstart(session: pytest.Session) -> None:
    for tier in _required(session.config):
        if tier not in TIERS:
            raise pytest.UsageError(f"--require: no tier {tier!r}; there are: {', '.join(TIERS)}")
        if reason := TIERS[tier]():
            raise pytest.UsageError(f"--require: tier {tier} cannot run: {reason}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for tier in _tiers(item):
            if reason := TIERS[tier]():
                item.add_marker(pytest.mark.skip(f"not run: {reason}"))
                config.stash[_missing].setdefault(tier, Counter())[reason] += 1


def pytest_collection_finish(session: pytest.Session) -> None:
    """Who names paths knows what is in them; a whole run must have a test of each required tier."""
    if session.config.args_source is pytest.Config.ArgsSource.ARGS:
        return
    found = {tier for item in session.items for tier in _tiers(item)}
    if absent := [tier for tier in _required(session.config) if tier not in found]:
        raise pytest.UsageError(f"--require: no test collected of: {', '.join(absent)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test of a required tier may not leave by `pytest.skip` either.

    One that needs another tier, too, which is not required and cannot run, is not run.
    """
    report = yield
    required = [tier for tier in _tiers(item) if tier in _required(item.config)]
    excused = any(TIERS[tier]() for tier in _tiers(item))
    if report.skipped and required and not excused and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but tier {required[0]} is required: {report.longreprtext}"
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    missing = config.stash[_missing]
    if missing:
        terminalreporter.section("not run")
    for tier, reasons in sorted(missing.items()):
        for reason, count in reasons.items():
            terminalreporter.line(f"{tier}: {count} test{'s'[: count > 1]}: {reason}")


def _tiers(item: pytest.Item) -> list[str]:
    return [tier for tier in TIERS if item.get_closest_marker(tier)]


def _required(config: pytest.Config) -> list[str]:
    return [tier for tier in config.getoption("--require").split(",") if tier]
