"""Servers measured together take turns; one that dies does not affect the others, and missing values stay missing."""

from __future__ import annotations

import os
import random
import signal
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners import machine, measurement, resources
from runners.contract.server_settings import ServerSettings
from runners.contract.session_file import SessionFile
from runners.judging import capacity
from runners.loadgen.job import Connected, DepartureKind, Departures, Job, StreamRequest, Visits
from runners.loadgen.pace import Open
from runners.loading import driver
from runners.measurement import Cell, Conditions, MeasurementResult, cell_run, connection_setup, window
from runners.measurement import recovery as recovery_module
from runners.measurement import streams as streams_module
from runners.measurement.cell_run import CellRun
from runners.measurement.soaking import PIECES
from runners.measurement.window import take_turns
from runners.serving import deployment as deployment_module
from runners.serving import environment
from runners.serving.deployment import Deployment, Deployments
from runners.subjects import catalog
from runners.subjects.catalog import Variant
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Scenario, SecondLoad, Workload
from runners.subjects.workloads import (
    CAPACITY,
    CONNECT,
    DEPLOY,
    ECHO,
    HANDLER,
    IDLE,
    JITTER,
    PUBLISH,
    RECOVERY,
    SLOW_CONSUMER,
    SOAK,
    STREAM,
)
from tests.support import frameworks, needs
from tests.support.marks import few_of
from tests.support.processes import alive, gone, marked, until

pytestmark = pytest.mark.measures

BRIEF = Profile("quick", rounds=1, warmup_s=0.3, duration_s=1.2)
BRIEFEST = replace(BRIEF, warmup_s=0.1, duration_s=0.4, rechecks=False)
"""For tests of which servers are measured, and how."""
SCENARIO = replace(ECHO.scenarios[0], connections=10)
VICTIM = "stubborn"
LAST_SLICE = 3


def cells_of(folder: Path, behaviours: Sequence[str], marker: str = "", scenario: Scenario = SCENARIO) -> list[Cell]:
    framework = catalog.read_folder(frameworks.make(folder, behaviours, marker))
    return [Cell(framework, variant, ECHO, scenario) for variant in framework.variants]


def measured(cells: Sequence[Cell], profile: Profile = BRIEF) -> list[MeasurementResult]:
    cores = measurement.cores_for(cells[0].scenario, machine.physical_cores())
    with Deployments() as deployments:
        return measurement.measure_cells(
            cells, [Conditions(profile, cores, 1, index, 7) for index in range(len(cells))], deployments
        )


class Fatal(resources.Watch):
    """Follows a server through its slices; the victim does not survive the third."""

    begun = 0

    def begin(self) -> None:
        super().begin()
        self.begun += 1
        if (
            self.begun == LAST_SLICE
            and f"BEHAVIOUR={VICTIM}".encode() in Path(f"/proc/{self.pids[0]}/environ").read_bytes()
        ):
            os.kill(self.pids[0], signal.SIGKILL)


@pytest.fixture(scope="module")
def marker() -> str:
    return f"rtsite-test-{uuid.uuid4()}"


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, environments: Path, marker: str) -> list[MeasurementResult]:
    """A good server, the victim, one that is never ready, and another good one."""
    folder = tmp_path_factory.mktemp("together")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "HOME", environments)
        patch.setattr(resources, "Watch", Fatal)
        mine = cells_of(folder / "mine", ["good", VICTIM, "wrong"], marker)
        return measured([*mine, *cells_of(folder / "other", ["good"], marker)])


@pytest.mark.parametrize("index", [0, 3])
def test_the_living_have_values(together: list[MeasurementResult], index: int) -> None:
    found = together[index].measurement
    assert found.failure is None
    assert found.position == index
    assert found.slices is not None
    # 1.2 s in slices of a tenth of a second; a slow machine makes them longer, as many answers take their time.
    assert found.slices <= 12
    assert max(one.measurement.slices or 1 for one in together) > 1
    assert found.duration_s is not None
    assert found.duration_s >= BRIEF.duration_s - 1e-6
    assert found.messages is not None
    assert found.messages.sent == found.messages.received > 0
    assert found.connections is not None
    assert (found.connections.established, found.connections.closed_early) == (10, 0)
    assert found.errors == {}
    timeline = together[index].timeline
    assert timeline is not None
    assert timeline.second[0] == 1


@pytest.mark.parametrize("index", [0, 3])
def test_memory_excludes_what_is_shared_and_other_servers_are_reported(
    together: list[MeasurementResult], index: int
) -> None:
    found = together[index].measurement
    assert found.server is not None
    assert found.server.pss_mean_mb is found.server.pss_peak_mb is None
    assert found.server.uss_mean_mb is not None
    assert found.server.uss_mean_mb > 0
    assert found.server.cpu_s > 0
    assert found.generator is not None
    assert found.generator.neighbours_cpu_percent is not None
    assert found.generator.neighbours_cpu_percent >= 0
    assert found.generator.clock_jump_ms is not None


