"""Rows of turns and the sums of what was used."""

from dataclasses import replace

from hyperhive.hive.records import Turn, Usage
from hyperhive.store.transaction import Rows


def turn(id_: str = "t1", agent_id: int = 1) -> Turn:
    return Turn(
        id_, agent_id, "inst", "open", ("m-1", "m-2"), 5.0, session="s", usage=Usage(1, requests=1)
    )


def test_what_was_added_comes_back(tx: Rows) -> None:
    tx.turns.add(turn())
    assert tx.turns.get("t1") == turn()
    assert tx.turns.get("t2") is None


def test_all_but_usage_is_saved(tx: Rows) -> None:
    tx.turns.add(turn())
    changed = Turn(
        *("t1", 2, "other", "failed", (), 6.0, 7.0, "broke", "s2", 9), usage=Usage(99, 99)
    )
    tx.turns.save(changed)
    assert tx.turns.get("t1") == replace(changed, usage=turn().usage)


def test_usage_is_summed_by_turn_and_by_day(tx: Rows) -> None:
    tx.turns.add(replace(turn(), usage=Usage()))
    used = Usage(1, 2, 3, 4, 5, 1)
    tx.usage.add(1, "t1", "m-1", used, "2026-01-01")
    tx.usage.add(1, "t1", "m-2", used, "2026-01-01")
    tx.usage.add(1, None, "m-1", used, "2026-01-01")
    tx.usage.add(1, "t1", "m-1", used, "2026-01-02")
    tx.usage.add(2, None, "m-1", used, "2026-01-01")
    assert tx.usage.turn("t1") == used + used + used
    assert tx.usage.day(1, "2026-01-01") == used + used + used
    assert tx.usage.day(1, "2026-01-02") == used
    assert tx.usage.day(3, "2026-01-01") == tx.usage.turn("unknown") == Usage()
    saved = tx.turns.get("t1")
    assert saved
    assert saved.usage == used + used + used


def test_open_turns_are_found_by_agent(tx: Rows) -> None:
    for number, agent_id in enumerate((1, 2, 1)):
        tx.turns.add(turn(f"t{number}", agent_id))
    tx.turns.save(replace(turn("t0"), state="clean", ended_at=6.0))
    assert [t.id for t in tx.turns.open()] == ["t1", "t2"]
    assert [t.id for t in tx.turns.open(1)] == ["t2"]


def test_recent_turns_are_newest_first(tx: Rows) -> None:
    for number in range(4):
        tx.turns.add(turn(f"t{number}"))
    tx.turns.add(turn("other", 2))
    assert [t.id for t in tx.turns.recent(1, 3)] == ["t3", "t2", "t1"]
