"""An agent's limits as systemd takes them."""

from hyperhive.nspawn.launch_limits import properties
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