class FatalToBrokers(resources.Watch):
    """Follows a server and its broker through their slices; the broker does not survive the third."""

    begun = 0

    def begin(self) -> None:
        super().begin()
        self.begun += 1
        if self.begun == LAST_SLICE and resources.name_of(self.pids[0]) in ("redis-server", "valkey-server"):
            os.kill(self.pids[0], signal.SIGKILL)
            until(lambda: resources.name_of(self.pids[0]) is None, "the broker ended")


def test_a_broker_that_ends_fails_its_own_variant_by_name(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the application would go on without it."""
    program = needs.broker_program("redis")
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setattr(resources, "Watch", FatalToBrokers)
    first, second = cells_of(tmp_path / "mine", ["good", "waits"])
    using = replace(first, variant=first.variant.model_copy(update={"broker": "redis"}))
    failed, other = (outcome.measurement for outcome in measured([using, second]))
    assert failed.failure is not None
    assert failed.failure.stage == "load"
    expected = f"the broker of this variant, {program.name}, ended with status -9 while it was needed"
    assert failed.failure.reason == expected
    assert failed.messages is None
    assert failed.broker is None
    assert other.failure is None
    assert other.messages is not None
    assert other.messages.received > 0


def test_a_restless_server_is_halted_while_others_are_loaded(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    restless, good = (
        outcome.measurement for outcome in measured(cells_of(tmp_path / "mine", ["restless", "good"], marker))
    )
    assert restless.failure is good.failure is None
    assert restless.messages is not None
    assert restless.messages.received > 0
    assert restless.server is not None
    assert good.server is not None
    assert restless.server.idle_cpu_percent is not None
    assert restless.server.idle_cpu_percent > 10
    assert good.server.idle_cpu_percent is not None
    assert good.server.idle_cpu_percent < restless.server.idle_cpu_percent
    assert good.generator is not None
    assert good.generator.neighbours_cpu_percent is not None
    assert good.generator.neighbours_cpu_percent < restless.server.idle_cpu_percent / 3
    assert marked(marker) == []


def test_in_an_open_loop_of_few_servers_all_that_wait_are_halted_and_the_reference_stands_beside(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two wait in silence, of which one is the reference, and are stopped while the third is loaded."""
    monkeypatch.setattr(environment, "HOME", environments)
    halted: list[int] = []
    resumed: list[int] = []

    def noting(noted: list[int], really: Callable[[int], None]) -> Callable[[int], None]:
        def act(pid: int) -> None:
            noted.append(pid)
            really(pid)

        return act

    monkeypatch.setattr(resources, "pause_tree", noting(halted, resources.pause_tree))
    monkeypatch.setattr(resources, "resume_tree", noting(resumed, resources.resume_tree))
    scenario = replace(ECHO.scenarios[1], connections=5, slice_s=0.1)
    assert scenario.most_together == 4
    cells = cells_of(tmp_path / "mine", ["good", "good-too", "good-as-well"], scenario=scenario)
    bare = replace(cells[0], framework=cells[0].framework.model_copy(update={"reference": True}))
    reference, *others = (one.measurement for one in measured([bare, *cells[1:]], BRIEFEST))
    assert reference.failure is None
    assert reference.reference is None
    assert len(set(halted)) == 3
    assert halted.count(halted[0]) > 1, "after each of its slices"
    assert sorted(halted) == sorted(resumed)
    for one in others:
        assert one.failure is None
        assert one.messages is not None
        assert one.messages.lost == 0
        assert one.generator is not None
        assert one.generator.neighbours_cpu_percent is not None
        assert one.generator.neighbours_cpu_percent < 1
        if reference.valid:
            assert one.reference is not None
            assert one.reference.latency_ms == reference.latency_ms
            assert one.reference.server == reference.server


def test_the_one_that_died_between_its_slices_is_a_failure(together: list[MeasurementResult]) -> None:
    found = together[1].measurement
    assert found.failure is not None
    assert found.failure.stage == "load"
    assert "the server ended" in found.failure.reason
    assert f"behaviour {VICTIM}" in found.failure.log
    assert not found.valid
    assert found.messages is None
    assert together[1].histograms == {}


def test_the_one_that_was_never_ready_is_a_failure(together: list[MeasurementResult]) -> None:
    found = together[2].measurement
    assert found.failure is not None
    assert found.failure.stage == "ready"


def test_nobody_is_left(together: list[MeasurementResult], marker: str) -> None:
    assert marked(marker) == []


def test_alone_everything_is_reported(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    (outcome,) = measured(cells_of(tmp_path / "mine", ["good"]), BRIEFEST)
    found = outcome.measurement
    assert found.failure is None
    assert found.slices == 1
    assert found.server is not None
    assert found.server.pss_mean_mb is not None
    assert found.generator is not None
    assert found.generator.neighbours_cpu_percent is None
    assert not any("clock" in reason for reason in found.invalid_reasons)


@pytest.mark.parametrize("which", ["wall_s", "boot_s"])
def test_a_clock_that_jumps_meanwhile_makes_it_invalid(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    really, read = machine.read_clocks, []

    def jumping() -> machine.Clocks:
        clocks = really()
        read.append(clocks)
        return replace(clocks, **{which: getattr(clocks, which) - 0.5}) if len(read) > 1 else clocks

    monkeypatch.setattr(machine, "read_clocks", jumping)
    (outcome,) = measured(cells_of(tmp_path / "mine", ["good"]), BRIEFEST)
    found = outcome.measurement
    assert len(read) == 2
    assert found.failure is None
    assert not found.valid
    assert "jump of a clock 500 ms, limit 1 ms" in found.invalid_reasons


# Taking turns


@dataclass
class Waiting:
    """What `take_turns` sees of a server."""

    slice_share: float
    dies_after: int | None
    all: list[Waiting]
    progress: float = 0.0
    turns: int = 0
    failure: str | None = None

    def attempt(self, step: object) -> None:
        assert step is CellRun.load_slice
        assert self.failure is None
        assert self.progress <= min(one.progress for one in self.all if one.failure is None) + 1e-6, "another's turn"
        self.turns += 1
        if self.turns == self.dies_after:
            self.failure = "dead"
        self.progress = min(1.0, self.progress + self.slice_share)


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.none() | st.integers(1, 20)), min_size=1, max_size=8), st.integers(0, 99)
)
def test_whoever_is_behind_is_next_until_all_are_done(servers: list[tuple[float, int | None]], seed: int) -> None:
    waiting: list[Waiting] = []
    waiting += [Waiting(share, dies_after, waiting) for share, dies_after in servers]
    take_turns(waiting, random.Random(seed))  # type: ignore[arg-type]
    for one in waiting:
        assert one.failure is not None or one.progress == 1
        assert one.turns <= 1 / one.slice_share + 2


