"""What Nix said is told apart; texts are those of Nix 2.8 and of later versions."""

from __future__ import annotations

import pytest

from hyperhive.flakes import job_verdict
from hyperhive.protocol.builds import Verb

SOURCE = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-source"
OLD_TRACE = f"""\
warning: old
trace: error: of somebody else
error: syntax error, unexpected ';'

       at {SOURCE}/agent/agent.nix:1:21:

            1| {{ hyperhive.model = ; }}
             |                     ^

       … while evaluating 'load'

       at {SOURCE}/modules.nix:62:11:

           61|   load =
             |           ^

       … from call site

       at {SOURCE}/agent/lib/b.nix:3:4:

            3|   import ./c.nix
"""
NEW_TRACE = f"""\
error:
       … while evaluating the attribute 'proposal'
         at {SOURCE}/flake.nix:25:7:
           24|     {{
       … while calling the 'import' builtin
         at {SOURCE}/agent/lib/b.nix:3:4:
            3|   import ./c.nix
             |   ^

       error: undefined variable 'x'
       at {SOURCE}/agent/agent.nix:1:21:
            1| {{ hyperhive.model = x; }}
"""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("error: syntax error, unexpected ';'", "evaluation"),
        ("error: infinite recursion encountered\n\n  at x", "recursion"),
        ("error: stack overflow (possible infinite recursion)", "recursion"),
        (
            "error:\n  … from call site\n  error: stack overflow; max-call-depth exceeded",
            "recursion",
        ),
        ("GC Warning: Out of Memory! Returning NULL!\nerror: out of memory", "memory"),
        ("error: no\n  72|  throw ''error: infinite recursion encountered''", "evaluation"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "memory"),
        ("error: cannot connect to daemon at '/nix/var/nix/daemon-socket/socket': x", "daemon"),
        ("error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': x", "daemon"),
        ("error: unexpected end-of-file", "daemon"),
        ("error: Nix daemon disconnected unexpectedly (maybe it crashed?)", "daemon"),
        ("trace: infinite recursion encountered\nerror: attribute 'x' missing", "evaluation"),
        ("", "evaluation"),
    ],
)
def test_reasons_of_evaluations(said: str, reason: str) -> None:
    assert job_verdict.reason("eval", 1, said) == reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("no\nerror: builder for '/nix/store/x.drv' failed with exit code 3;", "build"),
        ("error: building of '/nix/store/x.drv' timed out after 6 seconds", "timeout"),
        ("error: cannot connect to daemon at 'x'", "daemon"),
        ("cannot connect to daemon\nerror: builder for '/nix/store/x.drv' failed", "build"),
    ],
)
def test_reasons_of_builds(said: str, reason: str) -> None:
    assert job_verdict.reason("build", 100, said) == reason


@pytest.mark.parametrize("verb", ["eval", "build"])
def test_what_is_killed_was_too_large(verb: Verb) -> None:
    assert job_verdict.reason(verb, -9, "") == job_verdict.reason(verb, 137, "") == "memory"


@pytest.mark.parametrize("trace", [OLD_TRACE, NEW_TRACE], ids=["2.8", "later"])
def test_a_trace_shows_the_agents_own_files(trace: str) -> None:
    shown = job_verdict.explanation(trace)
    assert shown.startswith(("error: syntax error", "error: undefined variable"))
    assert "at agent.nix:1:21:" in shown
    assert "at lib/b.nix:3:4:" in shown
    for foreign in ("modules.nix", "flake.nix", "/nix/store", "somebody", "\n\n\n"):
        assert foreign not in shown


def test_an_error_without_end_has_its_begin_and_its_end() -> None:
    shown = job_verdict.explanation("error: first" + "x" * 1_000_000 + "last")
    assert len(shown) < 30_000
    assert shown.startswith("error: first")
    assert shown.endswith("last")
    assert "characters left out" in shown


def test_the_last_lines() -> None:
    assert job_verdict.last_lines("".join(f"{n}\n" for n in range(1_000))).split() == [
        str(n) for n in range(970, 1_000)
    ]


def test_warnings_come_once_each() -> None:
    said = f"warning: a\nx warning: no\nevaluation warning: {SOURCE}/agent/b.nix: c\nwarning: a\n"
    assert job_verdict.warnings(said) == ["a", "b.nix: c"]
    assert job_verdict.warnings("trace: warning: a\ntrace: a\nerror: warning: a\n") == ["a"]
    ours = "warning: ignoring the client-specified setting 'restrict-eval', because it is"
    assert job_verdict.warnings(f"{ours} a restricted one\nwarning: a\n") == ["a"]
    assert len(job_verdict.warnings("".join(f"warning: {n}\n" for n in range(1_000)))) == 100
