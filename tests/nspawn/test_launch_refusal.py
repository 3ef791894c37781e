"""What systemd and the journal are told of a refusal."""

import socket
from pathlib import Path

import pytest

from hyperhive.nspawn.launch_refusal import Exit, Refused, is_refusal, run_and_exit


def refuse(message: str) -> int:
    def main() -> None:
        raise Refused(Exit.SETTINGS, message)

    return run_and_exit("launcher", main)


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_line_is_the_units_status(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = str(tmp_path / "notify@")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path if kind == "path" else f"\0{path}")
        monkeypatch.setenv("NOTIFY_SOCKET", path if kind == "path" else f"@{path}")
        assert refuse("no\nREADY=1 " + "\u00e9" * 3000) == Exit.SETTINGS
        told = systemd.recv(8192, socket.MSG_DONTWAIT).decode()
    line = capsys.readouterr().err
    assert line == f"<3>{told.removeprefix('STATUS=')}\n"
    assert told.startswith("STATUS=launcher: no\\nREADY=1 ")
    assert "\n" not in told
    assert len(told.encode()) < 4096
    assert is_refusal(told.removeprefix("STATUS="))


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all", "vsock:2:1"])
def test_nobody_to_tell_is_no_matter(
    address: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert refuse("no") == Exit.SETTINGS
    assert capsys.readouterr().err == "<3>launcher: no [settings, exit 69]\n"


def test_what_a_container_says_of_itself_is_no_refusal() -> None:
    assert not is_refusal("Container running: launcher: no [settings, exit 69]")
    assert not is_refusal("")