# A trend


# Beside a window of load


@pytest.fixture
def brief_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of handshakes may still be there when a server's memory is read."""
    monkeypatch.setattr(connection_setup, "STEP_PAUSE_S", 0.1)


def cell_under(folder: Path, scenario: Scenario, workload: Workload, marker: str = "", behaviour: str = "good") -> Cell:
    (cell,) = cells_of(folder, [behaviour], marker, scenario)
    return replace(cell, workload=workload)


@pytest.mark.usefixtures("brief_steps")
def test_connecting_step_by_step(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    scenario = replace(CONNECT.scenarios[0], connections=60, steps=(10, 20, 60), at_once=4)
    (outcome,) = measured([cell_under(tmp_path / "mine", scenario, CONNECT, marker)])
    found = outcome.measurement
    assert found.failure is None
    assert found.connecting is not None
    assert [step.connections for step in found.connecting.steps] == [0, 10, 20, 60]
    assert all(step.pss_mb > 0 for step in found.connecting.steps)
    assert found.connecting.connections_per_s == pytest.approx(60 / found.connecting.took_s, rel=0.01)
    assert found.connections is not None
    assert (found.connections.planned, found.connections.established) == (60, 60)
    assert found.connect_ms is not None
    assert found.connect_ms.count == 60
    assert found.messages is None
    assert (found.connecting.listen_backlog, found.connecting.listen_drops) == (100, 0), "asyncio's own backlog"
    assert not any("unused" in reason for reason in found.invalid_reasons)
    assert marked(marker) == []


@pytest.mark.usefixtures("brief_steps")
def test_connecting_ends_with_the_step_in_which_not_all_are_let_in(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    scenario = replace(CONNECT.scenarios[0], connections=60, steps=(10, 20, 60), at_once=4)
    (outcome,) = measured([cell_under(tmp_path / "mine", scenario, CONNECT, behaviour="small")])
    found = outcome.measurement
    assert found.failure is None
    assert found.connections is not None
    assert found.connecting is not None
    # Some of those who knock at the same time may be let in beyond the number.
    assert 15 <= found.connections.established < 20
    assert [step.connections for step in found.connecting.steps] == [0, 10, found.connections.established]
    assert f"connections not established {60 - found.connections.established}, limit 0" in found.invalid_reasons
    assert found.errors == {"not-connected": 20 - found.connections.established}


@pytest.mark.usefixtures("brief_steps")
@pytest.mark.parametrize("behaviour", ["good", "small"])
def test_clients_are_kept_idle_and_a_ceiling_has_its_reason(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    scenario = replace(IDLE.scenarios[0], connections=60, steps=(10, 20, 60), at_once=4, hold_s=0.5)
    (outcome,) = measured([cell_under(tmp_path / "mine", scenario, IDLE, behaviour=behaviour)])
    found = outcome.measurement
    assert found.failure is None
    assert found.connections is not None
    assert found.connecting is not None
    assert found.connecting.idle is not None
    idle = found.connecting.idle
    assert (idle.seconds, idle.clients, idle.closed) == (0.5, found.connections.established, 0)
    assert 0 <= idle.cpu_percent < 50
    if behaviour == "good":
        assert (idle.clients, found.connecting.ceiling) == (60, None)
    else:
        refused = 20 - idle.clients
        assert found.connecting.ceiling == f"clients that were not accepted: {refused} not-connected"


def test_a_server_that_dies_and_comes_back(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    scenario = replace(RECOVERY.scenarios[0], connections=10, pace=Open(100.0), outage_s=20.0)
    (outcome,) = measured([cell_under(tmp_path / "mine", scenario, RECOVERY, marker)])
    found = outcome.measurement
    assert found.failure is None
    recovery = found.recovery
    assert recovery is not None
    assert recovery.noticed_ms is not None
    assert recovery.back_ms is not None
    assert (recovery.noticed_ms.count, recovery.back_ms.count, recovery.never_back) == (10, 10, 0)
    assert recovery.noticed_ms.max is not None
    assert recovery.back_ms.max is not None
    assert recovery.noticed_ms.max < recovery.back_ms.max
    assert recovery.back_after_listening_ms is not None
    assert recovery.back_after_listening_ms.count == 10
    assert recovery.back_after_listening_ms.max is not None
    assert recovery.back_after_listening_ms.max < recovery.back_ms.max, "the start of the server is no part of it"
    assert recovery.attempts >= 10
    assert recovery.unsent > 0
    assert found.duration_s is not None
    assert found.duration_s < 20, "it ends when everybody is back"
    assert marked(marker) == []


def test_a_deploy_says_what_clients_saw_and_when_they_were_served_again(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    scenario = replace(DEPLOY.scenarios[1], connections=10, pace=Open(100.0))
    (outcome,) = measured([cell_under(tmp_path / "mine", scenario, DEPLOY, marker)])
    found = outcome.measurement
    assert found.failure is None
    recovery = found.recovery
    assert recovery is not None
    assert recovery.ended_s is not None
    assert recovery.ended_s < recovery.restart_s, "the new server starts when the old one has ended"
    assert recovery.was_killed is False
    assert sum(recovery.endings.values()) >= 10
    assert recovery.never_back == 0
    assert recovery.back_ms is not None
    assert recovery.back_ms.mean is not None
    assert recovery.back_ms.mean >= 1000, "no client tries again within the first second"
    # On a busy machine the answers may stay too late to call it service; `test_served_again` holds the definition.
    assert recovery.served_again_s is None or recovery.served_again_s >= 1.0
    assert marked(marker) == []


@pytest.mark.parametrize("behaviour", few_of(["good", "goes-on"], {"goes-on"}))
def test_streams_are_whole_and_show_what_cancelled_ones_still_cost(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    """Both servers compute as long as they stream. One of them notices that its client has left."""
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    monkeypatch.setattr(streams_module, "WATCHED_S", 3.0)
    asked = StreamRequest(chunks=20, chunks_per_s=40.0, cancel_every=5)
    original = next(one for one in STREAM.scenarios if one.exchange == "stream")
    scenario = replace(original, connections=8, pace=Open(8 / asked.seconds), stream=asked)
    (outcome,) = measured([cell_under(tmp_path / "mine", scenario, STREAM, marker, behaviour)])
    found = outcome.measurement
    assert found.failure is None
    streams = found.streams
    assert streams is not None
    assert streams.due >= streams.begun == streams.completed + streams.cancelled > streams.cancelled > 0
    assert (streams.broken, streams.unfinished, streams.missing, streams.wrong) == (0, 0, 0, 0)
    assert streams.chunks == 20 * streams.completed + 10 * streams.cancelled
    assert streams.first_chunk_ms.count == streams.begun
    assert streams.chunk_lateness_ms.count == streams.chunks
    assert found.server is not None
    assert found.server.cpu_us_per_message is not None
    assert found.server.cpu_us_per_message >= 500, "what it computes for each chunk"
    assert streams.cancel_cost_s is not None
    if behaviour == "good":
        assert streams.cancel_cost_s < 1
    else:
        assert streams.cancel_cost_s > 1.5, "it streamed for all of the three seconds"
    assert marked(marker) == []


def test_a_soak_follows_memory_and_latency_while_visitors_come_and_go(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    # The app of these tests has no dashboard. Visitors of a room get its messages.
    scenario = replace(
        SOAK.scenarios[0],
        exchange="room",
        connections=5,
        pace=Open(50.0),
        push_period_s=0.0,
        visits=Visits(per_s=20.0, stay_s=1.0),
        soak_s=1.0,
        publishes=("users",),
    )
    (outcome,) = measured([cell_under(tmp_path / "mine", scenario, SOAK, marker)])
    found = outcome.measurement
    assert found.failure is None
    assert found.messages is not None
    assert found.messages.lost == 0
    assert found.trend_percent is None
    assert outcome.timeline is None
    soak = found.soak
    assert soak is not None
    assert soak.piece_s * PIECES == pytest.approx(3.0), "three times as long as a visitor stays"
    assert sum(value is not None for value in soak.p50_ms) == 3, "as many pieces as seconds"
    assert any(value is not None for value in soak.pss_mb)
    visits = soak.visits
    assert visits.begun == visits.stayed + visits.unfinished == 60
    assert (visits.silent, visits.ended, visits.refused) == (0, 0, 0)
    assert visits.connect_ms.count == visits.stayed
    assert marked(marker) == []


def test_a_second_load_that_needs_work_runs_beside_the_first_and_is_counted_apart(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    second = SecondLoad("work-inline", connections=2, rate_per_s=20.0, work_s=0.02)
    scenario = replace(HANDLER.scenarios[0], connections=5, pace=Open(50.0), second=second)
    (outcome,) = measured([cell_under(tmp_path / "mine", scenario, HANDLER, marker)])
    found = outcome.measurement
    assert found.failure is None
    assert found.messages is not None
    assert found.messages.sent == found.messages.received == round(50 * BRIEF.duration_s)
    beside = found.second_load
    assert beside is not None
    assert (beside.connections.planned, beside.connections.established) == (2, 2)
    assert beside.messages.sent == beside.messages.received > 0
    assert beside.offered_per_s == pytest.approx(beside.messages.sent / BRIEF.duration_s, abs=0.001)
    assert beside.latency_ms.count == beside.messages.sent
    assert beside.latency_ms.mean is not None
    assert beside.latency_ms.mean >= 20, "its server was told how long work takes"
    assert beside.work_ms == 20
    assert (beside.errors, beside.causes) == ({}, [])
    assert beside.generator is not None
    assert beside.generator.send_lag_p99_ms is not None
    assert beside.generator.read_lag_p99_ms is not None
    assert found.server is not None
    assert found.server.cpu_us_per_message is not None
    answered = found.messages.received + beside.messages.received
    assert found.server.cpu_us_per_message == pytest.approx(1e6 * found.server.cpu_s / answered, rel=0.01)
    assert marked(marker) == []


@pytest.mark.usefixtures("brief_steps")
def test_each_connecting_client_has_a_session_of_its_own(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    (outcome,) = measured([_cell_with_sessions(tmp_path / "mine")])
    found = outcome.measurement
    assert found.failure is None
    assert found.connections is not None
    assert (found.connections.planned, found.connections.established) == (12, 12)


@pytest.mark.usefixtures("brief_steps")
def test_a_locked_file_of_sessions_is_a_failure_with_its_reason(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clients are refused. None hangs, and the result has what the server said."""
    monkeypatch.setattr(environment, "HOME", environments)

    class Locking(driver.ShardGroup):
        def connect(self, job: Job) -> list[Connected]:
            (file,) = files
            with file.locked():
                return super().connect(job)

    files: list[SessionFile] = []
    write = SessionFile.write

    def note(file: SessionFile) -> None:
        files.append(file)
        write(file)

    monkeypatch.setattr(SessionFile, "write", note)
    monkeypatch.setattr(driver, "ShardGroup", Locking)
    (outcome,) = measured([_cell_with_sessions(tmp_path / "mine")])
    failure = outcome.measurement.failure
    assert failure is not None
    assert failure.stage == "connect"
    assert "none of 4 connections to " in failure.reason
    assert "503 Service Unavailable" in failure.reason
    assert "database is locked" in failure.reason


def _cell_with_sessions(folder: Path) -> Cell:
    original = next(one for one in HANDLER.scenarios if one.exchange == "session")
    cell = cell_under(folder, replace(original, connections=12, steps=(4, 12), at_once=2), HANDLER)
    return replace(cell, framework=cell.framework.model_copy(update={"exchanges": ["echo", "session"]}))


@pytest.mark.parametrize("kind", ["reset", "silence"])
def test_each_message_of_a_room_has_an_outcome_for_each_member_whose_network_fails(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch, kind: DepartureKind
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    original = next(one for one in JITTER.scenarios if one.kind == kind)
    scenario = replace(original, connections=6, departures=Departures(kind, every_s=2.0, away_s=0.3), retries="quick")
    (outcome,) = measured([cell_under(tmp_path / "mine", scenario, JITTER, marker)])
    found = outcome.measurement
    assert found.failure is None
    deliveries = found.deliveries
    assert deliveries is not None
    assert deliveries.messages == 2 * 10
    assert deliveries.due == 5 * deliveries.messages
    assert deliveries.departures >= 5
    assert (deliveries.twice, deliveries.foreign, deliveries.ended, deliveries.never_back) == (0, 0, 0, 0)
    assert deliveries.delivery_ms.count == deliveries.in_time + deliveries.late
    assert deliveries.rejoin_ms.count == (deliveries.departures if kind == "reset" else 0)
    assert (deliveries.never > 0) == (kind == "reset"), "what is dropped for a moment comes late"
    assert deliveries.never_connected == 0
    assert found.server is not None
    assert found.server.cpu_us_per_message is not None
    assert marked(marker) == []


OUTSIDE = """
import json, sys
from pathlib import Path
from websockets.sync.client import connect

print("ready", flush=True)
for number, line in enumerate(sys.stdin):
    message = json.loads(line)
    with connect(f"ws://127.0.0.1:{Path('port').read_text()}/room/{message['room']}") as member:
        member.send(message["text"])
        member.recv()
    if number + 1 == END:
        raise SystemExit("no broker any more")
"""
"""A program that publishes as a member does, since the app has no broker. It ends after ``END`` messages."""


def cell_with_publisher(folder: Path, marker: str, *, ends_after: int = -1) -> Cell:
    scenario = replace(
        next(one for one in PUBLISH.scenarios if one.kind == "process"), connections=6, further_checks=frozenset()
    )
    cell = cell_under(folder, scenario, PUBLISH, marker)
    (folder / "publisher.py").write_text(OUTSIDE.replace("END", str(ends_after)))
    app = folder / "app.py"
    app.write_text("from pathlib import Path; import sys; Path('port').write_text(sys.argv[1])\n" + app.read_text())
    return replace(cell, variant=cell.variant.model_copy(update={"publisher": ["python", "publisher.py"]}))


def test_what_another_process_publishes_is_measured_to_the_last_member(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    (outcome,) = measured([cell_with_publisher(tmp_path / "mine", marker)])
    found = outcome.measurement
    assert found.failure is None
    published = found.published
    assert published is not None
    assert published.messages == published.complete == 3 * 20, "enough for a median"
    assert published.due == published.in_time + published.late == 6 * published.messages
    assert (published.twice, published.foreign, published.refused, published.ended) == (0, 0, 0, 0)
    assert published.last_delivery_ms.p50 is not None
    assert published.delivery_ms.count == published.due
    assert (published.connections, published.answer_ms) == (None, None)
    assert found.publisher is not None
    assert found.publisher.cpu_s > 0
    assert found.server is not None
    assert found.server.cpu_us_per_message is not None
    assert marked(marker) == []


def test_a_publisher_that_ends_is_a_failure_that_names_its_last_words(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    (outcome,) = measured([cell_with_publisher(tmp_path / "mine", marker, ends_after=12)])
    failure = outcome.measurement.failure
    assert failure is not None
    assert failure.stage == "load"
    assert failure.reason.endswith("/good: its publisher ended with status 1 (no broker any more)")
    assert marked(marker) == []


def test_a_server_that_refuses_what_is_posted_has_a_result_and_the_cause(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app's library refuses every method but GET."""
    monkeypatch.setattr(environment, "HOME", environments)
    marker = f"rtsite-test-{uuid.uuid4()}"
    posting = next(one for one in PUBLISH.scenarios if one.kind == "http")
    (outcome,) = measured([cell_under(tmp_path / "mine", replace(posting, exchange="room"), PUBLISH, marker)])
    found = outcome.measurement
    assert (found.failure, found.valid) == (None, False)
    published = found.published
    assert published is not None
    assert found.publisher is None, "the load generator posts"
    assert published.refused == published.messages == 60
    assert published.never == published.due == 6000
    assert published.delivered_percent == 0
    assert published.last_delivery_ms.count == 0
    assert published.answer_ms is not None
    assert published.answer_ms.count == 0
    assert found.errors == {"not-published": 60}
    assert any(reason.startswith("messages received 0") for reason in found.invalid_reasons)
    assert marked(marker) == []


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(-1.0, 1.0), (-0.5, 1.0)], None),
        ([(0.1, 1.0), (0.6, 1.0)], None),
        # Nothing is answered for a second, then all of it.
        ([*((-0.1 * n, 1.0) for n in range(1, 11)), *((1.0 + 0.1 * n, 1.0) for n in range(21))], 1.0),
        # Late answers are no service.
        (
            [
                *((-0.1 * n, 1.0) for n in range(1, 11)),
                *((0.5 + 0.1 * n, 50.0) for n in range(10)),
                *((1.5 + 0.1 * n, 2.0) for n in range(21)),
            ],
            1.5,
        ),
        # The end is not good.
        ([*((-0.1 * n, 1.0) for n in range(1, 11)), *((0.1 * n, 90.0) for n in range(31))], None),
    ],
)
def test_served_again(answers: list[tuple[float, float]], expected: float | None) -> None:
    """Seconds and milliseconds, at ten messages per second."""
    in_ns = [(round(due_s * 1e9) + 1, round(latency_ms * 1e6)) for due_s, latency_ms in answers]
    assert recovery_module.served_again_s(in_ns, 10.0) == expected


@pytest.mark.parametrize("behaviour", ["good", "waits"])
def test_a_paused_reader_is_felt_by_the_server_or_by_the_others(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    """39 MB are withheld, of which the kernel takes 4 MB. The one server keeps the rest, the other lets all wait."""
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setattr(cell_run, "LISTEN_S", 2.0)
    scenario = replace(SLOW_CONSUMER.scenarios[0], connections=4, payload_bytes=1 << 18)
    folder = tmp_path / "mine"
    cores = measurement.cores_for(scenario, machine.physical_cores())
    cell = cell_under(folder, scenario, SLOW_CONSUMER, behaviour=behaviour)
    with Deployments() as deployments:
        conditions = Conditions(replace(BRIEF, duration_s=3.0), cores, 1, 0, 7)
        (outcome,) = measurement.measure_cells([cell], [conditions], deployments)
    found = outcome.measurement
    assert found.failure is None
    paused = found.slow_consumer
    assert paused is not None
    assert paused.withheld_mb is not None
    assert paused.withheld_mb == pytest.approx(3 * 50 * (1 << 18) / 1e6, rel=0.05)
    assert paused.receive_buffer_bytes
    assert paused.send_buffer_bytes
    assert paused.send_queue_bytes
    assert paused.stalled_s is not None
    grown_mb = max(paused.memory_mb) - paused.memory_mb[0]
    if behaviour == "waits":
        assert paused.stalled_s >= 1
        assert grown_mb < paused.withheld_mb / 2
    else:
        assert paused.stalled_s == 0
        assert grown_mb > paused.withheld_mb / 2
    assert not any("withheld" in reason or "trend" in reason for reason in found.invalid_reasons)


def period_told(deployment: Deployment) -> str | None:
    """The seconds between two pushes in the environment of a running server."""
    variables = Path(f"/proc/{deployment.server.child.pid}/environ").read_text().split("\0")
    return dict(one.split("=", 1) for one in variables if one).get("PUSH_PERIOD_S")


@pytest.mark.parametrize("shared", [True, False])
def test_servers_are_shared_only_where_that_is_wanted(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    framework = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good", "good-too"]))
    good, other_one = framework.variants
    with Deployments(shared=shared) as deployments:
        pids = []
        for variant in (good, good, other_one):
            with deployments.take(framework, variant, cpus=(), workers=1) as deployment:
                deployment.start(SCENARIO.readiness)
                pids.append(deployment.server.child.pid)
        assert (pids[0] == pids[1]) == shared
        assert pids[2] not in pids[:2]
        deployment.kill()
        until(lambda: not deployment.server.child.running, "it is dead")
        with deployments.take(framework, other_one, cpus=(), workers=1) as other:
            other.start(SCENARIO.readiness)
            assert other.server.child.pid != pids[2]
        with deployments.take(framework, good, cpus=(), workers=1, fresh=True) as fresh:
            fresh.start(SCENARIO.readiness)
            assert fresh.server.child.pid not in pids, "somebody needs one that nobody used before"
            assert period_told(fresh) is None, "the usual one goes without saying"
        with deployments.take(
            framework, good, cpus=(), workers=1, settings=ServerSettings(push_period_s=0.2)
        ) as faster:
            faster.start(SCENARIO.readiness)
            assert faster.server.child.pid not in [*pids, fresh.server.child.pid], "it was told another period"
            assert period_told(faster) == "0.2"
    gone([*pids, other.server.child.pid])


def test_two_deployments_of_one_variant_at_once_leave_the_one_that_was_kept_first(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    framework = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good"]))
    (good,) = framework.variants
    with Deployments(shared=True) as deployments:

        def start(stack: ExitStack) -> int:
            deployment = stack.enter_context(deployments.take(framework, good, cpus=(), workers=1))
            deployment.start(SCENARIO.readiness)
            return deployment.server.child.pid

        with ExitStack() as both:
            pids = {start(both), start(both)}
        assert len(pids) == 2
        with ExitStack() as again:
            (kept,) = pids & {start(again)}
            gone([*(pids - {kept})])
    gone([*pids])


def test_kept_deployments_end_where_new_ones_need_their_place(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setattr(deployment_module, "MOST_UP", 2)
    framework = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good", "good-too"]))
    good, other = framework.variants
    with Deployments(shared=True) as deployments:

        def start(stack: ExitStack, variant: Variant, push_period_s: float = 0.2) -> int:
            settings = ServerSettings(push_period_s=push_period_s)
            taken = deployments.take(framework, variant, cpus=(), workers=1, settings=settings)
            deployment = stack.enter_context(taken)
            deployment.start(SCENARIO.readiness)
            return deployment.server.child.pid

        with ExitStack() as both:
            later, sooner = start(both, good), start(both, other)  # a stack ends what came last first
        with ExitStack() as third:
            new = start(third, other, 0.3)
            gone([sooner])
            assert start(third, good) == later
            one_more = start(third, other)
            assert alive(new), "those in use stay, however many they are"
            assert alive(one_more)
    gone([later, sooner, new, one_more])


def test_memory_is_never_that_of_a_server_that_was_loaded_before(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where servers are reused, those that take turns are, and report no memory; one that is alone is new."""
    monkeypatch.setattr(environment, "HOME", environments)
    used: list[int] = []

    class Seen(resources.Watch):
        def __init__(self, pid: int) -> None:
            super().__init__(pid)
            used.append(pid)

    monkeypatch.setattr(resources, "Watch", Seen)
    monkeypatch.setattr(window, "IDLE_S", 0.1)
    cells = cells_of(tmp_path / "mine", ["good", "good-too"])
    cores = measurement.cores_for(SCENARIO, machine.physical_cores())
    conditions = [Conditions(BRIEFEST, cores, 1, index, 7) for index in range(2)]
    with Deployments(shared=True) as deployments:
        turns = [measurement.measure_cells(cells, conditions, deployments) for _ in range(2)]
        in_turns = set(used)
        used.clear()
        (alone,) = measurement.measure_cells(cells[:1], conditions[:1], deployments)
    assert len(in_turns) == 2
    assert len(set(used)) == 1
    assert in_turns.isdisjoint(used)
    assert alone.measurement.server is not None
    assert alone.measurement.server.pss_mean_mb is not None
    for one in (*turns[0], *turns[1]):
        assert one.measurement.server is not None
        assert one.measurement.server.pss_mean_mb is None


def test_searches_take_turns_and_one_that_cannot_be_served_ends_alone(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setattr(resources, "read_others", lambda own: {})  # other tests may be running
    monkeypatch.setattr(machine, "read_steal", lambda *_: (0.0, 1.0))
    rate = CAPACITY.scenarios[0]
    assert rate.target is not None
    few = replace(rate.target, settings=capacity.Settings(start=2000, lowest=1000, highest=4000, tries=2))
    scenario = replace(rate, connections=10, target=few)
    cells = [
        replace(cell, workload=CAPACITY)
        for cell in cells_of(tmp_path / "mine", ["good", "exits", "dies"], scenario=scenario)
    ]
    told: list[str] = []
    cores = measurement.cores_for(scenario, machine.physical_cores())
    brief = replace(BRIEFEST, probe_warmup_s=0.2, probe_s=0.5)  # longer where a p99 needs it
    conditions = [Conditions(brief, cores, 1, index, 7) for index in range(len(cells))]
    with Deployments() as deployments:
        good, exits, dies = (
            outcome.measurement
            for outcome in measurement.measure_cells(cells, conditions, deployments, on_progress=told.append)
        )
    assert told[:2] == ["try 1, 3 searches in progress", "try 2, 2 searches in progress"]
    assert good.capacity is not None
    assert good.capacity.probes[0].load == 2000
    assert exits.failure is not None
    assert (exits.failure.stage, exits.capacity) == ("start", None)
    assert dies.capacity is not None
    assert not any(probe.passed for probe in dies.capacity.probes)
    again = [replace(conditions[0], round=2, earlier=(good,))]
    with Deployments() as deployments:
        (later,) = measurement.measure_cells(cells[:1], again, deployments)
    assert later.measurement.capacity is not None
    enclosed = {probe.passed for probe in good.capacity.probes if probe.valid} == {True, False}
    assert (later.measurement.capacity.probes[0].load == 2000) <= (not enclosed)
