"""A disk that is really full: sends refused, the essential done, nothing lost, soon over."""

import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from hyperhive.protocol.errors import StorageFull
from hyperhive.store.database import Database
from hyperhive.store.tuning import Tuning
from tests.store import given
from tests.store.acked import Acked, writing
from tests.store.filesystems import filled, make_ext4, mounted
from tests.support.wait import wait_for, wait_until

pytestmark = pytest.mark.powercut

TUNING = Tuning(reserve_bytes=2**20)
SIZE = 24 * 2**20
EPISODES = 3


async def test_the_essential_is_done_on_a_full_disk_and_sends_come_back(tmp_path: Path) -> None:
    make_ext4(tmp_path / "image", SIZE)
    with mounted(tmp_path / "image", tmp_path / "disk") as disk:
        database = await Database.open(disk / "hive.db", TUNING)
        sent: list[int] = []

        async def send() -> None:
            sent.append(await database.write(lambda tx: given.mail(tx, "x" * 10_000)))

        async def send_until_full() -> None:
            for _ in range(10_000):
                await send()

        for _ in range(EPISODES):
            await send()
            with filled(disk) as filler:
                with pytest.raises(StorageFull):
                    await send_until_full()
                settled = sent[:-1:2]  # retention leaves the newest in any case
                await database.write(
                    lambda tx, ids=settled: tx.messages.settle(ids, "acked", "", 1.0),  # type: ignore[misc] # bound now
                    essential=True,
                )
                gone = await database.write(
                    lambda tx: tx.retention.messages(2.0, 10**9, 10**6), essential=True
                )
                assert gone == len(settled)
                sent = [id_ for id_ in sent if id_ not in settled]
                assert await database.read(lambda tx: tx.messages.queued(2)) == sent
                with pytest.raises(StorageFull):
                    await send()
                filler.unlink()
                freed = time.monotonic()
                await wait_for(lambda: _succeeds(send), 5.0, "a send after space came back")
                assert time.monotonic() - freed < 5.0
        await database.close()
        database = await Database.open(disk / "hive.db", TUNING)
        assert await database.read(lambda tx: tx.messages.queued(2)) == sent
        await database.close()


async def _succeeds(send: Callable[[], Awaitable[None]]) -> bool:
    try:
        await send()
    except StorageFull:
        return False
    return True


async def test_a_database_is_opened_on_a_full_disk(tmp_path: Path) -> None:
    make_ext4(tmp_path / "image", SIZE)
    with mounted(tmp_path / "image", tmp_path / "disk") as disk:
        database = await Database.open(disk / "hive.db", TUNING)
        id_ = await database.write(lambda tx: given.mail(tx))
        await database.close()
        with filled(disk):
            database = await Database.open(disk / "hive.db", TUNING)
            with pytest.raises(StorageFull):
                await database.write(lambda tx: given.mail(tx))
            await database.write(
                lambda tx: tx.messages.settle([id_], "acked", "", 1.0), essential=True
            )
            assert await database.read(lambda tx: tx.messages.queued(2)) == []
            await database.close()


async def test_nothing_acknowledged_is_lost_when_the_disk_fills_under_load(tmp_path: Path) -> None:
    make_ext4(tmp_path / "image", SIZE)
    acked = Acked()
    with mounted(tmp_path / "image", tmp_path / "disk") as disk:
        for _ in range(EPISODES):
            with writing(disk / "hive.db", acked) as writer:
                before = len(acked.sent)
                wait_until(lambda: len(acked.sent) > before + 20, 30.0, "messages")  # noqa: B023 - at once
                with ExitStack() as full:
                    with writer.paused():  # or the filler would take the reserve, too
                        full.enter_context(filled(disk))
                    wait_until(lambda: len(acked.failures) > 5, 30.0, "a full disk")
                    settled = len(acked.settled)
                    wait_until(lambda: len(acked.settled) > settled, 30.0, "acks")  # noqa: B023 - at once
                    writer.kill()
            assert {failure.split()[0] for failure in acked.failures} == {"storage_full"}
            acked.failures.clear()
            assert await acked.lost(disk / "hive.db") == []
