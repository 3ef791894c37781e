"""What the host says becomes state and hints, and nothing it says can break the harness."""

from typing import Any

import pytest

from hyperhive.harness.orders import CurrentTurn, Orders
from hyperhive.protocol.answers import Welcome


def welcome(turn: str | None = None, settings: Any = None, version: int = 1) -> Welcome:
    return Welcome(
        agent="alice",
        role="worker",
        settings=settings or {},
        settings_version=version,
        heartbeat_seconds=15.0,
        turn=turn,
    )


@pytest.fixture
async def orders() -> Orders:
    return Orders()


@pytest.fixture
def current(orders: Orders) -> CurrentTurn:
    orders.current = CurrentTurn("turn-0001", begun=True)
    return orders.current


async def test_welcome_brings_settings_and_wakes(orders: Orders) -> None:
    orders.welcome(welcome(settings={"prompt": "hi"}))
    assert orders.first_welcome.result().agent == "alice"
    assert orders.settings.prompt == "hi"
    assert orders.wake.is_set()
    assert orders.report.is_set()


async def test_each_welcome_asks_for_the_self_check_again(orders: Orders) -> None:
    orders.welcome(welcome())
    orders.report.clear()
    orders.welcome(welcome())
    assert orders.report.is_set()


async def test_a_turn_the_host_still_has_goes_on(orders: Orders, current: CurrentTurn) -> None:
    orders.welcome(welcome(turn=current.id))
    assert not current.stopped.is_set()


async def test_a_turn_the_host_has_ended_is_lost(orders: Orders, current: CurrentTurn) -> None:
    orders.welcome(welcome(turn=None))
    assert current.stopped.is_set()
    assert current.reason == "lost"


async def test_a_turn_the_host_has_not_begun_is_not_lost(
    orders: Orders, current: CurrentTurn
) -> None:
    """Its `turn_begin` is sent again after the welcome."""
    current.begun = False
    orders.welcome(welcome(turn=None))
    assert not current.stopped.is_set()


@pytest.mark.parametrize("data", [{}, {"turn": "turn-0001"}])
async def test_cancel_stops_the_turn(
    orders: Orders, current: CurrentTurn, data: dict[str, str]
) -> None:
    orders.push("cancel", data)
    assert current.reason == "cancelled"


async def test_cancel_of_an_earlier_turn_is_too_late(orders: Orders, current: CurrentTurn) -> None:
    orders.push("cancel", {"turn": "turn-0000"})
    assert not current.stopped.is_set()


async def test_the_first_reason_stands(orders: Orders, current: CurrentTurn) -> None:
    orders.push("cancel", {})
    orders.welcome(welcome(turn=None))
    assert current.reason == "cancelled"


async def test_settings_change_and_a_bad_one_is_kept_out(orders: Orders) -> None:
    orders.welcome(welcome(settings={"prompt": "one"}))
    orders.push("settings", {"settings": {"prompt": "two"}, "settings_version": 2})
    assert (orders.settings.prompt, orders.settings_version) == ("two", 2)
    orders.push("settings", {"settings": {"allowedBash": ["git*"]}, "settings_version": 3})
    assert orders.settings.prompt == "two"
    assert "allowedBash" in orders.settings_problem
    orders.push("settings", {"settings": {"prompt": "four"}, "settings_version": 4})
    assert (orders.settings.prompt, orders.settings_problem) == ("four", "")


@pytest.mark.parametrize(
    ("push", "data"),
    [
        ("poem", {}),
        ("settings", {}),
        ("settings", {"settings": 3, "settings_version": 9}),
        ("settings", {"settings": {}, "settings_version": "9"}),
        ("cancel", {"turn": ["x"]}),
    ],
)
async def test_odd_pushes_break_nothing(
    orders: Orders, current: CurrentTurn, push: str, data: dict[str, Any]
) -> None:
    orders.welcome(welcome(turn=current.id, settings={"prompt": "one"}))
    orders.push(push, data)
    assert orders.settings.prompt == "one"
    assert not current.stopped.is_set()


async def test_new_session_is_remembered(orders: Orders) -> None:
    orders.push("new_session", {})
    assert orders.new_session
    assert orders.wake.is_set()
