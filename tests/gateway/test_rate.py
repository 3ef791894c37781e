"""The token bucket."""

import pytest

from hyperhive.gateway.rate import TokenBucket


def test_burst_then_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("hyperhive.gateway.rate.time.monotonic", lambda: now)
    bucket = TokenBucket(rate=8, burst=3)
    assert [bucket.take() for _ in range(3)] == [0, 0, 0]
    assert bucket.take() == 0.125
    assert bucket.take() == 0.125  # a refusal takes nothing
    now += 0.0625
    assert bucket.take() == 0.0625
    now += 0.0625
    assert bucket.take() == 0
    now += 1_000
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.125]
