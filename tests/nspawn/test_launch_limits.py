"""An agent's limits as systemd takes them."""

from pathlib import Path

from hyperhive.nspawn.launch_limits import forget, properties
from hyperhive.protocol.bundle import Limits

LIMITS = Limits(memory_max=2**30, cpu_quota=150, tasks_max=500, io_weight=50)


def test_every_limit_is_set_in_the_order_of_drop_ins() -> None:
    assert properties(LIMITS, ["/dev/kvm", "/dev/fuse"]) == [
        "CPUQuota=150%",
        "DeviceAllow=/dev/kvm rw",
        "DeviceAllow=/dev/fuse rw",
        "IOWeight=50",
        f"MemoryMax={2**30}",
        "MemorySwapMax=0",
        "TasksMax=500",
    ]


def test_what_is_not_limited_any_more_is_taken_back() -> None:
    assert properties(Limits(), []) == [
        "CPUQuota=",
        "IOWeight=100",
        "MemoryMax=infinity",
        "MemorySwapMax=0",
        "TasksMax=infinity",
    ]


def test_the_limits_of_one_that_is_gone_are_forgotten(tmp_path: Path) -> None:
    for name in ("alice", "bob"):
        (tmp_path / f"a@{name}.service.d").mkdir()
        (tmp_path / f"a@{name}.service.d/50-MemoryMax.conf").touch()
    for _ in range(2):
        forget("a@alice.service", str(tmp_path))
        assert [entry.name for entry in tmp_path.iterdir()] == ["a@bob.service.d"]
