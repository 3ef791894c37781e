"""Who has the link."""

from hyperhive.hive.presence import Links, Presence
from tests.hive.world import ONE, TWO


def test_only_the_instance_that_has_the_link_is_there() -> None:
    links = Links()
    links.set(1, Presence(ONE, 0.0))
    assert links.of(1, ONE) is links.get(1) is not None
    assert links.of(1, TWO) is links.of(2, ONE) is links.get(2) is None


def test_a_link_that_was_taken_over_is_not_dropped() -> None:
    links = Links()
    links.set(1, Presence(ONE, 0.0))
    links.set(1, Presence(TWO, 1.0))
    assert not links.drop(1, ONE, 2.0)
    assert links.get(1) is not None
    assert links.drop(1, TWO, 3.0)
    assert links.get(1) is None
    assert links.changed(1) == 3.0
    assert not links.drop(1, TWO, 3.0)


def test_with_its_run_a_link_is_forgotten() -> None:
    links = Links()
    links.forget(1, 1.0)
    assert links.changed(1) == 0
    links.set(1, Presence(ONE, 2.0))
    links.forget(1, 3.0)
    assert (links.get(1), links.changed(1)) == (None, 3.0)
    assert not links.drop(1, ONE, 4.0)  # the gateway hears of it later
    assert links.changed(1) == 3.0
