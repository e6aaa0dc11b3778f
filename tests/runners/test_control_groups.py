"""Limits are found in every version and at every depth of control groups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from runners.control_groups import cpu_quota, memory_left, throttled_periods

VERSION_2 = "29 23 0:26 {root} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
VERSION_1 = "30 23 0:27 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
MEMORY = "31 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


def system(root: Path, mounts: str, groups: str, files: Mapping[str, str]) -> Path:
    """A root folder with these mounts, these lines of /proc/self/cgroup, and these files below /sys/fs/cgroup."""
    for name, text in {"proc/self/mountinfo": mounts, "proc/self/cgroup": groups, **files}.items():
        path = root / (name if name.startswith("proc") else f"sys/fs/cgroup/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


STAT = "nr_periods 9\nnr_throttled {}\nthrottled_usec 5\n"
CASES = {
    "version 2, namespace of a container": (
        VERSION_2.format(root="/"), "0::/\n", {"cpu.max": "50000 100000", "cpu.stat": STAT.format(3)}, 0.5, 3,
    ),
    "version 2, quota of a group above": (
        VERSION_2.format(root="/"),
        "0::/a.slice/b.scope\n",
        {
            "a.slice/b.scope/cpu.max": "max 100000",
            "a.slice/b.scope/cpu.stat": STAT.format(0),
            "a.slice/cpu.max": "150000 100000",
            "a.slice/cpu.stat": STAT.format(7),
        },
        1.5,
        7,
    ),
    "version 2, the strictest of two": (
        VERSION_2.format(root="/"), "0::/a/b\n", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "400000 100000"}, 2.0, 0,
    ),
    "version 1, container without a namespace": (
        VERSION_1.format(root="/docker/77") + MEMORY,
        "4:cpu,cpuacct:/docker/77\n3:memory:/docker/77\n0::/\n",
        {
            "cpu,cpuacct/cpu.cfs_quota_us": "25000\n",
            "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "cpu,cpuacct/cpu.stat": STAT.format(2),
        },
        0.25,
        2,
    ),
    "version 1 beside version 2": (
        VERSION_1.format(root="/") + VERSION_2.format(root="/").replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified "),
        "1:cpu,cpuacct:/job\n0::/\n",
        {
            "cpu,cpuacct/job/cpu.cfs_quota_us": "-1\n",
            "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            "unified/cgroup.procs": "",
        },
        None,
        0,
    ),
    "a mount point with a space": (
        "29 23 0:26 / /sys/fs/cgroup/my\\040group rw - cgroup2 none rw\n", "0::/\n",
        {"my group/cpu.max": "100000 100000"}, 1.0, 0,
    ),
    "a group outside the namespace": (
        VERSION_2.format(root="/"), "0::/../elsewhere\n", {"cpu.max": "100000 100000"}, 1.0, 0,
    ),
    "no quota": (VERSION_2.format(root="/"), "0::/a\n", {"a/cpu.max": "max 100000"}, None, 0),
    "files of another kind": (VERSION_2.format(root="/"), "0::/\n", {"cpu.max": "what?", "cpu.stat": ""}, None, 0),
}  # fmt: skip


@pytest.mark.parametrize(("mounts", "groups", "files", "cores", "throttled"), CASES.values(), ids=CASES)
def test_the_strictest_quota_counts_and_all_stops_add_up(
    tmp_path: Path, mounts: str, groups: str, files: dict[str, str], cores: float | None, throttled: int
) -> None:
    root = system(tmp_path, mounts, groups, files)
    assert cpu_quota(root) == cores
    assert throttled_periods(root) == throttled


@pytest.mark.parametrize(
    ("groups", "files", "left"),
    [
        ("0::/\n", {"memory.max": "1000", "memory.current": "400"}, 600),
        ("0::/\n", {"memory.max": "max", "memory.current": "400"}, None),
        ("0::/\n", {"memory.max": "1000", "memory.current": "1200"}, 0),
        (
            "0::/\n",
            {
                "memory.max": "1000",
                "memory.current": "990",
                "memory.stat": "anon 90\nactive_file 300\ninactive_file 600\n",
            },
            910,
        ),
        (
            "0::/a.slice/b.scope\n",
            {
                "a.slice/memory.max": "1000",
                "a.slice/memory.current": "700",
                "a.slice/b.scope/memory.max": "max",
                "a.slice/b.scope/memory.current": "100",
            },
            300,
        ),
        (
            "0::/a/b\n",
            {"a/memory.max": "9000", "a/memory.current": "0", "a/b/memory.max": "800", "a/b/memory.current": "100"},
            700,
        ),
        ("0::/\n", {"memory.max": "what?", "memory.current": ""}, None),
    ],
    ids=["a container", "no limit", "more than allowed", "pages of files", "a group above", "the strictest", "other"],
)
def test_the_strictest_limit_of_memory_counts(
    tmp_path: Path, groups: str, files: dict[str, str], left: int | None
) -> None:
    assert memory_left(system(tmp_path, VERSION_2.format(root="/"), groups, files)) == left


def test_a_system_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert (cpu_quota(tmp_path), throttled_periods(tmp_path), memory_left(tmp_path)) == (None, 0, None)
