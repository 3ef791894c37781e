"""The examples that people copy are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.nix.agents import agent, small_nixpkgs
from tests.nix.hosts import host
from tests.support.nix import ROOT

pytestmark = pytest.mark.nixlib

PAGES = ("README.md", "docs/nixos.md")
README, NIXOS = ((ROOT / page).read_text() for page in PAGES)


def blocks(text: str) -> list[str]:
    return re.findall(r"^ *```nix\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


def configuration(text: str) -> str:
    (found,) = [block for block in blocks(text) if "credentialFile" in block]
    return found


@pytest.mark.parametrize("text", [README, NIXOS], ids=PAGES)
def test_a_configuration_to_start_with(text: str, tmp_path: Path) -> None:
    module = tmp_path / "agents/alice.nix"
    module.parent.mkdir()
    module.write_text("{ }")
    options = configuration(text).replace("./agents/alice.nix", str(module))
    # What is of the host and not of hyperhive.
    options = re.sub(r"^users\..*$", "", options, flags=re.MULTILINE)
    found = host({"credentialFile": None, "models": None}, more=f"{{ {options} }}")
    assert (found["problems"], found["warnings"]) == ([], [])
    assert found["settings"]["agents"]["alice"]["module"].endswith("-alice.nix")


def test_five_lines_are_enough() -> None:
    body = configuration(README).strip().splitlines()[1:-1]
    assert len(body) <= 5


def test_a_module_of_an_agent(tmp_path: Path) -> None:
    (module,) = [block for block in blocks(NIXOS) if "hyperhive.prompt" in block]
    nixpkgs = small_nixpkgs(tmp_path / "nixpkgs")
    pkgs = nixpkgs / "stubs/pkgs.nix"
    more = 'ripgrep = package "ripgrep" "15"; python3 = package "python3" "3.13";\n  git ='
    pkgs.write_text(pkgs.read_text().replace("git =", more, 1))
    assert agent(nixpkgs, "settings.prompt", module) == "You look after the documentation."


def test_the_dashboard_behind_a_proxy() -> None:
    (block,) = [block for block in blocks(NIXOS) if "virtualHosts" in block]
    line = next(line for line in block.splitlines() if "allowedHosts" in line)
    found = host({}, "settings.dashboard.allowedHosts", f"{{ {line} }}")
    assert found == ["https://hive.example.org"]


OTHERS = {"mkAgent", "mkDefault", "extraDependencies", "numericOwner"}
"""Words of the page that are no option of ours."""


def test_every_option_that_is_named_is_there() -> None:
    known = set(re.findall(r"\w+", (ROOT / "docs/options.md").read_text()))
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", NIXOS, flags=re.DOTALL))
    named = {word for text in quoted for word in re.findall(r"\b[a-z]+[A-Z]\w*", text)}
    assert len(named) > 12
    assert named - known - OTHERS == set()
