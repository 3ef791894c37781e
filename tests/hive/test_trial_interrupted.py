"""What goes wrong around a trial, and a service that ends in the middle of it."""

import asyncio

import pytest

from hyperhive.hive import retry
from hyperhive.protocol.errors import Unavailable
from tests.hive.building import SECONDS, SICK, Built
from tests.hive.moves import (
    anew,
    bundle,
    first,
    is_back,
)
from tests.support.wait import let_time_pass, wait_for

MiB = 2**20


# --- what goes wrong around it ---


async def test_what_cannot_be_recorded_is_put_back(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "RETRY_SECONDS", 0.01)
    before = await first(built)

    async def refuse(*_: object) -> None:
        raise Unavailable("git hangs")

    assert built.workshop is not None
    monkeypatch.setattr(built.workshop[0], "settle", refuse)
    await built.redeclare(alice=anew())
    async with built.serving():
        why = "it was healthy, but not recorded: git hangs"
        await is_back(built, before, await built.over(1), why)
        await wait_for(lambda: built.runtime.bundles.get("alice-3") == bundle(before), SECONDS)


async def test_what_is_recorded_at_another_try_is_done(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "RETRY_SECONDS", 0.01)
    assert built.workshop is not None
    configs = built.workshop[0]
    settle, refusals = configs.settle, iter(range(2))

    async def refuse_twice(agent: str, deploy: int, commit: str) -> None:
        if next(refusals, None) is not None:
            raise Unavailable("git hangs")
        await settle(agent, deploy, commit)

    monkeypatch.setattr(configs, "settle", refuse_twice)
    async with built.serving():
        assert (await built.over()).state == "done"
    assert next(refusals, None) is None


async def test_what_nobody_expected_puts_it_back(
    built: Built, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = await first(built)

    async def refuse(*_: object) -> None:
        raise ZeroDivisionError

    assert built.workshop is not None
    monkeypatch.setattr(built.workshop[0], "settle", refuse)
    await built.redeclare(alice=anew())
    async with built.serving():
        why = "unexpected error; see the log of the service"
        await is_back(built, before, await built.over(1), why)
    assert [r.getMessage() for r in caplog.records if r.exc_info] == ["deploy 2: unexpected error"]
    caplog.clear()


# --- a service that ends in the middle ---


async def test_the_next_service_waits_for_it_to_be_healthy(built: Built) -> None:
    await first(built)
    await built.redeclare(alice=anew())
    async with built.alive():  # no harness: nobody says that it is healthy
        await built.reached("starting", 1)
        await wait_for(lambda: "alice" in built.runtime.runs, SECONDS)
    await built.again()
    async with built.serving():
        deploy = await built.over(1)
        assert deploy.state == "done"
        await built.becomes("idle")
        assert await built.bundle() == bundle(deploy)
    assert built.runtime.history.count("start alice-2") == 1
    assert await built.main() == deploy.commit


async def test_the_next_service_puts_it_back(built: Built) -> None:
    before = await first(built)
    await built.redeclare(alice=anew(prompt="sick"))
    async with built.alive():
        await built.reached("starting", 1)
    await built.again()
    async with built.serving():
        await is_back(built, before, await built.over(1), SICK)
        await built.becomes("idle")
        assert await built.bundle() == bundle(before)


async def test_the_next_service_records_what_was_settled(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = asyncio.Event()
    assert built.workshop is not None
    settle = built.workshop[0].settle

    async def settle_and_die(agent: str, deploy: int, commit: str) -> None:
        await settle(agent, deploy, commit)
        settled.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(built.workshop[0], "settle", settle_and_die)
        async with built.serving():
            await asyncio.wait_for(settled.wait(), SECONDS)
    (deploy,) = await built.deploys()
    assert (deploy.state, await built.main()) == ("starting", deploy.commit)
    await built.again()
    async with built.serving():
        assert (await built.over()).state == "done"
    assert built.runtime.history == ["start alice-1"]


async def test_a_service_that_ends_deploys_nothing_anew(built: Built) -> None:
    await first(built)
    for _ in range(2):
        await built.again()
        async with built.serving():
            await built.becomes("idle")
            await let_time_pass(0.2)
    assert await built.kinds() == ["declare done"]
    assert built.runtime.history == ["start alice-1"]
