"""What keeps the service from starting: one clear line naming the thing and the remedy."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hyperhive.cli.main import main
from hyperhive.service import versions
from hyperhive.service.versions import Floor
from tests.support.real_service import Swarm, short_directory

Refuse = Callable[..., str]


@pytest.fixture
def root() -> Iterator[Path]:
    with short_directory() as directory:
        Swarm(directory, ()).prepare()
        yield directory


@pytest.fixture
def refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refuse:
    """Try to serve with these options; returns what is said about it."""

    def attempt(*arguments: str, **options: object) -> str:
        path = root / "config.yaml"
        path.write_text(json.dumps({**json.loads(path.read_text()), **options}))
        monkeypatch.setattr("sys.argv", ["hyperhive", "serve", f"--config={path}", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        assert (end.value.code, shown.out) == (1, "")
        assert shown.err.startswith("hyperhive: ")
        assert shown.err.count("\n") == 1, shown.err
        return shown.err.removeprefix("hyperhive: ").strip()

    return attempt


# --- secrets ---


@pytest.mark.parametrize("field", ["credentialFile", "dashboard.tokenFile"])
@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (None, 0o600, "cannot be read: No such file or directory"),
        ("precious", 0o640, "can be read by others; run: chmod 600 "),
        ("precious", 0o604, "can be read by others; run: chmod 600 "),
        ("", 0o600, "must hold one token on one line"),
        ("one\ntwo", 0o600, "must hold one token on one line"),
        ("one two", 0o600, "must hold one token on one line"),
        ("schlüssel", 0o600, "must hold one token on one line"),
        ("x" * 20_000, 0o600, "must hold one token on one line"),
    ],
)
def test_secrets(
    root: Path, refused: Refuse, field: str, content: str | None, mode: int, said: str
) -> None:
    path = root / "secret"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    option, _, inner = field.partition(".")
    line = refused(**{option: {inner: str(path), "port": 0} if inner else str(path)})
    assert line.startswith(f"{field}: {path} {said}")
    assert not content or content not in line


def test_a_directory_in_place_of_a_secret(root: Path, refused: Refuse) -> None:
    assert "cannot be read: Is a directory" in refused(credentialFile=str(root))


def test_a_real_model_needs_a_word(root: Path, refused: Refuse) -> None:
    line = refused(upstream="https://api.anthropic.com")
    assert line.startswith("runtime.kind: ")
    assert "--unsafe-local" in line


@pytest.mark.parametrize("token", ["sk-ant-api03-x", "sk-ant-oat01-x"])
def test_so_does_what_looks_like_a_real_key(root: Path, refused: Refuse, token: str) -> None:
    """Behind a local address there may be a proxy."""
    (root / "credential").write_text(token)
    line = refused(upstream="http://127.0.0.1:9")
    assert "--unsafe-local" in line
    assert token not in line


# --- directories ---


@pytest.mark.parametrize("option", ["stateDir", "runDir", "agentsDir"])
def test_a_directory_that_cannot_be_made(root: Path, refused: Refuse, option: str) -> None:
    (root / "file").write_text("")
    line = refused(**{option: str(root / "file" / "inner")})
    assert line.startswith(f"{option}: {root / 'file'}")
    assert "cannot be made: Not a directory; make it yourself" in line
    assert refused(**{option: "/proc/hyperhive"}).startswith(f"{option}: /proc/hyperhive cannot")


@pytest.mark.parametrize(
    ("option", "mode", "remedy"),
    [("stateDir", 0o755, 700), ("runDir", 0o1777, 711), ("agentsDir", 0o775, 711)],
)
def test_a_directory_that_is_open_to_others(
    root: Path, refused: Refuse, option: str, mode: int, remedy: int
) -> None:
    """It keeps its mode: it may be /tmp."""
    path = root / "open"
    path.mkdir()
    path.chmod(mode)
    line = refused(**{option: str(path)})
    assert f"{path} is open to others (mode {mode:04o}); run: chmod {remedy} {path}" in line
    assert path.stat().st_mode & 0o7777 == mode


def test_what_is_in_the_way_of_the_admin_socket(root: Path, refused: Refuse) -> None:
    (root / "run" / "admin.sock").mkdir(parents=True)
    (root / "run").chmod(0o711)
    line = refused()
    assert line.startswith(f"runDir: {root}/run/admin.sock cannot be made: Is a directory")


# --- the database ---


def test_a_damaged_database(root: Path, refused: Refuse) -> None:
    (root / "service").mkdir(mode=0o700)
    (root / "service" / "hive.db").write_bytes(b"not a database" * 1_000)
    line = refused()
    assert line.startswith(f"{root}/service/hive.db: ")
    assert (root / "service" / "hive.db").read_bytes() == b"not a database" * 1_000


def test_a_database_of_another_program(root: Path, refused: Refuse) -> None:
    (root / "service").mkdir(mode=0o700)
    with closing(sqlite3.connect(root / "service" / "hive.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert f"{root}/service/hive.db: " in refused()


# --- addresses ---


def test_a_port_that_is_taken(refused: Refuse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(dashboard={"port": port})
    assert line == (
        f"dashboard.port: 127.0.0.1:{port}: Address already in use; choose another port"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_that_is_not_ours(refused: Refuse, host: str) -> None:
    line = refused(dashboard={"host": host, "port": 0, "allowedHosts": ["hive.example.org"]})
    assert line.startswith(f"dashboard.host: {host}:0: ")
    assert line.endswith("choose an address of ours")


# --- a second one, and old parts ---


def test_a_second_instance(root: Path, refused: Refuse) -> None:
    """Whatever they have in common."""
    swarm = Swarm(root, ())
    swarm.start()
    try:
        swarm.wait_ready()
        own = {
            option: str(root / f"own-{option}") for option in ("stateDir", "runDir", "agentsDir")
        }
        for option in own:
            others: dict[str, Any] = {**own, option: json.loads(_config(root))[option]}
            line = _keeping_config(root, lambda others=others: refused(**others))  # type: ignore[misc]  # bound at once
            assert line.startswith(f"{option}: another hyperhive uses {root}")
            assert "stop that one" in line
        assert (root / "run" / "admin.sock").is_socket()
    finally:
        swarm.kill(signal.SIGTERM)


def _config(root: Path) -> str:
    return (root / "config.yaml").read_text()


def _keeping_config(root: Path, act: Callable[[], str]) -> str:
    before = _config(root)
    try:
        return act()
    finally:
        (root / "config.yaml").write_text(before)


def test_old_parts_where_they_are_refused(refused: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    floor = Floor("sqlite", ((99, 0, 0),), "it lost commits")
    monkeypatch.setattr(versions, "FLOORS", {**versions.FLOORS, "sqlite": floor})
    line = refused(strictVersions=True)
    assert line.startswith("strictVersions: sqlite 3.")
    assert "is older than 99.0.0: it lost commits" in line


def test_options_are_checked_first(refused: Refuse) -> None:
    assert "dashboard.port: must be from 0 to 65,535" in refused(dashboard={"port": 70_000})
