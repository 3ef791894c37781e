"""Who is woken by what."""

import asyncio

from hyperhive.hive.bells import Bells
from hyperhive.hive.records import Event


def message(to_id: int, state: str = "accepted") -> Event:
    return Event(1, 0.0, "message", "bob", {"to_id": to_id, "state": state})


async def test_mail_rings_every_bell_of_its_recipient() -> None:
    bells = Bells()
    with bells.listen(1) as one, bells.listen(1) as two, bells.listen(2) as other:
        bells.publish([message(1)])
        async with asyncio.timeout(5):
            await asyncio.gather(one.wait(60), two.wait(60))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await other.wait(0.1)
        assert loop.time() - begun >= 0.09


async def test_a_ring_while_nobody_waits_is_kept_until_it_is_cleared() -> None:
    bells = Bells()
    loop = asyncio.get_running_loop()
    with bells.listen(1) as bell:
        bells.ring(1)
        async with asyncio.timeout(5):
            await bell.wait(60)
        bell.clear()
        begun = loop.time()
        await bell.wait(0.1)
        assert loop.time() - begun >= 0.09


async def test_only_mail_that_can_be_taken_rings() -> None:
    bells, heard = Bells(), list[int]()
    bells.on_mail(heard.append)
    bells.publish(
        [message(1), message(2, "undeliverable"), Event(2, 0.0, "agent", "bob", {}), message(3)]
    )
    assert heard == [1, 3]


async def test_who_no_longer_listens_is_forgotten() -> None:
    bells = Bells()
    for _ in range(3):
        with bells.listen(1):
            pass
    assert vars(bells)["_bells"] == {}
