"""The links from agents to their bundles."""

from pathlib import Path

import pytest

from hyperhive.nspawn.bundles import Bundles
from hyperhive.protocol.errors import Unavailable


@pytest.fixture
def bundles(tmp_path: Path) -> Bundles:
    return Bundles(tmp_path / "bundles", Path("/default"))


def test_an_agent_without_one_gets_the_default(bundles: Bundles, tmp_path: Path) -> None:
    bundles.ensure("alice", None)
    bundles.ensure("alice", None)
    assert (tmp_path / "bundles/alice").readlink() == Path("/default")


def test_one_that_it_has_is_kept(bundles: Bundles, tmp_path: Path) -> None:
    bundles.ensure("bob", None)
    (tmp_path / "bundles/alice").symlink_to("/its-own")
    bundles.ensure("alice", None)
    assert (tmp_path / "bundles/alice").readlink() == Path("/its-own")


def test_a_new_one_takes_the_place_of_the_old(bundles: Bundles, tmp_path: Path) -> None:
    for target in ("/nix/store/one", "/nix/store/two"):
        bundles.ensure("alice", target)
        assert (tmp_path / "bundles/alice").readlink() == Path(target)
    bundles.ensure("alice", None)
    assert (tmp_path / "bundles/alice").readlink() == Path("/nix/store/two")
    assert [entry.name for entry in (tmp_path / "bundles").iterdir()] == ["alice"]


def test_without_a_default_there_may_be_none(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="alice was not built yet"):
        Bundles(tmp_path / "bundles", None).ensure("alice", None)


def test_a_purged_agent_has_none(bundles: Bundles, tmp_path: Path) -> None:
    bundles.ensure("alice", None)
    bundles.forget("alice")
    bundles.forget("alice")
    assert not (tmp_path / "bundles/alice").is_symlink()


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "bundles").write_text("a file")
    with pytest.raises(Unavailable, match="bundles/alice cannot be made"):
        Bundles(tmp_path / "bundles", Path("/default")).ensure("alice", None)
