"""A process that writes through the store and tells on its output what was acknowledged.

Run as `python -m tests.store.acking_child DATABASE SYNCHRONOUS [SECONDS]`. Lines: `sent ID NUMBER`
of a delivery whose body is made from NUMBER, `settled ID`, `failed CODE MESSAGE` for a refusal,
`end` after SECONDS. Each line is one write: what a reader of the pipe sees was acknowledged.
"""

import asyncio
import os
import random
import sys
import time
from functools import partial
from pathlib import Path

from hyperhive.hive.clock import deadline_in
from hyperhive.hive.ports import Transaction
from hyperhive.protocol.errors import HiveError
from hyperhive.store.database import Database
from hyperhive.store.tuning import Tuning
from tests.store.given import StepClock, mail

SENDERS = 8
RESERVE = 2**20


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def body(number: int) -> str:
    """Of the sizes that messages have; the same number gives the same body."""
    return f"{number} " + "x" * random.Random(number).choice((10, 200, 2_000, 20_000))


def settle_some(tx: Transaction) -> list[int]:
    """What turns do: lease, then settle or give back. Slower than the senders, for a backlog."""
    clock = StepClock()
    taken = [d.id for d in tx.messages.leasable(2, clock, 4, 2**20)]
    tx.messages.lease(taken, "instance", "turn")
    tx.messages.settle(taken[:2], "acked", "handled", 1.0)
    for id_ in taken[2:]:
        tx.messages.give_back(id_, 1, deadline_in(clock, -1), "")
    return taken[:2]


async def send(database: Database, until: float, first: int) -> None:
    number = first
    while time.monotonic() < until:
        number += SENDERS
        try:
            id_ = await database.write(partial(mail, body=body(number)))
            tell(f"sent {id_} {number}")
        except HiveError as error:
            tell(f"failed {error.code} {error.message}")
            await asyncio.sleep(0.01)


async def settle(database: Database, until: float) -> None:
    while time.monotonic() < until:
        try:
            for id_ in await database.write(settle_some, essential=True):
                tell(f"settled {id_}")
        except HiveError as error:
            tell(f"failed {error.code} {error.message}")
            await asyncio.sleep(0.01)


async def main(path: str, synchronous: str, seconds: str = "60") -> None:
    tuning = Tuning(synchronous=synchronous, reserve_bytes=RESERVE)  # type: ignore[arg-type] # checked by SQLite
    database = await Database.open(Path(path), tuning)
    tell("ready")
    until = time.monotonic() + float(seconds)
    first = random.randrange(10**9)
    sending = (send(database, until, first + n) for n in range(SENDERS))
    await asyncio.gather(*sending, settle(database, until))
    await database.close()
    tell("end")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
