"""Text of programs that write for terminals."""

import pytest

from hyperhive.flakes.plain import plain


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("as it is, ähnlich", "as it is, ähnlich"),
        ("\x1b[31;1merror:\x1b[0m no", "error: no"),
        ("a\tb\r", "a    b"),
        ("a\0b\x07\x1b]0;title\u202e", "a\ufffdb\ufffd\ufffd]0;title\ufffd"),
    ],
)
def test_what_cannot_be_shown_is_marked(written: str, shown: str) -> None:
    assert plain(written) == shown
