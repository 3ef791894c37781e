"""The flake for hosts without nixpkgs: options of the product, modules put together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest

from hyperhive.protocol.bundle import AgentSettings, parse_settings
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.schema import Range, camel, fields_of
from tests.support.nix import ROOT, NixError, literal, run

pytestmark = pytest.mark.nix

FLAKE = ROOT / "nested/flake"


def evaluated(expression: str) -> Any:
    return json.loads(run("nix-instantiate", "--eval", "--strict", "--json", "-E", expression))


class Agent:
    """A tree with an agent's modules."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "agent"
        self.directory.mkdir()

    def settings(self, module: str, declared: object = None, **files: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get("settings", module, declared, **files)
        return found

    def get(self, what: str, module: str, declared: object = None, **files: str) -> Any:
        for name, text in {"agent": module, **files}.items():
            (self.directory / f"{name}.nix").write_text(text)
        given = f"{{ module = {self.directory}/agent.nix; declared = {literal(declared or {})}; }}"
        return evaluated(f"(import {FLAKE}/modules.nix {given}).{what}")


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path)


def options(cls: type, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Dotted name, and annotation, of each setting."""
    for name, (hint, _) in fields_of(cls).items():
        here = (*path, camel(name))
        if is_dataclass(hint) and isinstance(hint, type):
            yield from options(hint, here)
        else:
            yield ".".join(here), hint


def bounds(hint: Any) -> Range | None:
    if get_origin(hint) is Annotated:
        return next((m for m in get_args(hint)[1:] if isinstance(m, Range)), None)
    return next(filter(None, map(bounds, get_args(hint))), None)


BOUNDED = {name: found for name, hint in options(AgentSettings) if (found := bounds(hint))}


def test_the_options_are_those_of_the_product() -> None:
    names = (
        "let walk = path: tree: builtins.concatMap (name: let here = path ++ [ name ]; in "
        'if tree.${name} ? check then [ (builtins.concatStringsSep "." here) ] '
        "else walk here tree.${name}) (builtins.attrNames tree); "
        f"in walk [ ] (import {FLAKE}/options.nix)"
    )
    assert set(evaluated(names)) == {name for name, _ in options(AgentSettings)}


def test_numbers_have_the_same_bounds() -> None:
    assert len(BOUNDED) > 8
    checks = {}
    for name, bound in BOUNDED.items():
        for value in (bound.min, bound.max, bound.min - 1, bound.max + 1):
            checks[f"{name} {value}"] = f"options.{name}.check (builtins.fromJSON ''{value}'')"
    listed = " ".join(f"{json.dumps(key)} = {check};" for key, check in checks.items())
    found = evaluated(f"let options = import {FLAKE}/options.nix; in {{ {listed} }}")
    for name, bound in BOUNDED.items():
        results = [
            found[f"{name} {v}"] for v in (bound.min, bound.max, bound.min - 1, bound.max + 1)
        ]
        assert results == [True, True, False, False], name


def test_nothing_set_is_the_defaults(agent: Agent) -> None:
    assert agent.settings("{ }") == {}
    assert parse_settings({}) == AgentSettings()


def test_all_that_can_be_set(agent: Agent) -> None:
    module = """
      { lib, ... }: {
        hyperhive = {
          model = "opus";
          fallbackModel = null;
          allowedBash = [ "git *" ];
          allowedTools = [ "Read" ];
          allowedRecipients = [ ];
          extraMcpServers.docs = { command = "docs"; args = [ "-x" ]; env.A = "b"; };
          egress = { allow = [ "example.org:443" ]; modelSide = [ "web_search" ]; };
          notes.compactAbove = 2048;
          context.compactAt = 0.5;
          prompt = "be brief";
          healthTimeout = 30;
          limits = { memoryMax = 100000000; tasksMax = null; };
        };
      }
    """
    settings = parse_settings(agent.settings(module))
    assert settings.extra_mcp_servers["docs"].env == {"A": "b"}
    assert settings.egress.allow == ("example.org:443",)
    assert settings.limits.memory_max == 100_000_000
    assert settings.context.compact_at == 0.5


@pytest.mark.parametrize(
    ("module", "declared", "settings"),
    [
        ("{ }", {"model": "d"}, {"model": "d"}),
        ('{ hyperhive.model = "a"; }', {"model": "d"}, {"model": "a"}),
        ('{ hyperhive.allowedBash = [ "a" ]; }', {"allowedBash": ["d"]}, {"allowedBash": ["a"]}),
        ('{ lib, ... }: { hyperhive.model = lib.mkDefault "d"; }', {"model": "d"}, {"model": "d"}),
        (
            '{ imports = [ { hyperhive.model = "a"; } ]; hyperhive.model = "a"; }',
            {},
            {"model": "a"},
        ),
        (
            '{ lib, ... }: { imports = [ { hyperhive.model = "b"; } ]; '
            'hyperhive.model = lib.mkForce "a"; }',
            {},
            {"model": "a"},
        ),
        (
            '{ imports = [ { hyperhive.allowedBash = [ "b" ]; } ]; '
            'hyperhive.allowedBash = [ "a" ]; }',
            {},
            {"allowedBash": ["a", "b"]},
        ),
        (
            '{ lib, ... }: { imports = [ { hyperhive = lib.mkIf false { model = "a"; }; } ]; '
            'config.hyperhive.prompt = lib.mkIf true "p"; }',
            {},
            {"prompt": "p"},
        ),
        (
            '{ config, pkgs, lib, ... }: { hyperhive.allowedBash = lib.optional true "a" '
            '++ lib.optionals false [ "b" ]; }',
            {},
            {"allowedBash": ["a"]},
        ),
    ],
)
def test_what_counts(agent: Agent, module: str, declared: object, settings: object) -> None:
    assert agent.settings(module, declared) == settings


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (
            '{ imports = [ ./b.nix ]; hyperhive.model = "a"; }',
            "set differently by agent.nix and b.nix",
        ),
        ("{ imports = [ ./c.nix ]; }", "c.nix: `hyperhive.modle` is not known; known are"),
        ("{ config = { }; options = { }; }", "agent.nix: `options` is not known here"),
        ("{ lib, ... }: { config = lib.mkIf true { }; }", "agent.nix: `_type` is not known here"),
        ("{ hyperhive.notes = 3; }", "agent.nix: `hyperhive.notes` must be a set of options"),
        ("{ hyperhive.allowedBash = [ 1 ]; }", "must be a list of strings"),
        ("{ hyperhive.extraMcpServers.a.comand = 1; }", "must be a set of MCP servers"),
        ("{ config, ... }: { hyperhive.model = config.x; }", "`config` is not there"),
        ("{ environment.systemPackages = 1; }", "must be a list of packages"),
        ("{ imports = [ { imports = [ { imports = 1; x = 1; } ]; } ]; }", "`x` is not known here"),
        (
            "let more = n: { imports = [ (more (n + 1)) ]; }; in more 0",
            "infinite recursion encountered: modules import each other",
        ),
    ],
)
def test_what_is_said(agent: Agent, module: str, said: str) -> None:
    files = {"b": '{ hyperhive.model = "b"; }', "c": "{ hyperhive.modle = 1; }"}
    with pytest.raises(NixError) as caught:
        agent.get("packages" if "systemPackages" in module else "settings", module, **files)
    assert said in str(caught.value)


def test_what_types_do_not_say_the_product_does(agent: Agent) -> None:
    with pytest.raises(InvalidField, match="did you mean `git \\*`"):
        parse_settings(agent.settings('{ hyperhive.allowedBash = [ "git*" ]; }'))
