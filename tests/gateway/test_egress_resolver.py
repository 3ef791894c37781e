"""Names become addresses beside the event loop, and nobody waits for another agent's names."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from hyperhive.gateway import egress_addresses
from hyperhive.gateway.egress_addresses import Addresses
from hyperhive.gateway.egress_answers import EgressRefused
from hyperhive.gateway.egress_resolver import LOOK_UPS, Resolver
from hyperhive.protocol.hosts import parse_host_port
from tests.support.wait import wait_for


class SlowNames:
    """A name server that answers for `slow` names only when it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = threading.Event()

    def getaddrinfo(self, name: str, *rest: object, **more: object) -> list[object]:
        self.asked.append(name)
        if name.startswith("slow"):
            self.answer.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 0))]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowNames]:
    found = SlowNames()
    monkeypatch.setattr(socket, "getaddrinfo", found.getaddrinfo)
    yield found
    found.answer.set()


async def test_no_search_domain_is_tried(names: SlowNames) -> None:
    assert await Resolver()("www.example", 1) == ["8.8.8.8"]
    assert names.asked == ["www.example."]


async def test_one_agents_slow_names_are_not_waited_for_by_others(names: SlowNames) -> None:
    resolver = Resolver()
    slow = [asyncio.create_task(resolver(f"slow{number}.example", 1)) for number in range(50)]
    await wait_for(lambda: len(names.asked) == LOOK_UPS)
    assert await resolver("www.example", 2) == ["8.8.8.8"]
    for task in slow:  # what is given up goes on in its thread, and keeps its place
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    late = asyncio.create_task(resolver("late.example", 1))
    assert await resolver("again.example", 2) == ["8.8.8.8"]
    assert "late.example." not in names.asked
    names.answer.set()
    assert await late == ["8.8.8.8"]
    assert len(names.asked) == LOOK_UPS + 3


async def test_a_name_server_that_does_not_answer_is_given_up(
    names: SlowNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress_addresses, "RESOLVE_SECONDS", 0.2)
    with pytest.raises(EgressRefused) as refused:
        await Addresses().of(parse_host_port("slow.example:80"), 1)
    assert refused.value.status == 504


async def test_what_is_not_found() -> None:
    with pytest.raises(OSError, match=r"\[Errno"):
        await Resolver()("name.invalid", 1)
