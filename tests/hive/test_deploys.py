"""What may be ordered: updates, the way back, giving up; and what is refused."""

import pytest

from hyperhive.hive.deploys import Deploys
from hyperhive.protocol.errors import AlreadyResolved, Conflict, Forbidden, InvalidField, NotFound
from tests.hive.building import Built, declared, quiet
from tests.hive.conftest import MakeBuilt


def orders(built: Built) -> Deploys:
    return built.hive.need_deploying().deploys


async def deployed(built: Built, *texts: str) -> None:
    """Alice has run these, one after the other."""
    for number, text in enumerate(texts):
        await built.redeclare(alice=declared(text, apply="always"))
        async with built.serving():
            assert (await built.over(number)).state == "done"
            await built.becomes("idle")


# --- update ---


async def test_an_update_is_the_same_commit_on_the_host_of_now(built: Built) -> None:
    await deployed(built, "one")
    built.builds.host = "host-2"
    await built.again()
    assert (await built.shown())["needs_update"] is True
    async with built.serving():
        order = await orders(built).update("alice", "manager")
        assert (order.kind, order.state, order.actor) == ("update", "queued", "manager")
        deploy = await built.over(1)
        assert (deploy.state, deploy.commit) == ("done", (await built.deploys())[0].commit)
        await built.becomes("idle")
    assert built.runtime.history == ["start alice-1", "stop alice-1", "start alice-2"]
    assert (await built.shown())["needs_update"] is False
    assert ("manager", "deploy.update", f"alice (deploy {deploy.id})") in await built.audit()


async def test_an_update_that_changes_nothing_restarts_nothing(built: Built) -> None:
    await deployed(built, "one")
    async with built.serving():
        await orders(built).update("alice")
        assert (await built.over(1)).state == "done"
        await built.becomes("idle")
    assert built.runtime.history == ["start alice-1"]


async def test_update_all_is_of_what_is_out_of_date_or_never_came_up(
    make_built: MakeBuilt,
) -> None:
    names = ("alice", "bob", "carol", "dave")
    agents = {name: declared() for name in names}
    built = await make_built(declared=quiet(**agents, erin=declared("throw it away")))
    async with built.serving():
        for name in agents:
            assert (await built.over(0, name)).state == "done"
        assert (await built.over(0, "erin")).state == "failed"
        await built.hive.agents.destroy("carol", purge=False)
        assert [d.agent for d in await orders(built).update_all()] == ["erin"]
        await built.over(1, "erin")
    built.builds.host = "host-2"
    await built.again()
    first = await orders(built).update("dave")
    assert [d.agent for d in await orders(built).update_all()] == ["alice", "bob", "erin"]
    assert await orders(built).update_all() == []
    queue = await built.read(orders(built).queue)
    assert queue[0] == first
    async with built.serving():
        for name in ("alice", "bob", "dave"):
            assert (await built.over(1, name)).state == "done"


async def test_what_cannot_be_updated(built: Built) -> None:
    with pytest.raises(Conflict, match="manager has no configuration yet"):
        await orders(built).update("manager")
    with pytest.raises(NotFound):
        await orders(built).update("nobody")
    with pytest.raises(Forbidden):
        await orders(built).update("nobody", "manager")
    await deployed(built, "one")
    order = await orders(built).update("alice")
    with pytest.raises(Conflict, match=f"deploy {order.id} of alice is queued; cancel it, or wait"):
        await orders(built).update("alice")


async def test_one_at_a_time_also_on_the_way_back(built: Built) -> None:
    await deployed(built, "one", "two")
    order = await orders(built).update("alice")
    with pytest.raises(Conflict, match=f"deploy {order.id} of alice is queued; cancel it, or wait"):
        await orders(built).rollback("alice")


# --- back ---


