"""What is shown of a text accounts for every byte, and makes it again."""

from __future__ import annotations

import random
import re

import pytest

from hyperhive.hive.change_rows import FileChange
from tests.flakes.conftest import Work
from tests.flakes.differing import changes, edited, shown


@pytest.fixture
async def made(work: Work) -> Work:
    await work.repositories.create("alice")
    return work


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"a\rb\rc\n", "a\rb\rc", id="lines that end with CR alone"),
        pytest.param(b"evil\r\n", "evil\r", id="CR at the end"),
        pytest.param(
            "\u202e\u2066x\u200b\ufeff\n".encode(), "\u202e\u2066x\u200b\ufeff", id="bidi"
        ),
        pytest.param(b"\x1b[2K\x1b[1Aevil\x07\n", "\x1b[2K\x1b[1Aevil\x07", id="ANSI escapes"),
        pytest.param(b"# text with one\0 of them\n", "# text with one\0 of them", id="a NUL"),
        pytest.param(
            "a\u2028b\u2029c\x85d\x0b\x0c\x1c\n".encode(), "a\u2028b\u2029c\x85d\x0b\x0c\x1c"
        ),
        pytest.param(b"\xef\xbb\xbfevil\n", "\ufeffevil", id="a byte order mark"),
        pytest.param(b"old \n", "old ", id="a space at the end"),
        pytest.param(b"\told\n", "\told", id="a tab"),
    ],
)
async def test_every_character_is_in_the_text(made: Work, data: bytes, text: str) -> None:
    file = await edited(made, b"old\n", data)
    assert shown(file) == ["-old", f"+{text}"]
    assert file.note == ""


async def test_what_is_not_utf8_is_drawn(made: Work) -> None:
    file = await edited(made, b"a\xe9b\n\\x\n", b"a\\xe9b\n\\x\n")
    assert shown(file) == [r"-a\xe9b", r"+a\\xe9b", r" \\x"]
    assert file.note == r"not UTF-8: bytes that are not are drawn as \xNN, a backslash as \\"
    (file,) = (await changes(made, None, {"x": "naïve \\".encode("latin-1")})).files
    assert shown(file) == [r"+na\xefve \\"]


async def test_what_is_binary_is_named_by_its_digest(made: Work) -> None:
    data = bytes(range(256)) * 4
    file = await edited(made, b"text\n", data)
    assert shown(file) == ["-text"]
    assert file.note == (
        "binary after: 1024 bytes, SHA-256 "
        "785b0751fc2c53dc14a4ce3d800e69ef9ce1009eb327ccf458afe09c242c26c9"
    )
    file = await edited(made, data, data + b"x")
    assert (file.lines, file.note.count("SHA-256")) == ((), 2)


@pytest.mark.parametrize(
    ("old", "new", "note", "lines"),
    [
        (b"x\n", b"x", "no line end at the end after", ["-x", "+x"]),
        (b"x", b"x\n", "no line end at the end before", ["-x", "+x"]),
        (b"x\ny", b"z\ny", "no line end at the end before and after", ["-x", "+z", " y"]),
        (b"x\n", b"", "empty after", ["-x"]),
        (b"", b"\n", "empty before", ["+"]),
    ],
)
async def test_how_a_file_ends(
    made: Work, old: bytes, new: bytes, note: str, lines: list[str]
) -> None:
    file = await edited(made, old, new)
    assert (file.note, shown(file)) == (note, lines)


# --- whatever it is, the lines tell it ---

PARTS: list[bytes | str] = [
    *(b"same", b"other", b"", b"\r", b"a\rb", b" ", b"\t", b"\\", b"\\xff", b"\x1b[0m", b"\x0c"),
    *("é", "\u202e", "\u2028", "\x85", "\U0001f600", "e\u0301"),
]
UTF8 = [part if isinstance(part, bytes) else part.encode() for part in PARTS]
ANY = [*UTF8, b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x80\x81"]


def line_of(chosen: random.Random, parts: list[bytes]) -> bytes:
    return b"".join(chosen.choices(parts, k=chosen.randrange(3)))


def written(chosen: random.Random, parts: list[bytes]) -> tuple[bytes, bytes]:
    """A text, and one that was made of it."""
    lines = [line_of(chosen, parts) for _ in range(chosen.randrange(40))]
    other = list(lines)
    for _ in range(chosen.randrange(6)):
        at = chosen.randrange(len(other) + 1)
        other[at : at + chosen.randrange(3)] = [
            line_of(chosen, parts) for _ in range(chosen.randrange(3))
        ]
    ends = [chosen.choice([b"\n", b""]) if text else b"" for text in (lines, other)]
    return b"\n".join(lines) + ends[0], b"\n".join(other) + ends[1]


def rebuilt(old: bytes, file: FileChange) -> bytes:
    """The new file, from the old one and what is shown alone."""
    escaped = "not UTF-8" in file.note
    before, after = iter(re.findall(rb"[^\n]*\n|[^\n]+", old)), b""
    if not file.lines:
        return old

    def bytes_of(text: str) -> bytes:
        if not escaped:
            return text.encode()
        return re.sub(rb"\\(\\|x[0-9a-f]{2})", _undrawn, text.encode())

    for line in file.lines:
        if line.kind == "gap":
            after += b"".join(next(before) for _ in range(int(line.text.split()[0])))
        elif line.kind == "added":
            after += bytes_of(line.text) + b"\n"
        else:
            was = next(before)
            assert was.removesuffix(b"\n") == bytes_of(line.text)
            after += was if line.kind == "same" else b""
    assert next(before, None) is None
    unended = re.search("no line end at the end.*after", file.note)
    return after.removesuffix(b"\n") if unended else after


def _undrawn(match: re.Match[bytes]) -> bytes:
    found = match[1]
    return found if found == b"\\" else bytes([int(found[1:], 16)])


@pytest.mark.parametrize("parts", [UTF8, ANY], ids=["UTF-8", "any bytes"])
async def test_the_lines_and_the_old_file_make_the_new_one(made: Work, parts: list[bytes]) -> None:
    chosen = random.Random(11)
    texts = [written(chosen, parts) for _ in range(60)]
    old = {f"{n:03}": text[0] for n, text in enumerate(texts)}
    new = {f"{n:03}": text[1] for n, text in enumerate(texts)}
    found = {file.path: file for file in (await changes(made, old, new)).files}
    assert len(found) > 40
    for path, data in old.items():
        result = rebuilt(data, found[path]) if path in found else data
        assert result == new[path]
