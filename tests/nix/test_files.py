"""Every Nix file parses, is short, and the flake around them shows what it has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hyperhive import __version__
from tests.support.nix import ROOT, evaluate, library, run

FILES = sorted(
    path
    for pattern in ("*.nix", "nix/**/*.nix", "nixos-tests/**/*.nix", "tests/nix/**/*.nix")
    for path in ROOT.glob(pattern)
)
MAX_LINES = 300
EVAL = ("nix", "eval", "--impure")
IMPORTS = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])
# What finds this clone whatever the path says.
sys.meta_path = [finder for finder in sys.meta_path if "__editable__" not in finder.__module__]
import hyperhive.harness.run
print(hyperhive.__file__)
others = (f"hyperhive.{name}" for name in ("hive", "cli", "nspawn", "service"))
print(*filter(importlib.util.find_spec, others))
"""


@pytest.mark.nix
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_parses(path: Path) -> None:
    run("nix-instantiate", "--parse", path)


def test_files_keep_to_their_budget_and_say_what_they_are() -> None:
    assert len(FILES) > 25
    for path in FILES:
        lines = path.read_text().splitlines()
        assert len(lines) <= MAX_LINES, path
        assert not any(line.endswith(" ") or "\t" in line for line in lines), path
    bare = {"flake.nix", "overlay.nix", "packages.nix"}
    told = [path for path in FILES if path.read_text().startswith("# ") or path.name in bare]
    assert set(FILES) - set(told) - set(ROOT.glob("tests/nix/stubs/agents/*/*")) == set()


@pytest.mark.nixlib
def test_the_flake_has_its_outputs(tmp_path: Path) -> None:
    """Those that need no package; the others are in checks, which run with a whole nixpkgs."""
    nixpkgs = tmp_path / "nixpkgs"
    nixpkgs.mkdir()
    (nixpkgs / "flake.nix").write_text(f"{{ outputs = _: {{ lib = import {library()}; }}; }}")
    copy = tmp_path / "copy"
    files = ["flake.nix", "module.nix", "agent.nix", "nix"]
    copy.mkdir()
    subprocess.run(["cp", "-R", *files, copy], cwd=ROOT, check=True)
    flake = copy / "flake.nix"
    flake.write_text(re.sub('url = ".*"', f'url = "path:{nixpkgs}"', flake.read_text()))
    run("nix", "flake", "lock", f"path:{copy}")
    names = "builtins.mapAttrs (_: builtins.attrNames)"
    found = json.loads(
        run(*EVAL, "--json", "--expr", f'{names} (builtins.getFlake "path:{copy}").outputs')
    )
    systems = ["aarch64-linux", "x86_64-linux"]
    assert found == {
        "nixosModules": ["agent", "default"],
        "lib": ["mkAgent", "optionDocs"],
        "overlays": ["default"],
        **dict.fromkeys(("packages", "apps", "devShells", "checks"), systems),
    }
    docs = run(*EVAL, "--raw", "--expr", f'(builtins.getFlake "path:{copy}").lib.optionDocs')
    assert docs == (ROOT / "docs/options.md").read_text()


def test_the_flake_is_short() -> None:
    assert len((ROOT / "flake.nix").read_text().splitlines()) < 50


@pytest.mark.nixlib
def test_the_harness_package_has_two_folders_and_no_more(tmp_path: Path) -> None:
    """So that a container cannot import the host's side."""
    stubs = "{ pkgs = { buildPythonApplication = it: it; setuptools = null; aiohttp = null;"
    stubs += " claude-agent-sdk = null; click = null; mcp = null; }; }"
    made = f"import {ROOT}/nix/harness.nix {{ inherit lib; python3 = {stubs}; }}"
    source = Path(evaluate_source(f"({made}).src"))
    assert {path.name for path in (source / "hyperhive").iterdir()} == {
        *("__init__.py", "harness", "protocol"),
    }
    copy = shutil.copytree(source, tmp_path / "source")
    done = subprocess.run(
        [sys.executable, "-I", "-c", IMPORTS, copy],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    found, *others = done.stdout.split()
    assert found.startswith(str(copy))
    assert others == []


def evaluate_source(expression: str) -> str:
    """The store path of a source, copied there."""
    text = f'let lib = import {library()}; in "${{{expression}}}"'
    found: str = json.loads(
        run("nix-instantiate", "--eval", "--read-write-mode", "--strict", "--json", "-E", text)
    )
    return found


@pytest.mark.nixlib
def test_each_package_gets_what_it_depends_on() -> None:
    """The lists of Nix and of pyproject.toml name the same libraries."""
    project = (ROOT / "pyproject.toml").read_text()
    listed = project.split("\ndependencies = [")[1].split("]")[0]
    wanted = {re.split("[><=]", name)[0] for name in re.findall(r'"([^"]+)"', listed)}
    package = (
        (ROOT / "nix/package.nix").read_text().split("with pythonPackages; [")[1].split("]")[0]
    )
    assert set(package.split()) == wanted | {"pydbus", "pygobject3"}
    harness = (ROOT / "nix/harness.nix").read_text()
    kept = set(harness.split("with pythonPackages; [")[1].split("]")[0].split())
    removed = set(re.findall(r'"([^"]+)"', harness.split("pythonRemoveDeps = [")[1].split("]")[0]))
    assert kept | removed == wanted
    assert not kept & removed


@pytest.mark.nixlib
def test_the_front_end_is_what_the_clone_has() -> None:
    """The same files of the same libraries, by the integrity in package-lock.json."""
    stub = "name: it: script: it.passthru.files // { inherit script; }"
    made = evaluate(
        f"import {ROOT}/nix/front-end.nix {{ inherit lib; runCommand = {stub};"
        " fetchurl = it: builtins.toJSON it; }"
    )
    script = made.pop("script")
    files = {f"{name}/{file}" for name, wanted in made.items() for file in wanted}
    listed = (ROOT / "hive").read_text().split("vendor_files=(")[1].split(")")[0].split()
    assert files == set(listed)
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for name in made:
        assert json.dumps({"hash": lock[f"node_modules/{name}"]["integrity"]})[1:-1].replace(
            ": ", ":"
        ) in script.replace("\\/", "/")


@pytest.mark.nixlib
def test_the_version_is_the_python_package_s() -> None:
    assert evaluate(f"import {ROOT}/nix/version.nix {{ inherit lib; }}") == __version__
