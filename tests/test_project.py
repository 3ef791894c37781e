"""The project's own rules: layers that hold and can fail, budgets, reasons, pinned libraries."""

import ast
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "hyperhive").rglob("*.py"))
ALL_PYTHON = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]

PORTS = {
    "hive.change_rows",
    "hive.clock",
    "hive.config_ports",
    "hive.deploy_rows",
    "hive.ports",
    "hive.records",
}
CLIENT = {"admin.client", "admin.remote_terminal"}
LEAVES = ("strict_yaml", "pty_stream")
MAY_IMPORT: dict[str, set[str]] = {
    "protocol": set(),
    **{name: {"protocol"} for name in ("hive", "harness", *LEAVES)},
    **{name: {"protocol", "strict_yaml"} for name in ("demo", "config")},
    **{name: {"protocol"} | PORTS for name in ("flakes", "store")},
    **{name: {"protocol", "pty_stream"} | PORTS for name in ("local", "nspawn")},
    **{name: {"protocol", "hive"} | PORTS for name in ("gateway", "terminal_socket")},
    **{name: {"protocol", "hive", "terminal_socket"} | PORTS for name in ("dashboard", "admin")},
    "cli": {"protocol", "service", "config", "demo"} | CLIENT,
}
MAY_IMPORT["service"] = MAY_IMPORT.keys() - {"cli", "terminal_socket", *LEAVES} | PORTS | CLIENT
IMPORTED = sorted(set(MAY_IMPORT).union(*MAY_IMPORT.values()))

MODULE_LINES, FUNCTION_LINES = 300, 60


class Copy:
    """A package `hyperhive` with every layer empty, under the project's own contracts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
        self.plant("__init__", "")
        for package in MAY_IMPORT:
            self.plant(f"{package}/__init__", "")
        for name in IMPORTED:
            if "." in name:
                self.plant(name.replace(".", "/"), "")

    def plant(self, module: str, source: str) -> None:
        path = self.root / "hyperhive" / f"{module}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(source)

    def lint(self) -> tuple[int, str]:
        program = Path(sys.executable).with_name("lint-imports")
        done = subprocess.run(
            [program, "--no-logo", "--no-cache"],
            cwd=self.root,
            env={"COLUMNS": "300"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def planted(copy: Copy, *, allowed: bool) -> list[str]:
    """Plants the imports that the table allows, or all others; returns them as the linter does."""
    shown = []
    for importer, may in MAY_IMPORT.items():
        for imported in IMPORTED:
            if imported.split(".")[0] != importer and (imported in may) == allowed:
                module = f"to_{imported.replace('.', '_')}"
                copy.plant(f"{importer}/{module}", f"import hyperhive.{imported}")
                shown.append(f"hyperhive.{importer}.{module} -> hyperhive.{imported}")
    return shown


def test_the_layers_allow_what_the_table_allows(copy: Copy) -> None:
    assert len(planted(copy, allowed=True)) > 40
    status, output = copy.lint()
    assert status == 0, output


def test_the_layers_refuse_all_else(copy: Copy) -> None:
    illegal = planted(copy, allowed=False)
    status, output = copy.lint()
    assert status == 1
    unseen = [line for line in illegal if line not in output]
    assert not unseen, "\n".join(unseen)


@pytest.mark.parametrize(
    "source",
    [
        "def later():\n    import hyperhive.store",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import hyperhive.store",
    ],
    ids=["in a function", "for types only"],
)
def test_a_hidden_import_counts(copy: Copy, source: str) -> None:
    copy.plant("hive/planted", source)
    assert copy.lint()[0] == 1


def test_a_new_package_must_be_placed(copy: Copy) -> None:
    copy.plant("utils/__init__", "")
    status, output = copy.lint()
    assert status == 1
    assert "hyperhive.utils" in output


def test_a_cycle_within_a_package_is_refused(copy: Copy) -> None:
    copy.plant("hive/one", "import hyperhive.hive.two")
    copy.plant("hive/two", "def later():\n    import hyperhive.hive.one")
    status, output = copy.lint()
    assert status == 1
    assert ".two -> .one" in output


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_protocol_and_domain_need_only_the_standard_library() -> None:
    foreign = [
        f"{shown(path)}: {name}"
        for package in ("protocol", "hive")
        for path in (ROOT / "hyperhive" / package).rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "hyperhive"}
    ]
    assert not foreign, "\n".join(foreign)


def too_long(path: Path) -> Iterator[str]:
    source = path.read_text()
    if (lines := len(source.splitlines())) > MODULE_LINES:
        yield f"{shown(path)}: {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{shown(path)}: {node.name}: {lines} lines"


def test_modules_and_functions_keep_to_their_budgets() -> None:
    found = [f for path in ALL_PYTHON for f in too_long(path)]
    assert not found, "\n".join(found)


def suppressions(path: Path) -> Iterator[str]:
    """Comments that silence a tool and do not say why after the rule's name."""
    silence = re.compile(r"#\s*(noqa|type: ignore|pragma: no cover)")
    rule = r"(noqa: [A-Z0-9, ]+|type: ignore\[[\w, -]+\]|pragma: no cover)"
    explained = re.compile(rf"#\s*{rule}\W+\w+")
    with path.open("rb") as file:
        comments = [t for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT]
    for comment in comments:
        if silence.search(comment.string) and not explained.search(comment.string):
            yield f"{shown(path)}:{comment.start[0]}: {comment.string}"


def test_who_silences_a_tool_says_why() -> None:
    found = [f for path in ALL_PYTHON for f in suppressions(path)]
    assert not found, "\n".join(found)


def sleeps(path: Path) -> Iterator[str]:
    """Calls that wait for a guessed time; zero lets others run, a name is a stand-in's delay.

    Tests of time itself say so with `tests.support.wait.let_time_pass`.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Await | ast.Call):
            call = ast.unparse(node)
            if re.match(r"(await asyncio|time)\.sleep\((?!0\))[\d.]+\)", call):
                yield f"{shown(path)}:{node.lineno}: {call}"


def test_tests_wait_for_conditions_instead_of_sleeping() -> None:
    # Programs that tests start are not tests.
    tests = [path for path in ALL_PYTHON if path.name.startswith(("test_", "conftest"))]
    found = [f for path in tests for f in sleeps(path)]
    assert not found, "\n".join(found)


def test_the_checks_above_find_what_they_look_for(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    body = "    await asyncio.sleep(1)\n" + "    pass\n" * 60
    planted.write_text(f"import os  # noqa: F401\nasync def f():\n{body}" + "\n" * 300)
    assert list(too_long(planted)) == ["planted.py: 363 lines", "planted.py: f: 62 lines"]
    assert list(suppressions(planted)) == ["planted.py:1: # noqa: F401"]
    assert list(sleeps(planted)) == ["planted.py:3: await asyncio.sleep(1)"]


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text()


def test_front_end_libraries_are_pinned_without_addresses() -> None:
    lock = (ROOT / "package-lock.json").read_text()
    assert "http" not in lock
    assert lock.count('"integrity"') == lock.count('"node_modules/') > 0


@pytest.mark.parametrize("name", ["hive", ".ci/run"])
def test_entry_scripts_are_executable_and_parse(name: str) -> None:
    script = ROOT / name
    assert script.stat().st_mode & 0o111 == 0o111
    subprocess.run(["bash", "-n", script], check=True)
