"""The remembered session id on a real file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperhive.harness.session_memory import forget_session_id, load_session_id, save_session_id

ONE = "0617eddf-0c36-4ad2-be2a-011558a312fb"
OTHER = "5434e9a9-4ed6-42e8-b423-dd7ebd011e1a"


def test_keeps_the_last_id(tmp_path: Path) -> None:
    path = tmp_path / "id"
    assert load_session_id(path) is None
    save_session_id(path, ONE)
    save_session_id(path, OTHER)
    assert load_session_id(path) == OTHER
    assert [entry.name for entry in tmp_path.iterdir()] == ["id"]


def test_forgets(tmp_path: Path) -> None:
    path = tmp_path / "id"
    forget_session_id(path)
    save_session_id(path, ONE)
    forget_session_id(path)
    assert load_session_id(path) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"--dangerously-skip-permissions", b"../x", ONE.encode() * 2, b"x" * 1000],
)
def test_what_cannot_be_an_id_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "id"
    path.write_bytes(content)
    assert load_session_id(path) is None


def test_a_crash_while_writing_leaves_the_old_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "id"
    save_session_id(path, ONE)

    def crash(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", crash)
        with pytest.raises(OSError, match="no space"):
            save_session_id(path, OTHER)
    assert load_session_id(path) == ONE
    save_session_id(path, OTHER)
    assert load_session_id(path) == OTHER
