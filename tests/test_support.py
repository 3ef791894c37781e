"""The test support itself: leaks are found, no tier is skipped silently, waiting ends."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.net import free_port, short_directory
from tests.support.processes import child
from tests.support.wait import wait_for, wait_until

ROOT = Path(__file__).parent.parent

InnerRun = Callable[..., pytest.RunResult]

LEAVES_THINGS = """
    import asyncio, subprocess, threading

    kept = []

    async def test_task():
        kept.append(asyncio.create_task(asyncio.sleep(60), name="lost-task"))

    async def test_exception():
        async def fail():
            raise ValueError("lost-exception")
        asyncio.create_task(fail())

    def test_process():
        kept.append(subprocess.Popen(["sleep", "1001"]))

    async def test_async_process():
        kept.append(await asyncio.create_subprocess_exec("sleep", "1002"))

    def test_orphan():
        subprocess.run(["sh", "-c", "sleep 1003 >/dev/null 2>&1 &"], check=True)

    def test_thread():
        threading.Thread(target=lambda: threading.Event().wait(3), name="lost-thread").start()
"""

LEAVES_NOTHING = """
    import asyncio, subprocess, threading

    async def test_task():
        task = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        task.cancel()

    async def test_process():
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()

    def test_killed_process():
        with subprocess.Popen(["sleep", "1004"]) as process:
            process.kill()

    def test_thread():
        threading.Thread(target=lambda: None).start()
"""

TIERS = """
    pytest_plugins = ["tests.support.tiers"]

    def pytest_configure():
        from tests.support import tiers
        can = lambda: None
        tiers.TIERS = {"here": can, "away": lambda: "no such device", "empty": can}
"""

TIERED = """
    import pytest

    @pytest.mark.here
    def test_here():
        pass

    @pytest.mark.here
    def test_gives_up():
        pytest.skip("not in the mood")

    @pytest.mark.away
    def test_away():
        raise AssertionError("ran")
"""


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> InnerRun:
    """Runs pytest on a project of its own, with the settings that matter of ours."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        "filterwarnings = error\naddopts = --strict-markers\n"
        "markers =\n  here: runs\n  away: cannot\n  empty: has no test\n"
    )

    def run(conftest: str, tests: str, *arguments: str) -> pytest.RunResult:
        pytester.makeconftest(conftest)
        pytester.makepyfile(tests)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return run


def test_what_a_test_leaves_behind_fails_it(inner: InnerRun) -> None:
    result = inner('pytest_plugins = ["tests.support.leaks"]', LEAVES_THINGS)
    result.assert_outcomes(passed=6, errors=6)
    result.stdout.fnmatch_lines_random(
        [
            "*task lost-task*",
            "*lost-exception*",
            "*process *: sleep 1001",
            "*process *: sleep 1002",
            "*process *: sleep 1003",
            "*thread lost-thread",
        ]
    )


def test_what_ends_in_time_is_not_left_behind(inner: InnerRun) -> None:
    result = inner('pytest_plugins = ["tests.support.leaks"]', LEAVES_NOTHING)
    result.assert_outcomes(passed=4)


@pytest.mark.root
def test_a_mount_left_behind_fails_the_test(inner: InnerRun, tmp_path: Path) -> None:
    tests = f"""
        import subprocess

        def test_mount():
            subprocess.run(["mount", "-t", "tmpfs", "none", {str(tmp_path)!r}], check=True)
    """
    try:
        result = inner('pytest_plugins = ["tests.support.leaks"]', tests)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*mount {tmp_path}"])


def test_a_tier_that_cannot_run_is_listed(inner: InnerRun) -> None:
    result = inner(TIERS, TIERED)
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*= not run =*", "away: 1 test: no such device"])


def test_a_required_tier_that_cannot_run_fails_up_front(inner: InnerRun) -> None:
    result = inner(TIERS, TIERED, "--require", "here,away")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*tier away cannot run: no such device"])
    result.stdout.no_fnmatch_line("*passed*")


def test_a_required_tier_without_tests_fails(inner: InnerRun) -> None:
    result = inner(TIERS, TIERED, "--require", "empty")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no test collected of: empty"])


def test_named_paths_need_not_hold_a_required_tier(inner: InnerRun) -> None:
    tests = "def test_plain(): pass"
    result = inner(TIERS, tests, "--require", "empty", ".")
    result.assert_outcomes(passed=1)


def test_a_required_tier_may_not_skip(inner: InnerRun) -> None:
    result = inner(TIERS, TIERED, "--require", "here")
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*tier here is required*not in the mood*"])


def test_a_required_tier_does_not_require_others(inner: InnerRun) -> None:
    tests = """
        import pytest

        @pytest.mark.here
        @pytest.mark.away
        def test_both():
            raise AssertionError("ran")
    """
    result = inner(TIERS, tests, "--require", "here")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["away: 1 test: no such device"])


def test_an_unknown_tier_is_refused(inner: InnerRun) -> None:
    result = inner(TIERS, TIERED, "--require", "heer")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no tier 'heer'; there are: here, away, empty"])


async def test_wait_for_returns_what_it_waited_for() -> None:
    values = iter([0, "", "there"])
    assert await wait_for(lambda: next(values)) == "there"


async def test_wait_for_takes_an_async_predicate() -> None:
    values = iter([None, 7])

    async def look() -> int | None:
        return next(values)

    assert await wait_for(look) == 7


async def test_wait_for_says_what_never_came() -> None:
    with pytest.raises(AssertionError, match=r"waited 0\.02 s for mail; last seen: \[\]"):
        await wait_for(list, timeout=0.02, what="mail")


def test_wait_until_ends_too() -> None:
    with pytest.raises(AssertionError, match=r"for dict; last seen: \{\}"):
        wait_until(dict, timeout=0.02)


def test_a_free_port_can_be_bound() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert server.getsockname()[1] > 0


def test_a_short_directory_is_short_and_goes_away() -> None:
    with short_directory() as directory:
        assert len(str(directory)) < 20
        (directory / "file").touch()
    assert not directory.exists()


def test_a_child_and_its_children_are_gone_at_the_end(tmp_path: Path) -> None:
    with child(["sh", "-c", "sleep 1005 & echo started; wait"], tmp_path / "log") as running:
        running.wait_for_output("started")
    assert running.process.returncode == -signal.SIGKILL
    with pytest.raises(AssertionError):
        wait_until(lambda: "sleep\x001005" in commands(), timeout=0.1)


def test_a_child_that_ends_early_shows_its_output(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    too_early = pytest.raises(AssertionError, match="ended with 1 before 'ready':\nno such thing")
    with child(argv, tmp_path / "log") as running, too_early:
        running.wait_for_output("ready")


def commands() -> str:
    return "\n".join(
        file.read_text(errors="replace") for file in Path("/proc").glob("[0-9]*/cmdline")
    )
