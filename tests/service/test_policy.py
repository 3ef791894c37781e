"""What the configuration grants becomes what the rules go by."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhive import config
from hyperhive.service.policy import policy_of
from tests.config.test_options import SMALLEST

BUILT = {**SMALLEST, "runtime": {"kind": "nspawn"}, "nix": {"flake": "/f"}}


@pytest.mark.parametrize(
    ("options", "granted"),
    [
        ({}, ()),
        ({"capabilities": ["manage"]}, ("manage",)),
        ({"capabilities": ["manage", "manage"]}, ("manage",)),
        ({"selfPropose": True}, ("propose",)),
        ({"capabilities": ["manage"], "selfPropose": True}, ("manage", "propose")),
    ],
)
def test_capabilities_are_what_two_options_say(
    options: dict[str, Any], granted: tuple[str, ...]
) -> None:
    policy = policy_of(config.read({**BUILT, "agents": {"bob": options}, "agentDefaults": options}))
    assert policy.declared["bob"].capabilities == granted
    assert policy.spawned.capabilities == granted
    assert policy.declared["manager"].capabilities == ("manage",)
