"""Limits of the control groups (containers) that this process belongs to: CPU quotas of version 1 and 2, memory of
version 2.

A group with a quota may use that many microseconds of CPU time per period, summed over all CPUs. When they are used up,
the kernel stops the whole group until the period ends. CPU affinity does not show that. The quota of every group above
counts too. Sources: cgroups(7), Documentation/admin-guide/cgroup-v2.rst ("cpu.max", "cpu.stat", "memory.max") and
Documentation/scheduler/sched-bwc.rst of the Linux kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def cpu_quota(root: Path = Path("/")) -> float | None:
    """The CPU cores that the strictest group allows, or ``None`` without a quota. ``root``: where /proc is."""
    quotas = [quota for group in _groups(root) if (quota := _quota_of(group)) is not None]
    return min(quotas, default=None)


def throttled_periods(root: Path = Path("/")) -> int:
    """The number of periods so far in which a quota stopped the processes of a group that we belong to."""
    return sum(_throttled(group) for group in _groups(root))


def memory_left(root: Path = Path("/")) -> int | None:
    """The bytes that the strictest group still allows, or ``None`` without a limit. Pages of files count as free, since
    the kernel drops them when memory is needed.
    """
    return min((left for group in _groups(root) if (left := _memory_left(group)) is not None), default=None)


def _quota_of(group: Path) -> float | None:
    quota, period = ([*_words(group / "cpu.max"), "max", "100000"])[:2]  # version 2
    if quota == "max":
        quota, period = (
            (_words(group / name) or ["0"])[0] for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        )  # version 1
    try:
        return int(quota) / int(period) if int(quota) > 0 else None
    except (ValueError, ZeroDivisionError):
        return None


def _throttled(group: Path) -> int:
    return _count(group / "cpu.stat", "nr_throttled")


def _memory_left(group: Path) -> int | None:
    limit, used = ((_words(group / name) or ["max"])[0] for name in ("memory.max", "memory.current"))
    if not (limit.isdecimal() and used.isdecimal()):
        return None
    of_files = sum(_count(group / "memory.stat", name) for name in ("active_file", "inactive_file"))
    return max(0, int(limit) - int(used) + of_files)


def _count(path: Path, name: str) -> int:
    """A number in a file of names and numbers; 0 if it is not there."""
    words = _words(path)
    return int(dict(zip(words[::2], words[1::2], strict=False)).get(name, "0"))


def _groups(root: Path) -> Iterator[Path]:
    """The folders of the groups with a CPU controller, each with all groups above it that are visible here."""
    for mounted, top in _mounts(root):
        for line in _lines(root / "proc/self/cgroup"):
            number, controllers, path = line.split(":", 2)
            is_version_2 = number == "0" and not controllers
            if ("cpu" in controllers.split(",")) if mounted == "cpu" else is_version_2:
                yield from _with_those_above(root, *top, path)


def _mounts(root: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Per file system of control groups: ``cpu`` (version 1) or ``unified``, with its root and its mount point.

    A line of mountinfo is, see proc(5): ID parent device root mount-point options … - type source super-options.
    """
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, (kind, *options) = before.split(), after.split()
        top = (_unescaped(fields[3]), _unescaped(fields[4]))
        if kind == "cgroup2":
            yield "unified", top
        elif kind == "cgroup" and "cpu" in options[-1].split(","):
            yield "cpu", top


def _with_those_above(root: Path, mount_root: str, mount_point: str, path: str) -> Iterator[Path]:
    """The folder of a group and of those above it. A container often sees its own group as the root of the mount."""
    top = root / mount_point.lstrip("/")
    inside = PurePosixPath(path)
    relative = inside.relative_to(mount_root) if inside.is_relative_to(mount_root) else PurePosixPath()
    if ".." in relative.parts:  # a group outside this namespace
        relative = PurePosixPath()
    yield from (top / above for above in (relative, *relative.parents))


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _words(path: Path) -> list[str]:
    return [word for line in _lines(path) for word in line.split()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
