"""The token bucket."""

import pytest

from hyperhive.gateway.rate import TokenBucket
from hyperhive.protocol.errors import RateLimited


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


async def test_what_is_dear_is_paid_for_by_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = 100.0, []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("hyperhive.gateway.rate.time.monotonic", lambda: now)
    monkeypatch.setattr("hyperhive.gateway.rate.asyncio.sleep", sleep)
    bucket = TokenBucket(rate=8, burst=3)
    await bucket.pay(11)
    assert bucket.take() == 9 / 8
    with pytest.raises(RateLimited) as refused:
        await bucket.pay()
    assert (refused.value.retry_after, slept) == (9 / 8, [9 / 8])
    await bucket.wait(8)
    assert slept[1:] == [2.0]
    now += 4
    assert bucket.take() == 0
