"""Names of models, and who may do what."""

from dataclasses import replace

import pytest

from hyperhive.hive.policy import Policy, may_write, require
from hyperhive.hive.records import Agent, AgentState, Budget
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.errors import Forbidden, InvalidField
from tests.hive.world import BIG, SMALL, policy

BOB = Agent(
    id=1,
    name="bob",
    role="worker",
    origin="declared",
    capabilities=(),
    settings=AgentSettings(),
    settings_version=1,
    budget=Budget(),
    wanted="running",
    state="present",
    created_at=0.0,
)


def bob(**settings: object) -> Agent:
    return replace(BOB, settings=AgentSettings(**settings))  # type: ignore[arg-type]  # any option


def test_a_model_is_found_by_alias_and_by_id() -> None:
    for name in ("big", BIG):
        assert policy().check_model(name).id == BIG
    with pytest.raises(InvalidField, match="'huge' is not a known model; known are big, other"):
        policy().check_model("huge")


@pytest.mark.parametrize(
    ("override", "setting", "effective"),
    [
        (None, None, BIG),
        (None, "small", SMALL),
        ("other", "small", "claude-other-1"),
        ("gone", "small", SMALL),
        ("gone", "gone", BIG),
    ],
)
def test_the_operators_word_goes_before_the_agents_before_the_hosts(
    override: str | None, setting: str | None, effective: str
) -> None:
    agent = replace(bob(model=setting), model_override=override)
    assert policy().effective_model(agent).id == effective


def test_accepted_are_the_effective_the_fallback_and_the_helper_once_each() -> None:
    assert policy().accepted_models(bob(fallback_model="other")) == (BIG, "claude-other-1", SMALL)
    assert policy().accepted_models(bob(model="small", fallback_model="small")) == (SMALL,)
    alone: Policy = policy(helper_model=None)
    assert alone.accepted_models(bob(fallback_model="gone")) == (BIG,)


@pytest.mark.parametrize(
    ("allowed", "to", "may"),
    [
        ((), "alice", False),
        ((), "manager", True),
        ((), "operator", True),
        (("*",), "alice", True),
        (("alice",), "alice", True),
        (("alice",), "alic", False),
    ],
)
def test_who_may_write_to_whom(allowed: tuple[str, ...], to: str, may: bool) -> None:
    assert may_write(bob(allowed_recipients=allowed), to) is may


def test_requiring_tells_nobody_what_was_missing() -> None:
    manager = replace(BOB, capabilities=("manage",))
    assert require(BOB) is BOB
    assert require(manager, "manage") is manager
    gone: tuple[AgentState, ...] = ("tombstone", "purging", "purged")
    refused = [
        (None, ()),
        (BOB, ("manage",)),
        (BOB, ("manage", "propose")),
        *((replace(manager, state=s), ("manage",)) for s in gone),
    ]
    for agent, capabilities in refused:
        with pytest.raises(Forbidden) as refusal:
            require(agent, *capabilities)  # type: ignore[arg-type]  # its literals
        assert refusal.value.message == Forbidden().message
