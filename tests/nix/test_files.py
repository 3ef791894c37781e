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
from tests.support.nix import ROOT, STUBS, evaluate, library, run

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


def flake(directory: Path, nixpkgs: str) -> str:
    """Our flake with a nixpkgs whose outputs are that; what names it to Nix."""
    copy = directory / "copy"
    copy.mkdir()
    files = ["flake.nix", "module.nix", "agent.nix", "nix", "hyperhive", "package-lock.json"]
    ignored = shutil.ignore_patterns("__pycache__", "vendor")
    for name in (*files, "LICENSE", "pyproject.toml", "docs", "nixos-tests"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    (directory / "flake.nix").write_text(f"{{ outputs = _: {{ {nixpkgs} }}; }}")
    text = (copy / "flake.nix").read_text()
    (copy / "flake.nix").write_text(re.sub('url = ".*"', f'url = "path:{directory}"', text))
    run("nix", "flake", "lock", f"path:{copy}")
    return f"path:{copy}"


@pytest.mark.nix
def test_the_flake_has_its_outputs(tmp_path: Path) -> None:
    nixpkgs = tmp_path / "nixpkgs"
    nixpkgs.mkdir()
    each = "names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names)"
    ours = flake(nixpkgs, f"lib.genAttrs = {each}; legacyPackages = {{ }};")
    names = "builtins.mapAttrs (_: builtins.attrNames)"
    expression = f'{names} (builtins.getFlake "{ours}").outputs'
    systems = ["aarch64-linux", "x86_64-linux"]
    assert json.loads(run(*EVAL, "--json", "--expr", expression)) == {
        "nixosModules": ["agent", "default"],
        "lib": ["mkAgent", "optionDocs"],
        "overlays": ["default"],
        **dict.fromkeys(("packages", "apps", "devShells", "checks"), systems),
    }


@pytest.mark.nixlib
def test_every_output_can_be_evaluated(tmp_path: Path) -> None:
    """As far as it is ours: every package of nixpkgs is an empty one."""
    nixpkgs = tmp_path / "nixpkgs"
    found = library()
    assert found
    shutil.copytree(found, nixpkgs / "lib")
    shutil.copytree(STUBS, nixpkgs / "stubs")
    (nixpkgs / "default.nix").write_text(
        "_: import ./stubs/whole_nixpkgs.nix { lib = import ./lib; }"
    )
    packages = "x86_64-linux = import ./. { }; aarch64-linux = import ./. { };"
    ours = flake(nixpkgs, f"lib = import ./lib; legacyPackages = {{ {packages} }};")
    shown = json.loads(run("nix", "flake", "show", "--json", ours))
    assert shown["packages"]["x86_64-linux"].keys() == {"default", "harness", "hyperhive"}
    assert shown["devShells"]["x86_64-linux"]["default"]["type"] == "derivation"
    assert shown["apps"]["x86_64-linux"]["demo"]["type"] == "app"
    behaviours = {f"nixos-{path.stem}" for path in (ROOT / "nixos-tests").glob("*.nix")}
    checks = {"format", "lint", "types", "layers", "units", "option-docs", *behaviours}
    assert checks <= shown["checks"]["x86_64-linux"].keys()
    docs = run("nix", "eval", "--raw", f"{ours}#lib.optionDocs")
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
    stub = (
        "name: it: script: if it ? passthru then it.passthru.files // { inherit script; }"
        " else builtins.toJSON { hash = it.outputHash; }"
    )
    made = evaluate(
        f"import {ROOT}/nix/front-end.nix {{ inherit lib; runCommand = {stub};"
        " cacert = 1; nodejs = 2; }"
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
