"""Servers here under load from hosts: every procedure works, values stay right, and a lost host loses little."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runners import machine, measurement
from runners.application import run_control
from runners.application.run_control import LoadFrom
from runners.campaign.run_document import ResumeError
from runners.cluster import scheduling
from runners.cluster.hosts import ClusterHosts, placed
from runners.loadgen.job import Departures
from runners.loadgen.pace import Open
from runners.measurement import Cell, Conditions, connection_setup
from runners.measurement import streams as streams_module
from runners.record import HostLostError, Measurement, Topology, UsageError, load_framework, load_run
from runners.serving.deployment import Deployments
from runners.subjects import catalog
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Scenario, Workload
from runners.subjects.workloads import (
    CONNECT,
    DASHBOARD,
    ECHO,
    HANDLER,
    JITTER,
    PUBLISH,
    RECOVERY,
    ROOM,
    STREAM,
)
from tests.support.advising import advise_nothing
from tests.support.hosts import Cluster, Network, cluster, has_time_namespaces, network
from tests.support.processes import mostly_stopped, until
from tests.support.short_runs import Silent

pytestmark = [pytest.mark.measures, pytest.mark.matrix]

BRIEF = Profile("quick", rounds=1, warmup_s=0.3, duration_s=1.2)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHosts]:
    """Two, in network namespaces of their own."""
    folder = tmp_path_factory.mktemp("cluster")
    with network(2) as net, cluster(folder, at=net.address) as made:
        for name, host in zip(("north", "south"), net.hosts, strict=True):
            made.start(name, host=host)
        with placed(made.address, 100, serves=True) as place:
            assert place.address == net.address
            yield place


def measured(
    place: ClusterHosts,
    workload: Workload,
    scenario: Scenario,
    *,
    topology: Topology = "direct",
    name: str = "",
    variant: str = "",
) -> Measurement:
    """Measure a framework under load from the hosts: by default the reference, and the first variant."""
    (framework,) = (one for one in catalog.discover() if (one.slug == name if name else one.reference))
    chosen = next(one for one in framework.variants if variant in ("", one.slug))
    cell = Cell(framework, chosen, workload, scenario).under("", topology)
    cores = measurement.cores_for(scenario, machine.physical_cores())
    conditions = Conditions(BRIEF, cores, 1, 0, 7, place=place)
    with Deployments(address=place.address) as deployments:
        (result,) = measurement.measure_cells([cell], [conditions], deployments)
    found = result.measurement
    assert found.failure is None
    assert found.generator is not None
    assert found.generator.hosts
    for host in found.generator.hosts:
        assert host.clock_offset_ms is not None
        assert host.clock_error_ms is not None
        assert abs(host.clock_offset_ms) <= host.clock_error_ms + 0.1, "the clock of this machine"
    return found


def named(found: Measurement) -> list[str]:
    assert found.generator is not None
    return [one.name for one in found.generator.hosts]


@pytest.mark.parametrize("topology", ["direct", "tls", "nginx", "nginx-tls"])
def test_a_window(hosts: ClusterHosts, topology: Topology) -> None:
    found = measured(hosts, ECHO, replace(ECHO.scenarios[0], connections=10), topology=topology)
    assert found.messages is not None
    assert found.messages.sent == found.messages.received > 0
    assert named(found) == ["north", "south"]
    assert (found.tls is not None) == ("tls" in topology)


def test_a_room_is_on_one_host(hosts: ClusterHosts) -> None:
    scenario = next(one for one in ROOM.scenarios if one.mode == "open")
    found = measured(hosts, ROOM, replace(scenario, connections=8))
    assert found.last_delivery_ms is not None
    assert named(found) == ["north"]


def test_pushes_have_one_beat(hosts: ClusterHosts) -> None:
    scenario = replace(next(iter(DASHBOARD.scenarios)), connections=10)
    found = measured(hosts, DASHBOARD, scenario)
    assert found.pushes_per_s
    assert found.push_lateness_ms is not None or "clocks of the hosts" in found.left_out["push_lateness_ms"]


def test_a_second_load(hosts: ClusterHosts) -> None:
    scenario = next(one for one in HANDLER.scenarios if one.second is not None)
    found = measured(hosts, HANDLER, scenario)
    assert found.second_load is not None
    assert found.second_load.messages.received > 0


def test_connecting(hosts: ClusterHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_setup, "STEP_PAUSE_S", 0.1)
    found = measured(hosts, CONNECT, replace(CONNECT.scenarios[0], connections=20, steps=(10, 20), at_once=4))
    assert found.connecting is not None
    assert [step.connections for step in found.connecting.steps] == [0, 10, 20]


def test_streams(hosts: ClusterHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "WATCHED_S", 0.5)
    scenario = next(one for one in STREAM.scenarios if one.exchange == "stream")
    found = measured(hosts, STREAM, replace(scenario, connections=10, pace=Open(5.0)), name="websockets")
    assert found.streams is not None
    assert found.streams.missing == found.streams.wrong == 0
    assert named(found) == ["north", "south"]


def test_members_who_leave(hosts: ClusterHosts) -> None:
    original = next(one for one in JITTER.scenarios if one.kind == "reset")
    scenario = replace(original, connections=6, departures=Departures("reset", every_s=2.0, away_s=0.3))
    found = measured(hosts, JITTER, scenario)
    assert found.deliveries is not None
    assert found.deliveries.departures > 0
    assert found.deliveries.in_time + found.deliveries.late + found.deliveries.never == found.deliveries.due


def test_messages_from_requests(hosts: ClusterHosts) -> None:
    scenario = next(one for one in PUBLISH.scenarios if one.publisher == "http")
    found = measured(hosts, PUBLISH, replace(scenario, connections=8), variant="outside")
    assert found.published is not None
    assert found.published.complete == found.published.messages > 0


def test_a_process_that_publishes_stays_on_this_machine() -> None:
    plan = run_control.plan_measurements(["aiohttp"], ["publish"], "quick", from_hosts=True)
    assert all(cell.scenario.publisher == "http" for cell in plan.cells)
    assert any("runs beside the server; measure it without --scheduler" in one for one in plan.not_measured)


# Clocks


def restarted(place: ClusterHosts) -> Measurement:
    scenario = replace(RECOVERY.scenarios[0], connections=10, pace=Open(100.0), outage_s=20.0)
    (reference,) = (one for one in catalog.discover() if one.reference)
    cell = Cell(reference, reference.variants[0], RECOVERY, scenario)
    cores = measurement.cores_for(scenario, machine.physical_cores())
    with Deployments(address=place.address) as deployments:
        (result,) = measurement.measure_cells([cell], [Conditions(BRIEF, cores, 1, 0, 7, place=place)], deployments)
    return result.measurement


def test_a_clock_that_is_ahead_changes_no_time_of_a_recovery(tmp_path: Path) -> None:
    """The clients are back some time after the server was started again, and much less than the shift later."""
    if not has_time_namespaces():
        pytest.skip("another clock needs root and time namespaces (Linux 5.6)")
    with cluster(tmp_path) as made:
        made.start("ahead", ahead_s=20.0)
        with placed(made.address, 10, serves=True) as place:
            found = restarted(place)
    assert found.failure is None
    assert found.recovery is not None
    assert found.recovery.back_ms is not None
    assert found.recovery.back_ms.max is not None
    assert 0 < found.recovery.back_ms.max < 20_000
    assert found.generator is not None
    (host,) = found.generator.hosts
    assert host.clock_offset_ms == pytest.approx(20_000, abs=(host.clock_error_ms or 0) + 0.1)
    for field in found.left_out:
        assert field.startswith("recovery.")


# A whole run


class Quiet(Silent):
    """Observes runs that end early and go on."""

    def started(self, *_: object) -> None: ...

    def measuring(self, *_: object) -> None: ...

    def measured(self, *_: object) -> None: ...


@contextmanager
def running_cluster(folder: Path, *names: str) -> Iterator[Cluster]:
    with cluster(folder) as made:
        for name in names:
            made.start(name)
        yield made


def test_a_run_names_its_hosts_and_goes_on_after_one_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "SILENCE_S", 3.0)
    plan = run_control.plan_measurements(["websockets"], ["echo"], "quick", only_headline=True, from_hosts=True)
    with running_cluster(tmp_path, "north", "weak") as made:
        load_from = LoadFrom(made.address)

        class Hitting(Quiet):
            def measured(self, *_: object) -> None:
                os.kill(made.workers["weak"].pid, signal.SIGKILL)

        with pytest.raises(HostLostError, match=r"host weak \(tcp://.*\) is lost"):
            run_control.start_run(plan, tmp_path / "results", "lost", Hitting(), load_from=load_from)
        (folder,) = (tmp_path / "results" / "lost").iterdir()
        document = load_run(folder / "run.yml")
        assert document.finished is None
        assert [one.name for one in document.load_hosts] == ["north", "weak"]
        with pytest.raises(ResumeError, match="its load comes from other hosts \\(north, weak\\); add --scheduler"):
            run_control.resume_run(folder, [], Quiet(), advise_nothing)
        until(lambda: made.workers["weak"].poll() is not None, "the worker has ended")
        made.start("weak")
        summary = run_control.resume_run(folder, [], Quiet(), advise_nothing, load_from)
    assert summary.measurements == plan.measurements
    assert summary.failed == 0
    assert load_run(folder / "run.yml").finished is not None
    cells = load_framework(folder / "websockets.yml").cells
    assert all(named(one) == ["north", "weak"] for cell in cells for one in cell.measurements)


def test_a_host_that_does_not_reach_the_servers_is_named(tmp_path: Path) -> None:
    with network(1) as net, cluster(tmp_path, at=net.address) as made:
        made.start("far", host=net.hosts[0])
        with (
            pytest.raises(UsageError, match=r"host far does not reach servers at 127\.0\.0\.1: Connection refused"),
            placed(made.address, 10, address="127.0.0.1", serves=True),
        ):
            pass


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path, "north") as made,
        pytest.raises(UsageError, match=r"servers cannot listen at 192\.0\.2\.9: .*--address"),
        placed(made.address, 10, address="192.0.2.9", serves=True),
    ):
        pass


# Faults of hosts


def test_a_host_whose_packets_are_dropped_ends_the_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "SILENCE_S", 3.0)
    with network(2) as net, cluster(tmp_path, at=net.address) as made:
        for name, host in zip(("near", "cut"), net.hosts, strict=True):
            made.start(name, host=host)
        with placed(made.address, 10, serves=True) as place, pytest.raises(HostLostError, match="host cut"):
            cut(net, place)


def cut(net: Network, place: ClusterHosts) -> None:
    """Load a server, and cut the second host off while the window is open."""
    opened = ClusterHosts.open_window

    class Cutting(ClusterHosts):
        def open_window(self) -> None:
            opened(self)
            net.cut(net.hosts[1])

    cutting = Cutting(place.members, place.address)
    measured(cutting, ECHO, replace(ECHO.scenarios[0], connections=10))


def test_a_slow_host_makes_the_measurement_invalid_by_name(hosts: ClusterHosts) -> None:
    """Its load generator runs for a tenth of the time, as on a machine that is ten times as slow."""
    opened = ClusterHosts.open_window

    class Slowing(ClusterHosts):
        def open_window(self) -> None:
            opened(self)
            slowed.enter_context(mostly_stopped(self.members[1].pids))

    with ExitStack() as slowed:
        found = measured(Slowing(hosts.members, hosts.address), ECHO, replace(ECHO.scenarios[1], connections=10))
    assert not found.valid
    assert any(one.startswith("host south: send lag p99") for one in found.invalid_reasons), found.invalid_reasons
