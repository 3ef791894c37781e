"""Rows of deploys."""

from dataclasses import replace

from hyperhive.hive.deploy_rows import OPEN_DEPLOYS, Built, Deploy, DeployState
from hyperhive.protocol.bundle import AgentSettings, Limits
from hyperhive.store.transaction import Rows

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BUILT = Built(
    "host-1",
    "/nix/store/x.drv",
    "/nix/store/y",
    AgentSettings(allowed_bash=("git *",), limits=Limits(tasks_max=100)),
    "/nix/store/z",
)


def order(tx: Rows, agent_id: int = 1, approval: int | None = None) -> Deploy:
    return tx.deploys.add("declare", agent_id, f"a{agent_id}", COMMIT, "operator", 5.0, approval)


def test_a_deploy_comes_back_as_it_was_ordered_and_carried_out(tx: Rows) -> None:
    deploy = order(tx, approval=7)
    assert tx.deploys.get(deploy.id) == deploy
    assert (deploy.state, deploy.built, deploy.approval_id) == ("queued", None, 7)
    over = replace(
        deploy,
        state="rolled_back",
        built=BUILT,
        previous=3,
        operation_id=4,
        error="not healthy",
        begun_at=6.0,
        ended_at=9.0,
    )
    tx.deploys.save(over)
    assert tx.deploys.get(deploy.id) == over
    assert tx.deploys.get(deploy.id + 1) is None


def test_open_ones_are_those_that_are_not_over(tx: Rows) -> None:
    first, second, third = order(tx, 1), order(tx, 2), order(tx, 1)
    over: tuple[DeployState, ...] = ("done", "failed", "rolled_back", "cancelled")
    for state in over:
        tx.deploys.save(replace(third, state=state))
        assert tx.deploys.open() == [first, second]
    for state in OPEN_DEPLOYS:
        tx.deploys.save(moved := replace(first, state=state))
        assert tx.deploys.open() == [moved, second]
    assert tx.deploys.open(2) == [second]


def test_the_newest_come_first(tx: Rows) -> None:
    ids = [order(tx, agent).id for agent in (1, 2, 1, 1)]
    assert [d.id for d in tx.deploys.recent()] == ids[::-1]
    assert [d.id for d in tx.deploys.recent(1, 2)] == [ids[3], ids[2]]
