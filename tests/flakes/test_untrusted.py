"""What jobs leave behind is read without waiting, following or believing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hyperhive.flakes.untrusted import read_bundle, read_result
from hyperhive.protocol.builds import MAX_RESULT
from hyperhive.protocol.errors import BuildFailed


def test_an_answer(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"ok": true}')
    assert read_result(tmp_path) == {"ok": True}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff", b'{"a":1,"a":2}', b"[" * 100_000, b" " * MAX_RESULT * 2]
)
def test_no_answer(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "result.json").write_bytes(content)
    with pytest.raises(BuildFailed, match="its answer cannot be read") as caught:
        read_result(tmp_path)
    assert caught.value.reason == "job"


def test_what_is_no_file(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    with pytest.raises(BuildFailed, match="without an answer"):
        read_result(tmp_path)
    (tmp_path / "elsewhere").write_text("{}")
    result.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BuildFailed, match="cannot be read"):
        read_result(tmp_path)
    result.unlink()
    os.mkfifo(result)
    with pytest.raises(BuildFailed, match="no regular file"):
        read_result(tmp_path)
    result.unlink()
    result.mkdir()
    with pytest.raises(BuildFailed, match="no regular file"):
        read_result(tmp_path)


def test_a_bundle_is_read_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "agent.json").write_text('{"model": "opus"}')
    (tmp_path / "system").symlink_to("/usr")
    with pytest.raises(BuildFailed, match="leads out of the store, to /usr"):
        read_bundle(str(tmp_path))
    (tmp_path / "agent.json").write_text('{"modle": "opus"}')
    with pytest.raises(BuildFailed, match=r"agent\.json\.modle: is not known") as caught:
        read_bundle(str(tmp_path))
    assert caught.value.reason == "build"
    (tmp_path / "agent.json").unlink()
    with pytest.raises(BuildFailed, match=r"is no bundle: .*No such file"):
        read_bundle(str(tmp_path))
