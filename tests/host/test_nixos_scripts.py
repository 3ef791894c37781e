"""The scripts of nixos-tests/ do on a host without NixOS what they are written for."""

from __future__ import annotations

from typing import Any

import pytest

from nested.host import NestedHost
from tests.host.scripted import scripted
from tests.nix.driven import NAMES, driven_tests

pytestmark = [pytest.mark.claude, pytest.mark.nix, pytest.mark.nixlib]


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return driven_tests(tmp_path_factory.mktemp("nixpkgs"))


@pytest.mark.parametrize("name", NAMES)
def test_it_passes(nested: NestedHost, driven: dict[str, Any], name: str) -> None:
    with scripted(nested, driven[name]) as machine:
        machine.run(driven[name]["script"])
