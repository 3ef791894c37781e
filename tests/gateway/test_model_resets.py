"""When a refusal says that it will be over."""

import pytest
from multidict import CIMultiDict

from hyperhive.gateway.model_resets import MAX_WAIT, reset_time

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z
LIMIT = "anthropic-ratelimit"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "30"}, NOW + 30),
        ({"retry-after": " 1.5 "}, NOW + 1.5),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, NOW + 60),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "²"}, None),
        ({f"{LIMIT}-unified-reset": "1700003600"}, NOW + 3_600),
        ({f"{LIMIT}-unified-reset": "2023-11-14T22:14:20Z"}, NOW + 60),
        ({f"{LIMIT}-unified-reset": "x"}, None),
        ({"retry-after": "5", f"{LIMIT}-unified-reset": "1700003600"}, NOW + 5),
        (
            {
                f"{LIMIT}-requests-remaining": "0",
                f"{LIMIT}-requests-reset": "2023-11-14T22:13:50Z",
                f"{LIMIT}-tokens-remaining": "0",
                f"{LIMIT}-tokens-reset": "2023-11-14T22:14:20+00:00",
                f"{LIMIT}-input-tokens-remaining": "9",
                f"{LIMIT}-input-tokens-reset": "2023-11-14T23:14:20Z",
            },
            NOW + 60,
        ),
        ({f"{LIMIT}-tokens-remaining": "0"}, None),
        ({f"{LIMIT}-tokens-remaining": "0", f"{LIMIT}-tokens-reset": "2023-11-14"}, 1_699_920_000),
        ({"retry-after": "99999999"}, NOW + MAX_WAIT),
        ({f"{LIMIT}-unified-reset": "9999-12-31T23:59:59Z"}, NOW + MAX_WAIT),
    ],
)
def test_reset_time(headers: dict[str, str], expected: float | None) -> None:
    assert reset_time(CIMultiDict(headers), NOW) == expected
