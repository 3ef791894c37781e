"""The program of a job, with a stand-in for Nix; the real one runs in tests/host."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hyperhive.flakes import job as program
from hyperhive.flakes import job_closure, job_offline
from hyperhive.flakes.jobs import Job, Jobs
from hyperhive.protocol.builds import (
    MAX_LOG,
    Closure,
    Request,
    parse_built,
    parse_evaluation,
)
from hyperhive.protocol.errors import BuildFailed, InvalidField
from tests.support.wait import wait_until

HASH = "0123456789abcdfghijklmnpqrsvwxyz"
DRV = f"/nix/store/{HASH}-alice-bundle.drv"
BUNDLE = f"/nix/store/{HASH}-alice-bundle"
PROPOSAL = {"drvPath": DRV, "settings": {"model": "opus"}, "system": f"/nix/store/{HASH}-system"}
SAYS = "echo 'warning: old' >&2; echo '{}'"


class Bench:
    def __init__(self, directory: Path) -> None:
        self.programs = directory / "bin"
        self.programs.mkdir()
        (directory / "jobs").mkdir()
        self._jobs = Jobs(directory / "jobs")

    def nix(self, script: str) -> None:
        for name in ("nix", "nix-store"):
            path = self.programs / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    def job(self, **changes: Any) -> Job:
        request = Request(**{"verb": "eval", "agent": "alice", "seconds": 20, **changes})
        return self._jobs.make(1, request)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}:/usr/bin:/bin")
    return made


async def failure(job: Job) -> tuple[str, str]:
    with pytest.raises(BuildFailed) as caught:
        parse_evaluation(await program.answer(job.path))
    return caught.value.reason, caught.value.message


async def test_an_evaluation(bench: Bench) -> None:
    bench.nix(SAYS.format(json.dumps(PROPOSAL)))
    job = bench.job()
    found = parse_evaluation(await program.answer(job.path))
    assert (found.drv, found.settings.model, found.warnings) == (DRV, "opus", ("old",))
    assert (job.out / "log").read_text() == "warning: old\n"


async def test_a_proposal_is_compared_with_what_runs(bench: Bench) -> None:
    """With the options of the evaluation, and nothing of it in the log."""
    queries = """case "$*" in
        *--requisites*) echo $3; echo "$NIX_CONFIG" >&2 ;;
        *--size*) echo 5 ;;
        eval*) %s ;;
    esac"""
    bench.nix(queries % SAYS.format(json.dumps(PROPOSAL)))
    job = bench.job(compare=True, running=f"/nix/store/{HASH}-older")
    assert parse_evaluation(await program.answer(job.path)).closure == Closure(
        built=True, added=("system",), removed=("older",), size_before=5, size_after=5
    )
    assert (job.out / "log").read_text() == "warning: old\n"


@pytest.mark.parametrize("offline", [True, False])
async def test_what_cannot_be_built_offline_is_warned_of_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    wanted = {DRV: "http://x/\u202e"}  # of a derivation's file, which is not here
    monkeypatch.setattr(job_offline, "fetches", lambda planned: wanted[planned[0]])
    plan = f"*--dry-run*) printf 'this derivation will be built:\\n  {DRV}\\n' >&2 ;;"
    bench.nix(f'case "$*" in {plan} eval*) {SAYS.format(json.dumps(PROPOSAL))} ;; esac')
    job = bench.job(compare=True, offline=offline)
    *foreseen, old = parse_evaluation(await program.answer(job.path)).warnings
    assert old == "old"
    assert [text[:15] for text in foreseen] == (["http://x/\ufffd woul"] if offline else [])


@pytest.mark.parametrize("store", ["exit 1", "kill -9 $$", "echo nonsense", "yes", "sleep 100"])
async def test_a_proposal_that_cannot_be_compared_is_none_the_worse(
    bench: Bench, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_closure, "SECONDS", 1 if store == "sleep 100" else 20)
    says = SAYS.format(json.dumps(PROPOSAL))
    bench.nix(f'[ "${{0##*/}}" = nix ] || {{ {store}; }} && {{ {says}; }}')
    found = parse_evaluation(await program.answer(bench.job(compare=True).path))
    assert (found.drv, found.warnings, found.closure) == (DRV, ("old",), None)


async def test_nothing_is_compared_that_is_no_system(bench: Bench) -> None:
    bench.nix(SAYS.format(json.dumps({**PROPOSAL, "system": "--option"})) + '; echo "$*" >&2')
    job = bench.job(compare=True)
    with pytest.raises(InvalidField, match=r"result\.system"):
        parse_evaluation(await program.answer(job.path))
    assert "--query" not in (job.out / "log").read_text()


async def test_a_build_is_what_its_root_points_to(bench: Bench) -> None:
    bench.nix(f"""[ "$2" = --dry-run ] || ln -s {BUNDLE} "$4" && echo "$@" >&2""")
    job = bench.job(verb="build", drv=DRV)
    assert parse_built(await program.answer(job.path)).bundle == BUNDLE
    said = f"--realise {DRV} --add-root {job.out}/result --indirect --timeout 20\n"
    assert (job.out / "log").read_text() == said


async def test_a_build_that_leaves_nothing(bench: Bench) -> None:
    bench.nix("exit 0")
    assert (await failure(bench.job(verb="build", drv=DRV)))[0] == "daemon"


async def test_nix_gets_fixed_settings_and_an_empty_home(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIX_PATH", "secret")
    monkeypatch.setenv("NIX_CONFIG", "restrict-eval = false")
    bench.nix('env >&2; ls -A "$HOME" >&2; echo "args: $*" >&2; exit 1')
    job = bench.job()
    await failure(job)
    log = (job.out / "log").read_text()
    for setting in (
        "accept-flake-config = false",
        "allow-import-from-derivation = false",
        "pure-eval = true",
        "restrict-eval = true",
        "flake-registry = \n",
        "substituters = \n",
        f"allowed-uris = path:/nix/store/ path:{job.path}/in/flake\n",
        "NIX_REMOTE=daemon",
        "NIX_USER_CONF_FILES=/dev/null",
    ):
        assert setting in log
    assert (
        f"args: eval --json --offline --no-update-lock-file path:{job.path}/in/flake#proposal"
        in log
    )
    assert "secret" not in log
    assert "restrict-eval = false" not in log


async def test_online_caches_of_the_host_are_used(bench: Bench) -> None:
    bench.nix('env >&2; echo "args: $*" >&2; exit 1')
    job = bench.job(offline=False)
    await failure(job)
    log = (job.out / "log").read_text()
    assert "substitut" not in log
    assert "--offline" not in log


async def test_an_error_is_told(bench: Bench) -> None:
    bench.nix(r"printf 'error: \033[31mno\033[0m\000\n' >&2; exit 1")
    assert await failure(bench.job()) == ("evaluation", "error: no\ufffd")


async def test_it_has_its_time(bench: Bench) -> None:
    bench.nix("echo begun >&2; sleep 100")
    assert await failure(bench.job(seconds=1)) == (
        "timeout",
        "nix took longer than 1 s\nbegun",
    )


async def test_a_log_without_end_is_ended(bench: Bench) -> None:
    bench.nix("yes 'a line of the log' >&2")
    job = bench.job()
    reason, text = await failure(job)
    assert reason == "output"
    assert text.startswith(f"it wrote more than {MAX_LOG} bytes\n")
    assert (job.out / "log").stat().st_size < MAX_LOG + 100
    assert (job.out / "log").read_text().endswith("\nended: it wrote more than this\n")


async def test_settings_without_end_are_refused(bench: Bench) -> None:
    bench.nix("yes '{'")
    assert (await failure(bench.job()))[0] == "output"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"allowedBash": ["git*"]}, "error: hyperhive.allowedBash[0]: `git*`"),
        ({"modle": "x"}, "error: hyperhive.modle: is not known"),
        (None, "error: hyperhive: must be a mapping"),
    ],
)
async def test_what_types_cannot_say_is_an_error_of_the_configuration(
    bench: Bench, settings: object, said: str
) -> None:
    bench.nix(SAYS.format(json.dumps({**PROPOSAL, "settings": settings}).replace("'", "")))
    reason, text = await failure(bench.job())
    assert reason == "evaluation"
    assert text.startswith(said)


async def test_another_flakes_proposal(bench: Bench) -> None:
    bench.nix(SAYS.format('{"settings": {}}'))
    assert await failure(bench.job()) == (
        "evaluation",
        "error: the flake's `proposal` has no 'drvPath'",
    )


async def test_no_nix(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(bench.programs))
    assert await failure(bench.job()) == (
        "daemon",
        "nix cannot be started: No such file or directory",
    )


@pytest.mark.parametrize(
    "request_",
    [
        "",
        "[]",
        '{"verb": "eval"}',
        '{"verb":"build","agent":"a","seconds":5}',
        f'{{"verb":"build","agent":"a","seconds":5,"drv":"{DRV}","compare":true}}',
        f'{{"verb":"eval","agent":"a","seconds":5,"running":"{BUNDLE}"}}',
    ],
)
async def test_what_is_not_asked_as_it_should_be(bench: Bench, request_: str) -> None:
    job = bench.job()
    (job.path / "in/request.json").write_text(request_)
    assert (await failure(job))[0] == "job"


def test_told_to_end_it_ends_nix_and_says_so(bench: Bench) -> None:
    bench.nix("echo $$ >&2; exec sleep 100")
    job = bench.job()
    lines = (
        "import sys; from pathlib import Path; from hyperhive.flakes import job",
        "job.JOBS = Path(sys.argv[1]); job.main(['1'])",
    )
    argv = [sys.executable, "-c", "; ".join(lines), str(job.path.parent)]
    with subprocess.Popen(argv) as process:
        log = job.out / "log"
        wait_until(lambda: log.exists() and log.read_text().endswith("\n"), 10)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert not Path("/proc", log.read_text().strip()).exists()
    assert json.loads((job.out / "result.json").read_text())["reason"] == "stopped"


@pytest.mark.parametrize("arguments", [[], ["1", "2"], ["x"], ["../1"], ["1234567890123"], ["1\n"]])
def test_only_a_number_is_a_job(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(arguments) == 64
    assert "usage" in capsys.readouterr().err
