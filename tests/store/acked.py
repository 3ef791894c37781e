"""What an `acking_child` was told to be safe, and whether a database has it."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hyperhive.store.database import Database
from hyperhive.store.tuning import Tuning
from tests.store.acking_child import RESERVE, body


@dataclass
class Acked:
    """Grows while the child runs."""

    sent: dict[int, int] = field(default_factory=dict)
    """Id of the delivery, and the number its body is made from."""
    settled: set[int] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        word, *rest = line.split(" ", 1)
        match word:
            case "sent":
                id_, number = rest[0].split()
                self.sent[int(id_)] = int(number)
            case "settled":
                self.settled.add(int(rest[0]))
            case "failed":
                self.failures.append(rest[0])

    async def lost(self, path: Path) -> list[str]:
        """What of it a database does not have. Opening checks the integrity."""
        database = await Database.open(path, Tuning(reserve_bytes=RESERVE))
        ids = sorted(self.sent.keys() | self.settled)
        found = {d.id: d for d in await database.read(lambda tx: tx.messages.get_deliveries(ids))}
        await database.close()
        bodies = {id_: delivery.message.body for id_, delivery in found.items()}
        states = {id_: delivery.state for id_, delivery in found.items()}
        return [
            *(f"sent {id_}" for id_, n in self.sent.items() if bodies.get(id_) != body(n)),
            *(f"settled {id_}" for id_ in self.settled if states.get(id_) != "acked"),
        ]


@dataclass
class Writer:
    process: "subprocess.Popen[str]"
    acked: Acked
    _reader: threading.Thread

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.process.send_signal(signal.SIGSTOP)
        yield
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> None:
        """Until it has ended and all it said was read."""
        self.process.wait()
        self._reader.join()


@contextmanager
def writing(
    path: Path,
    acked: Acked,
    *,
    synchronous: str = "FULL",
    seconds: float = 60.0,
    under: tuple[str, ...] = (),
) -> Iterator[Writer]:
    """A child that has opened the database; killed at the end if it still runs."""
    argv = [*under, sys.executable, "-m", "tests.store.acking_child", str(path), synchronous]
    process = subprocess.Popen([*argv, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    output = process.stdout
    assert output.readline() == "ready\n"

    def read() -> None:
        for line in output:
            acked.note(line.rstrip("\n"))

    reader = threading.Thread(target=read)
    reader.start()
    writer = Writer(process, acked, reader)
    try:
        yield writer
    finally:
        writer.kill()
        output.close()