async def test_back_to_what_ran_before_and_forth_again(built: Built) -> None:
    await deployed(built, "one", "two")
    one, two = await built.deploys()
    async with built.serving():
        order = await orders(built).rollback("alice")
        assert order.kind == "rollback"
        back = await built.over(2)
        assert back.state == "done"
        assert await built.text(back.commit) == "one"
        assert back.commit not in (one.commit, two.commit)
        assert await built.main() == back.commit
        commit, parent = await built.git.log("alice", 2)
        assert (commit.parents, parent.id) == ((two.commit,), two.commit)
        assert commit.message == f"back to deploy {one.id}"
        await orders(built).rollback("alice")
        forth = await built.over(3)
        assert await built.text(forth.commit) == "two"
        await orders(built).rollback("alice", one.id)
        assert await built.text((await built.over(4)).commit) == "one"


async def test_back_from_an_update_is_to_the_commit_before(built: Built) -> None:
    await deployed(built, "one", "two")
    async with built.serving():
        await orders(built).update("alice")
        assert (await built.over(2)).state == "done"
        await orders(built).rollback("alice")
        assert await built.text((await built.over(3)).commit) == "one"


async def test_where_there_is_no_way_back(built: Built) -> None:
    with pytest.raises(Conflict, match="alice has run nothing else before"):
        await orders(built).rollback("alice")
    await deployed(built, "one")
    with pytest.raises(Conflict, match="alice has run nothing else before"):
        await orders(built).rollback("alice")
    with pytest.raises(Conflict, match="alice has that configuration already"):
        await orders(built).rollback("alice", 1)
    with pytest.raises(InvalidField, match="deploy 9 is none that alice has run"):
        await orders(built).rollback("alice", 9)
    with pytest.raises(NotFound):
        await orders(built).rollback("nobody")
    await built.redeclare(alice=declared("throw", apply="always"), bob=declared())
    async with built.serving():
        failed, other = await built.over(1), await built.over(0, "bob")
    for deploy in (failed, other):
        with pytest.raises(InvalidField, match=f"deploy {deploy.id} is none that alice has run"):
            await orders(built).rollback("alice", deploy.id)
    assert await built.kinds() == ["declare done", "declare failed"]


async def test_what_changes_while_the_way_back_is_made(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployed(built, "one", "two")
    one, _ = await built.deploys()
    assert built.workshop is not None
    configs = built.workshop[0]
    restore = configs.restore

    async def meanwhile(agent: str, commit: str, base: str, message: str) -> str:
        await built.save("alice", deploy=one.id)
        return await restore(agent, commit, base, message)

    monkeypatch.setattr(configs, "restore", meanwhile)
    with pytest.raises(Conflict, match="alice has changed meanwhile; look again"):
        await orders(built).rollback("alice")
    assert len(await built.deploys()) == 2


# --- giving up ---


async def test_one_that_waits_is_cancelled_once(built: Built) -> None:
    await deployed(built, "one")
    order = await orders(built).update("alice")
    over = await orders(built).cancel(order.id)
    assert (over.state, over.error) == ("cancelled", "cancelled by the operator")
    assert over.ended_at is not None
    with pytest.raises(AlreadyResolved) as refused:
        await orders(built).cancel(order.id)
    assert refused.value.resolution == "cancelled"
    with pytest.raises(NotFound):
        await orders(built).cancel(99)
    assert ("operator", "deploy.cancel", "alice") in await built.audit()
    assert (await built.told_last("manager"))["note"] == "cancelled by the operator"
    async with built.serving():
        await built.becomes("idle")
    assert built.builds.history == ["evaluate alice", "build alice"]


async def test_one_that_is_tried_is_not_cancelled(built: Built) -> None:
    await deployed(built, "one")
    await built.redeclare(alice=declared("two", settings={"prompt": "silent"}, apply="always"))
    async with built.serving():
        deploy = await built.reached("starting", 1)
        with pytest.raises(Conflict, match="is being tried; it ends by itself"):
            await orders(built).cancel(deploy.id)
