"""The file as people meet it: `hyperhive check-config` and its one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hyperhive import config
from hyperhive.cli.main import main
from hyperhive.cli.render import one_line
from hyperhive.config.file import MAX_CONFIG
from hyperhive.protocol.errors import HiveError, InvalidField, InvalidFrame, TooLarge
from tests.config.complete import EXAMPLES, complete
from tests.config.test_options import MISTAKES, SMALLEST

# The first of each field, since among the others are documents of a megabyte.
ONE_OF_EACH = {m.field: m.document for m in reversed(MISTAKES) if len(m.field) < 80}


class Plainly(yaml.CSafeDumper):
    """Writes every value out."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def check(path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `hyperhive check-config`."""
    monkeypatch.setattr("sys.argv", ["hyperhive", "check-config", str(path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


def test_each_mistake_is_one_line_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    for field, document in ONE_OF_EACH.items():
        path.write_text(yaml.dump(document, Dumper=Plainly))
        assert check(path, monkeypatch) == 1, field
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith(one_line(f"hyperhive: {path}: {field}: ")), field
        assert shown.err.count("\n") == 1, field
    assert len(ONE_OF_EACH) > 150


@pytest.mark.parametrize("example", EXAMPLES, ids=len)
def test_a_right_file(
    example: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(example)
    assert check(path, monkeypatch) == 0
    assert capsys.readouterr().out == f"{path}: ok\n"


def test_json_is_yaml_too(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(complete(), indent=1))
    assert config.load(path) == config.read(complete())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stateDir: [", "line 1, column 12: "),
        ("a: 1\na: 2", "line 2, column 1: 'a' stands twice in one mapping"),
        ("a: &x 1\nb: *x", "line 2, column 4: aliases are not accepted"),
        ("a: !!python/name:os.system", "line 1, column 4: "),
        ("a: 1\n---\nb: 2", "line 2, column 1: "),
        ("a: b\x07", "line 1, column 5: "),
        ("\tstateDir: /s", "line 1, column 1: "),
        ("[" * 1_000, "nested deeper than"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InvalidFrame) as refused:
        config.load(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", "# nothing", "just words", "- a\n- b", "7"])
def test_a_file_without_options(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InvalidField, match=f"^{path}: must be a mapping"):
        config.load(path)


def test_a_file_without_end(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match=f"at most {MAX_CONFIG} bytes"):
        config.load(Path("/dev/zero"))
    path = tmp_path / "config.yaml"
    right = yaml.safe_dump(SMALLEST)
    path.write_text(right + "#" * (MAX_CONFIG - len(right)))
    assert config.load(path).state_dir == "/s"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"stateDir: /\xe4")
    (tmp_path / "loop").symlink_to("loop")
    for name, said in {
        "missing.yaml": "cannot be read: No such file or directory",
        ".": "cannot be read: Is a directory",
        "loop": "cannot be read: Too many levels of symbolic links",
        "latin.yaml": "not UTF-8 at byte 11",
    }.items():
        with pytest.raises(HiveError, match=said):
            config.load(tmp_path / name)


def test_control_characters_of_the_file_do_not_reach_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text('"\\e[2J\\nfalse\\x9b": 1')
    assert check(path, monkeypatch) == 1
    assert capsys.readouterr().err.count("\n") == 1
    path.write_text('"\\e[2J": 1')
    assert check(path, monkeypatch) == 1
    assert "\x1b" not in capsys.readouterr().err
