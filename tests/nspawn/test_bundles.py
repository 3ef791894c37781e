"""The links from agents to their bundles."""

from pathlib import Path

import pytest

from hyperhive.nspawn.bundles import Bundles
from hyperhive.protocol.errors import Unavailable


@pytest.fixture
def bundles(tmp_path: Path) -> Bundles:
    return Bundles(tmp_path / "bundles", Path("/default"))


def test_an_agent_without_one_gets_the_default(bundles: Bundles, tmp_path: Path) -> None:
    bundles.ensure("alice")
    bundles.ensure("alice")
    assert (tmp_path / "bundles/alice").readlink() == Path("/default")


def test_one_that_it_has_is_kept(bundles: Bundles, tmp_path: Path) -> None:
    bundles.ensure("bob")
    (tmp_path / "bundles/alice").symlink_to("/its-own")
    bundles.ensure("alice")
    assert (tmp_path / "bundles/alice").readlink() == Path("/its-own")


def test_a_purged_agent_has_none(bundles: Bundles, tmp_path: Path) -> None:
    bundles.ensure("alice")
    bundles.forget("alice")
    bundles.forget("alice")
    assert not (tmp_path / "bundles/alice").is_symlink()


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "bundles").write_text("a file")
    with pytest.raises(Unavailable, match="bundles/alice cannot be made"):
        Bundles(tmp_path / "bundles", Path("/default")).ensure("alice")
