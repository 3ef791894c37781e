"""What the cgroup tree says of the limits that the kernel can enforce."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperhive.service import controllers


@pytest.mark.parametrize(
    ("there", "begins"),
    [
        ("cpuset cpu io memory hugetlb pids rdma misc", ""),
        ("cpu io", "memory and task limits are not enforced: this kernel's controllers are not"),
        ("cpu io memory", "task limits are not enforced: "),
        ("pids memory", "CPU and disk time limits are not enforced: "),
        ("", "memory, task, CPU and disk time limits are not enforced: "),
        (None, "memory, task, CPU and disk time limits are not enforced: "),
    ],
)
def test_limits_without_a_controller(tmp_path: Path, there: str | None, begins: str) -> None:
    if there is not None:
        (tmp_path / "cgroup.controllers").write_text(f"{there}\n")
    said = controllers.problem(tmp_path)
    assert said.startswith(begins)
    assert bool(said) == bool(begins)
    assert ("systemd.unified_cgroup_hierarchy=1" in said) == bool(begins)
