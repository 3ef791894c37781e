"""Rows of idempotency keys."""

from hyperhive.store.transaction import Rows


def test_each_sender_has_its_own_keys(tx: Rows) -> None:
    tx.keys.add(1, "k", b"\0\xff", {"id": 7, "results": [None, "ü"]}, 5.0)
    assert tx.keys.find(1, "k") == (b"\0\xff", {"id": 7, "results": [None, "ü"]})
    assert tx.keys.find(2, "k") is None
    assert tx.keys.find(1, "K") is None
    tx.keys.add(2, "k", b"", [1], 6.0)
    assert tx.keys.find(2, "k") == (b"", [1])
