"""Large documents of a foreign schema: read strictly, but with whatever numbers they have."""

import pytest

from hyperhive.protocol.errors import InvalidFrame
from hyperhive.protocol.wire import loads_foreign, values_at_most


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{} {}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 1}',
        b'[{"b": {"a": 1, "a": 2}}]',
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"1" * 10_000,
        b'{"a": "\n"}',
    ],
)
def test_what_another_parser_could_read_differently_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidFrame):
        loads_foreign(data)


def test_any_number_passes() -> None:
    data = b'{"a": 123456789012345678901234567890, "b": -9223372036854775808, "c": 1e308}'
    assert loads_foreign(data) == {"a": 123456789012345678901234567890, "b": -(2**63), "c": 1e308}


def test_values_are_counted_from_above() -> None:
    for data, values in (
        (b"1", 1),
        (b"[]", 1),
        (b"[1,2,3]", 3),
        (b'{"a": [1, 2], "b": {}}', 5),
        (b'["a,b,[{"]', 1),
    ):
        assert values_at_most(data) >= values
    assert values_at_most(b"[" + b"{}," * 999 + b"{}]") <= 2_002
