"""What a harness gets when it is started, and what stands in its way."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperhive.local.reach import check_reach
from hyperhive.protocol.errors import Unavailable
from tests.local.conftest import Hive, agent


async def told(hive: Hive, name: str = "alice") -> dict[str, Any]:
    """What a talkative stand-in says about itself."""
    async with hive.running("talkative", name) as runtime:
        lines = await runtime.logs(name, 100)
        found: dict[str, Any] = {"invocation": (await runtime.running())[name].id}
        for line in lines:
            if line.startswith("{"):
                found |= json.loads(line)
    return found


async def test_its_environment_is_made_from_nothing(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "CLAUDECODE", "PYTHONPATH", "NOTIFY_SOCKET", "LD_PRELOAD"):
        monkeypatch.setenv(name, "")
    said = await told(hive)
    home = hive.files("alice")
    assert said["environment"] == {
        "HYPERHIVE_HIVE": str(hive.agents),
        "HYPERHIVE_AGENT": "alice",
        "HYPERHIVE_INVOCATION": said["invocation"],
        "HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


async def test_its_arguments_and_places(hive: Hive) -> None:
    said, home = await told(hive), hive.files("alice")
    assert said["arguments"] == [
        f"--socket={hive.root / 'run' / 'alice' / 'hive.sock'}",
        f"--state={home / 'state'}",
        f"--home={home / 'home'}",
        f"--workspace={home / 'workspace'}",
    ]
    assert said["cwd"] == str(home / "workspace")


async def test_it_inherits_no_descriptor(hive: Hive) -> None:
    with Path("/dev/null").open() as file:
        os.set_inheritable(file.fileno(), True)
        assert (await told(hive))["files"] == ["0", "1", "2", "3"]  # the last one lists them


@pytest.mark.root
async def test_it_has_no_groups_but_its_own(new_hive: Callable[[], Hive]) -> None:
    hive = new_hive()
    assert (await told(hive))["groups"] == []
    uid = (hive.files("alice") / "state").stat().st_uid
    log = (hive.files("alice") / "harness.log").stat()
    assert (log.st_uid, log.st_mode & 0o777) == (0, 0o600)
    assert f"ready {uid}" in (hive.files("alice") / "harness.log").read_text()


@pytest.mark.root
@pytest.mark.parametrize("what", ["the command", "a file it needs", "the sockets", "the places"])
async def test_what_agents_cannot_reach_is_named_with_the_remedy(
    new_hive: Callable[[], Hive], what: str
) -> None:
    hive = new_hive()
    secret = hive.root / "home"
    (secret / "bin").mkdir(parents=True)
    secret.chmod(0o700)
    runtime = hive.runtime(needs=[secret / "bin"] if what == "a file it needs" else [])
    if what == "the command":
        (secret / "bin" / "python").symlink_to(sys.executable)
        runtime._spawner = type(runtime._spawner)(
            (str(secret / "bin" / "python"),), (), hive.agents, hive.root / "run"
        )
    elif what == "the sockets":
        secret = hive.root / "run"
    elif what == "the places":
        secret = hive.root
    secret.chmod(0o700)
    with pytest.raises(Unavailable) as refused:
        await runtime.start(agent("alice"))
    assert f"{secret} is closed to them" in refused.value.message
    assert f"chmod o+x {secret}" in refused.value.message
    assert await runtime.running() == {}
    assert hive.processes("alice") == []


def test_a_link_to_what_is_closed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "closed").mkdir(parents=True)
    (top / "closed" / "file").write_text("")
    (top / "link").symlink_to("closed/file")
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid():
            path.chmod(path.stat().st_mode | 0o001)
    check_reach(top / "link", 1)
    (top / "closed").chmod(0o700)
    with pytest.raises(Unavailable, match=rf"chmod o\+x {top / 'closed'}$"):
        check_reach(top / "link", 1)
    check_reach(top / "link", os.geteuid())
    (top / "closed").chmod(0o711)
    (top / "closed" / "file").chmod(0o640)
    with pytest.raises(Unavailable, match=rf"chmod o\+r {top / 'closed' / 'file'}$"):
        check_reach(top / "link", 1)
