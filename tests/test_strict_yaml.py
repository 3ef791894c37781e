"""YAML is parsed within bounds, and every error says where."""

import time

import pytest

from hyperhive import strict_yaml
from hyperhive.protocol.errors import InvalidFrame, TooLarge


def load(text: str) -> object:
    return strict_yaml.loads(text.encode(), "play.yaml")


def test_plain_values_come_through() -> None:
    text = "a: [1, 2.5, true, null, text]\nb: {c: 'yes'}"
    assert load(text) == {"a": [1, 2.5, True, None, "text"], "b": {"c": "yes"}}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: [1, 2\nb: 3", "line 2, column 2"),
        ("a: 1\n  b: 2", "line 2, column 4"),
        ("a: 1\na: 2", "line 2, column 1"),
        ("x: {b: 1, b: 2}", "line 1, column 11"),
        ("a: &x 1\nb: *x", "line 2, column 4"),
        ("a: 1\nb: !!python/object/apply:os.system [id]", "line 2, column 4"),
        ("a: 1\n\tb: 2", "line 2, column 1"),
        ("a: 1\nb: c\x07d", "line 2, column 5"),
        ("a: 1\n---\nb: 2", "line 2, column 1"),
        ("a: 2026-13-41", "line 1, column 4"),
        (f"a: {'9' * 5_000}", "line 1, column 4"),
        ("a: 1\n? [1, 2]\n: 3", "line 2, column 3"),
    ],
)
def test_an_error_names_file_line_and_column(text: str, where: str) -> None:
    with pytest.raises(InvalidFrame, match=f"^play.yaml: {where}: "):
        load(text)


def test_a_document_that_is_not_utf8() -> None:
    with pytest.raises(InvalidFrame, match=r"^play\.yaml: not UTF-8 at byte 3"):
        strict_yaml.loads(b"a: \xff", "play.yaml")


def test_size_is_bounded() -> None:
    with pytest.raises(TooLarge, match=str(strict_yaml.MAX_BYTES)):
        load("#" * (strict_yaml.MAX_BYTES + 1))


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 60_000, "- " * 100_000])
def test_nesting_is_bounded(text: str) -> None:
    with pytest.raises(InvalidFrame, match="nested deeper than"):
        load(text)


def test_aliases_cannot_multiply() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    began = time.process_time()
    with pytest.raises(InvalidFrame, match="line 2, column 10: aliases are not accepted"):
        load(bomb)
    assert time.process_time() - began < 2
