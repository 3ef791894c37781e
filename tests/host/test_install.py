"""An installation that stays, as `./hive install` makes it, on a host that had none."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nested.__main__ import is_apart, needed
from nested.host import NestedHost
from tests.host.conftest import CLONE

PYTHON = "/opt/hyperhive/venv/bin/python"
POLICY = "/etc/hyperhive/policy.json"


@pytest.fixture
def host() -> Iterator[NestedHost]:
    seen = sorted({path for path in (CLONE, *needed(sys.executable)) if is_apart(path, Path("/"))})
    made = NestedHost.start(seen)
    try:
        yield made
    finally:
        made.close()


def install(host: NestedHost) -> None:
    host.run(
        ["/usr/bin/python3", "-m", "nested.install", CLONE, PYTHON, "/usr"],
        environment={"PYTHONPATH": str(CLONE)},
    )


def test_it_can_be_repeated_and_the_policy_stays(host: NestedHost) -> None:
    assert not host.path(POLICY).exists()
    install(host)
    units = host.path("/etc/systemd/system")
    assert f"ExecStart={PYTHON} -I" in (units / "hyperhive-agent@.service").read_text()
    assert list(units.glob("*.d/clone.conf")) == []  # what makes a trial less hardened
    mine = host.path(POLICY).read_text().replace('"tasksMax": 1024', '"tasksMax": 512')
    host.path(POLICY).write_text(mine)
    install(host)
    assert '"tasksMax": 512' in mine
    assert host.path(POLICY).read_text() == mine
