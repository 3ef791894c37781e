"""Garbage is looked for again afterwards, also after an import that failed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperhive.harness.imports import import_late


@pytest.fixture(autouse=True)
def frozen() -> Iterator[int]:
    yield gc.get_freeze_count()
    gc.unfreeze()


def test_garbage_is_not_looked_for_and_nothing_is_looked_at_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frozen: int
) -> None:
    (tmp_path / "slow_to_import.py").write_text("import gc\non = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert import_late("slow_to_import").on is False
    assert gc.isenabled()
    count = gc.get_freeze_count()
    assert count > frozen
    assert import_late("slow_to_import").on is False
    assert gc.get_freeze_count() == count


def test_an_import_that_fails_leaves_garbage_to_be_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_late("hyperhive.harness.nothing")
    assert gc.isenabled()
