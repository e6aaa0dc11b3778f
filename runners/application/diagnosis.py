"""The diagnosis of this machine: whether it is ready to measure."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from uv import find_uv_bin

from runners import control_groups, idle_cpus, machine, revision
from runners.flame import sampler
from runners.judging.thresholds import FOREIGN_CPU
from runners.measurement.interference import Interference
from runners.record import Machine, RtsiteError, as_command
from runners.serving import broker, interpreter, proxy

Level = Literal["ok", "note", "missing"]

LOOK_S = 1.0
"""Seconds for which the CPU use of other processes is measured."""
_FEW_OPEN_FILES = 4096
_NEEDED_GB = 1.0
_NEEDED_CORES = 2


@dataclass(frozen=True)
class MachineFinding:
    """One fact about the machine; nothing can be measured while something is missing."""

    level: Level
    name: str
    detail: str


def diagnose_machine() -> list[MachineFinding]:
    """All findings. Takes about `LOOK_S` seconds."""
    facts = machine.describe_machine()
    return [
        MachineFinding(
            "ok", "machine", f"{facts.cpu_model}, {facts.logical_cpus} CPUs, {facts.memory_mb / 1000:.0f} GB"
        ),
        MachineFinding("ok", "system", f"{facts.operating_system}, {facts.kernel}, Python {facts.python}"),
        _cores(),
        *_idle_cpus(),
        _quota(),
        *map(_broker, broker.KINDS.values()),
        _proxies(),
        _pythons(),
        _open_files(),
        _disk(),
        _uv(),
        _profiler(),
        _other_processes(),
        *_virtualisation(facts),
    ]


def _cores() -> MachineFinding:
    share = machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())
    if share.note:
        return MachineFinding("note", "cores", share.note)
    return MachineFinding("ok", "cores", f"server on CPU {share.server}, load generator on CPU {share.loadgen}")


def _idle_cpus() -> Iterator[MachineFinding]:
    with idle_cpus.kept_awake():
        state, late_us = idle_cpus.state(), idle_cpus.wake_up_us()
    if state is None or late_us is None:
        return
    if state == "awake":
        yield MachineFinding("ok", "idle CPUs", f"kept awake while measuring; they react in {late_us:.0f} µs")
        return
    mend = f", so latencies are longer; to keep them awake: `sudo chmod o+rw {idle_cpus.REQUESTS}`"
    mend = mend if idle_cpus.must_be_allowed() else "; this system cannot keep them awake"
    yield MachineFinding("note", "idle CPUs", f"asleep while measuring; they wake up in {late_us:.0f} µs{mend}")


def _broker(kind: broker.Kind) -> MachineFinding:
    try:
        program = broker.find_broker(kind.name)
    except RtsiteError as error:
        return MachineFinding("note", kind.name, f"variants that use {kind.title} will fail: {error}")
    found = f"{program.name} {program.version} (found by {program.found_by})"
    if program.found_by not in ("path", "system"):
        return MachineFinding(
            "note",
            kind.name,
            f"{found}; install a current one, which is preferred: `apt-get install {kind.package}`",
        )
    return MachineFinding("ok", kind.name, found)


def _proxies() -> MachineFinding:
    found, missing = [], []
    for topology in proxy.PROGRAMS:
        try:
            program = proxy.find_proxy(topology)
            found.append(f"{program.title} {program.version}")
        except RtsiteError:
            missing.append(topology)
    if not missing:
        return MachineFinding("ok", "proxies", ", ".join(found))
    without = f"`{as_command('run', '--topology', missing[0])}` will fail: it is not installed"
    return MachineFinding("note", "proxies", "; ".join([*found, without]))


def _pythons() -> MachineFinding:
    others = interpreter.other_versions()
    detail = f"{', '.join(others)}, for `rtsite run --python`" if others else "none; `uv python install` adds one"
    return MachineFinding("ok" if others else "note", "other versions of Python", detail)


def _open_files() -> MachineFinding:
    limit = machine.open_files()
    raised = limit.raised_for(0)
    if raised.soft < _FEW_OPEN_FILES:
        return MachineFinding(
            "note",
            "open files",
            f"at most {raised.soft}; workloads with many clients need {machine.OPEN_FILES}: let the administrator"
            " raise the hard limit (`ulimit -Hn`)",
        )
    how = f"limit {limit.soft}, raised to {raised.soft} while measuring" if raised != limit else f"limit {limit.soft}"
    return MachineFinding("ok", "open files", how)


def _quota() -> MachineFinding:
    cores = control_groups.cpu_quota()
    if cores is None:
        return MachineFinding("ok", "CPU quota", "none")
    allows = f"a control group (container) allows {cores:.3g} CPU cores"
    if cores < _NEEDED_CORES:
        return MachineFinding(
            "note",
            "CPU quota",
            f"{allows}; server and load generator need {_NEEDED_CORES}, and measurements that it stops are invalid:"
            " raise it, for example with `docker run --cpus`",
        )
    return MachineFinding("note", "CPU quota", f"{allows}; measurements that it stops are invalid")


def _disk() -> MachineFinding:
    free_gb = shutil.disk_usage(revision.ROOT).free / 1e9
    level: Level = "ok" if free_gb > _NEEDED_GB else "missing"
    return MachineFinding(level, "disk", f"{free_gb:.1f} GB free; environments and the site take about 1 GB")


def _uv() -> MachineFinding:
    try:
        find_uv_bin()
    except FileNotFoundError:
        return MachineFinding("missing", "uv", "not found; install it with `pip install uv`")
    return MachineFinding("ok", "uv", "installs the frameworks' environments")


def _profiler() -> MachineFinding:
    try:
        return MachineFinding("ok", "py-spy", f"{sampler.find_sampler().version}, for `rtsite run --flame`")
    except RtsiteError as error:
        return MachineFinding("note", "py-spy", f"`rtsite run --flame` will fail: {error}")


def _other_processes() -> MachineFinding:
    """Whether other processes leave the machine quiet enough to measure on."""
    interference = Interference()
    interference.begin()
    time.sleep(LOOK_S)
    interference.end()
    used = interference.foreign_percent or 0.0
    found = f"other processes use {used:.1f} % of a core"
    if used and interference.foreign_process:
        found += f", most of it {interference.foreign_process}"
    if not FOREIGN_CPU.is_broken_by(used):
        return MachineFinding("ok", "quiet", found)
    return MachineFinding("note", "quiet", f"{found}; above {FOREIGN_CPU.limit:g} % every measurement is invalid")


def _virtualisation(facts: Machine) -> Iterator[MachineFinding]:
    if facts.virtualisation:
        yield MachineFinding(
            "note",
            "virtual machine",
            f"{facts.virtualisation}: other virtual machines may disturb measurements; each one checks the CPU steal",
        )
