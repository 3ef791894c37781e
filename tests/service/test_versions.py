"""Floors of versions, by line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hyperhive.protocol.errors import InvalidField
from hyperhive.service import versions
from hyperhive.service.doctor import version_warnings
from hyperhive.service.versions import Floor, Version, installed, meets

LINES = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
FLOOR = Floor("part", LINES, "it is broken")


@pytest.mark.parametrize(
    ("found", "good"),
    [
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 44, 7), True),
        ((3, 44, 6, 1), True),
        ((3, 45, 9), False),
        ((3, 49, 99), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 51), False),
        ((3, 52), True),
        ((4,), True),
        ((2, 99, 99), False),
        ((), False),
    ],
)
def test_a_version_is_good_in_its_line(found: tuple[int, ...], good: bool) -> None:
    assert meets(found, LINES) is good


@pytest.mark.parametrize(
    ("found", "good", "text"),
    [
        ("3.51.3", True, "part 3.51.3"),
        ("3.51.3rc1", True, "part 3.51.3rc1"),
        ("3.40.1", False, "part 3.40.1 is older than 3.44.6 or 3.50.7 or 3.51.3: it is broken"),
        ("", False, "part is not installed; 3.44.6 or 3.50.7 or 3.51.3 or newer is needed"),
        ("unknown", False, "part unknown is older than 3.44.6 or 3.50.7 or 3.51.3: it is broken"),
    ],
)
def test_it_is_told_in_words(found: str, good: bool, text: str) -> None:
    version = Version(FLOOR, found)
    assert (version.good, version.text) == (good, text)


def test_claude_code_may_be_with_the_agents_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NixOS, where a strict service would start nowhere else."""
    package = tmp_path / "claude_agent_sdk"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("claude_agent_sdk")]:
        monkeypatch.delitem(sys.modules, name)
    assert {v.floor.part for v in installed()} == versions.FLOORS.keys() - {"claude-code"}


def test_every_part_is_found_here() -> None:
    found = {v.floor.part: v.found for v in installed()}
    assert found.keys() == versions.FLOORS.keys()
    assert all(number[0].isdigit() for number in found.values())


def test_old_parts_are_warned_of_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "installed", lambda: [Version(FLOOR, "3.1"), Version(FLOOR, "9")])
    assert version_warnings(strict=False) == (Version(FLOOR, "3.1").text,)
    with pytest.raises(InvalidField, match=r"^strictVersions: part 3\.1 is older"):
        version_warnings(strict=True)
    monkeypatch.setattr(versions, "installed", lambda: [Version(FLOOR, "9")])
    assert version_warnings(strict=True) == ()
