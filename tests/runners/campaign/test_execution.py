"""Runs are planned fairly; a misbehaving server is a recorded failure and does not end the run."""

from __future__ import annotations

import platform
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners import machine, record, resources
from runners.campaign import execution, planning, run_files
from runners.campaign.observer import RunSummary
from runners.campaign.run_document import ResumeError
from runners.judging import thresholds
from runners.measurement import Cell, window
from runners.record import (
    FrameworkDocument,
    Measurement,
    NothingToDoError,
    RtsiteError,
    load_framework,
    load_run,
    problems_in,
)
from runners.record.schema import BrokerName, Topology
from runners.serving import broker, deployment, environment
from runners.subjects import catalog, profiles, workloads
from runners.subjects.scenarios import CLOSED_LOOP_TOGETHER, OPEN_LOOP_TOGETHER, Scenario
from runners.subjects.workloads import DASHBOARD, ECHO
from tests.support import frameworks, needs
from tests.support.frameworks import BEHAVIOURS
from tests.support.marks import few_of
from tests.support.processes import marked
from tests.support.short_runs import BRIEF, BRIEFEST, SMALL, Silent


@pytest.fixture(scope="module")
def marker() -> str:
    return f"rtsite-test-{uuid.uuid4()}"


@pytest.fixture(scope="module", autouse=True)
def short_idle() -> Iterator[None]:
    """These tests do not read the CPU that servers use without load, and give them no time after it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "IDLE_S", 0.1)
        patch.setattr(deployment, "SETTLING_S", 0.0)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, environments: Path, marker: str) -> tuple[RunSummary, Silent]:
    """One run of every behaviour, made once for the tests below."""
    folder = tmp_path_factory.mktemp("campaign")
    observer = Silent()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "HOME", environments)
        mine = catalog.read_folder(frameworks.make(folder / "mine", marker=marker))
        quick = [variant.model_copy(update={"start_timeout_s": 2.5}) for variant in mine.variants]
        mine = mine.model_copy(update={"variants": quick})
        plan = planning.plan_run([mine], [SMALL], BRIEF, seed=5)
        return execution.RunExecution.begin(plan, folder / "results", "tested").execute(observer), observer


@pytest.fixture
def document(finished: tuple[RunSummary, Silent]) -> FrameworkDocument:
    return load_framework(finished[0].path / "mine.yml")


def of(document: FrameworkDocument, variant: str) -> Measurement:
    (cell,) = (cell for cell in document.cells if cell.variant == variant)
    (measurement,) = cell.measurements
    return measurement


@pytest.mark.runs
def test_everything_was_measured_and_the_files_are_valid(finished: tuple[RunSummary, Silent]) -> None:
    summary, observer = finished
    assert sorted(observer.outcomes) == sorted(BEHAVIOURS)
    assert sorted(observer.prepared) == sorted(BEHAVIOURS)
    assert observer.summaries == [summary]
    assert (summary.measurements, summary.failed) == (len(BEHAVIOURS), len(BEHAVIOURS) - 5)
    assert sorted(path.name for path in summary.path.iterdir()) == ["mine.yml", "run.yml"]
    assert problems_in(summary.path / "run.yml") == problems_in(summary.path / "mine.yml") == []
    run = load_run(summary.path / "run.yml")
    assert run.finished is not None
    assert len(run.cells) == len(BEHAVIOURS)
    assert [len(turn) for turn in run.order] == [len(BEHAVIOURS)]


@pytest.mark.runs
def test_no_process_is_left(finished: tuple[RunSummary, Silent], marker: str) -> None:
    assert marked(marker) == []


@pytest.mark.runs
@pytest.mark.parametrize("variant", ["good", "stubborn"])
def test_a_good_server_has_values(document: FrameworkDocument, variant: str) -> None:
    measurement = of(document, variant)
    assert measurement.failure is None
    assert measurement.messages is not None
    assert measurement.messages_per_s is not None
    assert measurement.messages_per_s > 0
    assert measurement.messages.lost == measurement.messages.corrupted == 0
    assert measurement.server is not None
    assert measurement.server.cpu_s > 0
    assert measurement.connections is not None
    assert measurement.connections.established == 10


@pytest.mark.runs
@pytest.mark.parametrize(
    ("variant", "stages", "reason", "log"),
    [
        ("exits", {"start"}, "the server ended at once, with status 3", "no licence found"),
        ("silent", {"start"}, "nothing answered on http://127.0.0.1:", "behaviour silent"),
        ("gibberish", {"ready"}, "health: ", "behaviour gibberish"),
        ("wrong", {"ready"}, "echo-text: expected text", "behaviour wrong"),
        ("dies", {"load", "recheck"}, "ended", "out of luck"),
        ("hangs", {"load", "recheck"}, "", "thinking"),
    ],
)
def test_a_failure_has_its_stage_reason_and_last_words(
    document: FrameworkDocument, variant: str, stages: set[str], reason: str, log: str
) -> None:
    measurement = of(document, variant)
    assert measurement.failure is not None
    assert not measurement.valid
    assert measurement.failure.stage in stages
    assert reason in measurement.failure.reason
    assert log in measurement.failure.log


def test_an_environment_that_cannot_be_made_is_a_failure(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    folder = frameworks.make(tmp_path / "unlocked", ["good"])
    (folder / "requirements.txt").write_text("websockets==17.4\n")
    plan = planning.plan_run([catalog.read_folder(folder)], [SMALL], BRIEF, seed=5)
    summary = execution.RunExecution.begin(plan, tmp_path, "tested").execute(Silent())
    failure = of(load_framework(summary.path / "unlocked.yml"), "good").failure
    assert failure is not None
    assert failure.stage == "environment"
    assert "requirements.txt" in failure.reason
    assert problems_in(summary.path / "unlocked.yml") == []


def test_a_full_disk_is_one_sentence_and_saved_results_remain(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    plan = planning.plan_run(
        [catalog.read_folder(frameworks.make(tmp_path / "mine", ["exits"]))], [SMALL], BRIEF, seed=5
    )
    run = execution.RunExecution.begin(plan, tmp_path, "tested")

    class Filling(Silent):
        def measured(self, cell: Cell, measurement: Measurement, done: int, plan: planning.Plan) -> None:
            def full(_: int) -> None:
                raise OSError(28, "No space left on device")

            monkeypatch.setattr("os.fsync", full)

    with pytest.raises(RtsiteError, match="cannot be written: No space left on device; free some space"):
        run.execute(Filling())
    assert problems_in(run.path / "run.yml") == problems_in(run.path / "mine.yml") == []
    assert load_run(run.path / "run.yml").finished is None


def test_a_results_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    plan = planning.plan_run(
        [catalog.read_folder(frameworks.make(tmp_path / "mine", ["exits"]))], [SMALL], BRIEF, seed=5
    )
    (tmp_path / "file").write_text("")
    with pytest.raises(RtsiteError, match="cannot be created: Not a directory; choose another folder"):
        execution.RunExecution.begin(plan, tmp_path / "file", "tested")


# Disturbed by the machine and repeated


@dataclass
class Machine:
    """A machine from which the hypervisor steals in some windows, told in their order; afterwards it is quiet."""

    stolen: list[bool]
    readings: int = 0

    def read_steal(self) -> tuple[float, float]:
        """At the begin and at the end of every window."""
        self.readings += 1
        window, is_end = divmod(self.readings - 1, 2)
        return (10.0, 100.0) if is_end and window < len(self.stolen) and self.stolen[window] else (0.0, 100.0 * is_end)

    @property
    def windows(self) -> int:
        return self.readings // 2


@pytest.fixture
def together() -> bool:
    return False


@pytest.fixture
def disturbable(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch, together: bool
) -> Callable[..., tuple[execution.RunExecution, Machine]]:
    """Makes runs of two rounds of two variants."""
    monkeypatch.setattr(environment, "HOME", environments)
    scenario = SMALL.scenarios[0] if together else replace(SMALL.scenarios[0], slice_s=0.0)
    asked = replace(SMALL, scenarios=(scenario,))
    monkeypatch.setitem(workloads.WORKLOADS, "echo", asked)
    framework = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good", "good-too"]))

    def begin(stolen: list[bool], spare: float) -> tuple[execution.RunExecution, Machine]:
        profile = replace(BRIEFEST, spare=spare)
        monkeypatch.setitem(profiles.PROFILES, "quick", profile)
        scene = Machine(stolen)
        monkeypatch.setattr(machine, "read_steal", scene.read_steal)
        monkeypatch.setattr(resources, "read_others", lambda own: {})  # other tests may be running
        plan = planning.plan_run([framework], [asked], replace(profile, rounds=2), seed=5)
        return execution.RunExecution.begin(plan, tmp_path, "tested"), scene

    return begin


class Tolerant(Silent):
    """Remembers rounds and places; repeated measurements do not count as done."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[int, int]] = []

    def measuring(self, cells: Sequence[Cell], round_number: int, done: int, plan: planning.Plan) -> None:
        assert done == sum(place < 2 for _, place in self.made)

    def measured(self, cell: Cell, measurement: Measurement, done: int, plan: planning.Plan) -> None:
        self.made.append((measurement.round, measurement.position))


DISTURBANCES: dict[str, tuple[list[bool], float, list[tuple[int, int]]]] = {
    "once": ([True], 1.0, [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]),
    "in-each-round": (
        [False, True, False, True, True],
        1.0,
        [(1, 0), (1, 1), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)],
    ),
    "not-a-third-time": ([True, False, True], 1.0, [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]),
    "as-long-as-there-is-time": ([True, True], 0.6, [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]),
    "time-for-each-round": ([True, True, False, True, True], 0.6, [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]),
    "not-at-all": ([True, True], 0.0, [(1, 0), (1, 1), (2, 0), (2, 1)]),
}
"""Which measurements are disturbed, the spare time, and the rounds and places that are measured."""


@pytest.mark.runs
@pytest.mark.parametrize("case", few_of(DISTURBANCES, {"in-each-round"}))
def test_disturbed_measurements_are_repeated_at_the_end_of_their_round(
    disturbable: Callable[..., tuple[execution.RunExecution, Machine]], case: str
) -> None:
    stolen, spare, made = DISTURBANCES[case]
    run, scene = disturbable(stolen, spare)
    observer = Tolerant()
    summary = run.execute(observer)
    assert observer.made == made
    assert scene.windows == len(made)
    assert (summary.measurements, summary.failed, summary.repeated) == (4, 0, len(made) - 4)
    assert problems_in(run.path / "mine.yml") == []
    cells = load_framework(run.path / "mine.yml").cells
    assert sorted((one.round, one.position) for cell in cells for one in cell.measurements) == sorted(made)
    for cell in cells:
        assert [one.round for one in cell.decisive] == [1, 2]
        for one in cell.measurements:
            was_stolen = stolen[made.index((one.round, one.position)) :][:1] == [True]
            assert any("CPU steal" in reason for reason in one.invalid_reasons) == was_stolen


@pytest.mark.runs
@pytest.mark.parametrize("together", [True])
def test_cells_measured_together_are_repeated_together(
    disturbable: Callable[..., tuple[execution.RunExecution, Machine]],
) -> None:
    run, scene = disturbable([False, True], 1.0)
    observer = Tolerant()
    assert run.execute(observer).repeated == 2
    assert scene.windows == 3
    assert [number for number, _ in observer.made] == [1, 1, 2, 2, 2, 2]


@pytest.mark.runs
def test_a_resumed_run_repeats_what_was_disturbed_before(
    disturbable: Callable[..., tuple[execution.RunExecution, Machine]],
) -> None:
    class Impatient(Tolerant):
        def measured(self, cell: Cell, measurement: Measurement, done: int, plan: planning.Plan) -> None:
            super().measured(cell, measurement, done, plan)
            if done == 2:
                raise KeyboardInterrupt

    run, _ = disturbable([True], 1.0)
    with pytest.raises(KeyboardInterrupt):
        run.execute(Impatient())
    assert run.summary.repeated == 0
    observer = Tolerant()
    observer.made = [(1, 0), (1, 1)]
    assert execution.RunExecution.resume(run.path, [run.plan.cells[0].framework]).execute(observer).repeated == 1
    assert observer.made == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]


# Interrupted and taken up again


@pytest.fixture
def interrupted(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch) -> execution.RunExecution:
    """A run of three rounds that was left after two measurements."""
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setitem(workloads.WORKLOADS, "echo", SMALL)
    monkeypatch.setitem(profiles.PROFILES, "quick", BRIEFEST)
    framework = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good", "wrong"]))
    run = execution.RunExecution.begin(
        planning.plan_run([framework], [SMALL], replace(BRIEFEST, rounds=3), 5), tmp_path, "tested"
    )

    class Impatient(Silent):
        def measured(self, cell: Cell, measurement: Measurement, done: int, plan: planning.Plan) -> None:
            super().measured(cell, measurement, done, plan)
            if done == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.execute(Impatient())
    return run


class Watching(Silent):
    """Does not count from nought."""

    def measuring(self, cells: Sequence[Cell], round_number: int, done: int, plan: planning.Plan) -> None:
        assert done >= 2

    def measured(self, cell: Cell, measurement: Measurement, done: int, plan: planning.Plan) -> None:
        self.outcomes.append(cell.variant.slug)


@pytest.mark.runs
def test_a_resumed_run_measures_what_is_left_by_the_same_plan(interrupted: execution.RunExecution) -> None:
    framework = interrupted.plan.cells[0].framework
    resumed = execution.RunExecution.resume(interrupted.path, [framework])
    assert resumed.plan == interrupted.plan
    observer = Watching()
    summary = resumed.execute(observer)
    assert len(observer.outcomes) == 4
    assert summary.measurements == 6
    document = load_framework(interrupted.path / "mine.yml")
    for cell in document.cells:
        assert [measurement.round for measurement in cell.measurements] == [1, 2, 3]
        valid = [one.latency_ms for one in cell.measurements if one.valid]
        if cell.latency is not None:
            assert cell.latency.percentiles_ms.count == sum(latency.count for latency in valid if latency)
    assert load_run(interrupted.path / "run.yml").finished is not None
    with pytest.raises(ResumeError, match="this run is finished"):
        execution.RunExecution.resume(interrupted.path, [framework])


@pytest.mark.runs
def test_of_a_group_only_missing_measurements_are_repeated(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while the outcomes of the second round's group were being written."""
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setitem(workloads.WORKLOADS, "echo", SMALL)
    monkeypatch.setitem(profiles.PROFILES, "quick", BRIEFEST)
    framework = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good", "wrong"]))
    run = execution.RunExecution.begin(
        planning.plan_run([framework], [SMALL], replace(BRIEFEST, rounds=3), 5), tmp_path, "tested"
    )
    written: list[Path] = []

    def save(document: FrameworkDocument, path: Path) -> None:
        record.save(document, path)
        written.append(path)
        if [one.name for one in written] == ["run.yml", *["mine.yml"] * 4]:  # two cells, the end of the round, a cell
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_files, "save", save)
        with pytest.raises(KeyboardInterrupt):
            run.execute(Silent())

    class Counting(Watching):
        def __init__(self) -> None:
            super().__init__()
            self.groups: list[tuple[int, int]] = []

        def measuring(self, cells: Sequence[Cell], round_number: int, done: int, plan: planning.Plan) -> None:
            self.groups.append((round_number, len(cells)))

    observer = Counting()
    summary = execution.RunExecution.resume(run.path, [framework]).execute(observer)
    assert observer.groups == [(2, 1), (3, 2)]
    assert summary.measurements == 6
    for cell in load_framework(run.path / "mine.yml").cells:
        assert [measurement.round for measurement in cell.measurements] == [1, 2, 3]


@pytest.mark.runs
def test_a_run_is_not_resumed_where_something_has_changed(
    interrupted: execution.RunExecution, monkeypatch: pytest.MonkeyPatch
) -> None:
    framework = interrupted.plan.cells[0].framework
    with pytest.raises(ResumeError, match="no longer exists"):
        execution.RunExecution.resume(interrupted.path, [])
    elsewhere = machine.describe_machine().model_copy(update={"cpu_model": "another"})
    with monkeypatch.context() as patch:
        patch.setattr(machine, "describe_machine", lambda: elsewhere)
        with pytest.raises(ResumeError, match="cpu_model='another'"):
            execution.RunExecution.resume(interrupted.path, [framework])
    (framework.folder / "app.py").write_text("changed = True\n")
    with pytest.raises(ResumeError, match="changed since"):
        execution.RunExecution.resume(interrupted.path, [framework])


# Planning


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> catalog.Framework:
    return catalog.read_folder(frameworks.make(tmp_path_factory.mktemp("planned") / "mine"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> catalog.Framework:
    return catalog.read_folder(frameworks.make(tmp_path_factory.mktemp("planned") / "other"))


@given(seed=st.integers(0, 2**31), rounds=st.integers(1, 9))
def test_each_round_contains_every_cell_once(mine: catalog.Framework, seed: int, rounds: int) -> None:
    profile = replace(BRIEF, rounds=rounds)
    plan = planning.plan_run([mine], [ECHO, DASHBOARD], profile, seed)
    assert len(plan.cells) == len(BEHAVIOURS) * len(ECHO.scenarios), "dashboard is not among its workloads"
    assert len(plan.order) == rounds
    for turn in plan.order:
        assert Counter(turn) == Counter(range(len(plan.cells)))
    assert plan.measurements == rounds * len(plan.cells)
    assert plan == planning.plan_run([mine], [ECHO, DASHBOARD], profile, seed)


@given(seed=st.integers(0, 2**31), rounds=st.integers(1, 4))
def test_cells_that_are_measured_together_stay_together(
    mine: catalog.Framework, other: catalog.Framework, seed: int, rounds: int
) -> None:
    """The closed loop of the echo of all servers as one group; the open loop in groups of four."""
    plan = planning.plan_run([mine, other], [ECHO, DASHBOARD], replace(BRIEF, rounds=rounds), seed)
    assert len(plan.cells) == 2 * 2 * len(BEHAVIOURS)
    for turn in plan.order:
        groups = plan.groups(turn)
        assert list(chain.from_iterable(groups)) == list(turn)
        assert all(len({planning.comparison_key(plan.cells[index]) for index in group}) == 1 for group in groups)
        modes = [(plan.cells[group[0]].scenario.mode, len(group)) for group in groups]
        assert modes.count(("closed", 2 * len(BEHAVIOURS))) == 1
        full, left = divmod(2 * len(BEHAVIOURS), OPEN_LOOP_TOGETHER)
        assert modes.count(("open", OPEN_LOOP_TOGETHER)) == full
        assert len(groups) == 1 + full + (left > 0)


def as_reference(framework: catalog.Framework) -> catalog.Framework:
    """Its first variant as the reference."""
    return framework.model_copy(update={"reference": True, "slug": "bare", "variants": framework.variants[:1]})


@pytest.mark.parametrize(("mode", "most"), [("open", OPEN_LOOP_TOGETHER), ("closed", CLOSED_LOOP_TOGETHER)])
@given(seed=st.integers(0, 2**31), factor=st.floats(0.3, 3))
@settings(max_examples=20)
def test_each_group_has_the_reference_and_other_neighbours_in_each_round(
    mine: catalog.Framework, mode: str, most: int, seed: int, factor: float
) -> None:
    variants = int(factor * most)
    reference = as_reference(mine)
    made = [mine.variants[0].model_copy(update={"slug": f"v{number}"}) for number in range(variants)]
    measured = mine.model_copy(update={"variants": made})
    rounds = 20
    profile = replace(BRIEF, rounds=rounds)
    (scenario,) = (one for one in ECHO.scenarios if one.mode == mode)
    asked = replace(ECHO, scenarios=(scenario,))
    plan = planning.plan_run([reference, measured], [asked], profile, seed)
    alone = planning.plan_run([reference], [asked], profile, seed)
    (bare,) = (index for index, cell in enumerate(plan.cells) if cell.framework.reference)
    neighbours: dict[int, list[frozenset[int]]] = {}
    repeated = 0
    for turn in plan.order:
        groups = plan.groups(turn)
        assert all(group.count(bare) == 1 and 1 < len(group) <= most for group in groups)
        others = [index for group in groups for index in group if index != bare]
        assert len(others) == len(set(others)) == variants
        repeated += len(groups) - 1
        for group in groups:
            for index in group:
                neighbours.setdefault(index, []).append(frozenset(group))
    if variants > most:
        assert all(len(set(found)) > 1 for found in neighbours.values())
    once_s = profile.expected_s(scenario)
    assert plan.expected_s() == pytest.approx(alone.expected_s() + (rounds * variants + repeated) * once_s)
    assert sum(part.expected_s for part in plan.parts()) == pytest.approx(plan.expected_s())
    assert sum(part.load_s for part in plan.parts()) == pytest.approx(plan.load_s())
    assert sum(part.measurements for part in plan.parts()) == plan.measurements
    assert plan.expected_s(after=plan.measurements) == 0


@pytest.mark.runs
def test_the_reference_of_several_groups_is_recorded_once_and_stands_beside_all(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setattr(Scenario, "most_together", 2)
    monkeypatch.setattr(thresholds, "reasons_against", lambda *_, **__: [])  # whatever else the machine does
    asked = replace(SMALL, scenarios=(replace(ECHO.scenarios[1], connections=5),))
    bare = catalog.read_folder(frameworks.make(tmp_path / "bare", ["good"])).model_copy(update={"reference": True})
    mine = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good", "good-too"]))
    plan = planning.plan_run([bare, mine], [asked], BRIEF, seed=5)
    summary = execution.RunExecution.begin(plan, tmp_path, "tested").execute(Silent())
    assert (summary.measurements, summary.failed, summary.repeated) == (3, 0, 0)
    (own,) = load_framework(summary.path / "bare.yml").cells
    assert len(own.measurements) == 1
    assert own.measurements[0].reference is None
    beside = [cell.measurements[0].reference for cell in load_framework(summary.path / "mine.yml").cells]
    first, second = (one.latency_ms for one in beside if one is not None)
    assert first is not None
    assert first != second, "each has the values of its own seconds"
    assert own.measurements[0].latency_ms in (first, second)
    assert problems_in(summary.path / "mine.yml") == problems_in(summary.path / "bare.yml") == []


@pytest.mark.runs
def test_servers_on_two_versions_of_python_are_measured_in_the_same_rounds(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in between, and taken up again."""
    version = needs.other_python()
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setitem(workloads.WORKLOADS, "echo", SMALL)
    monkeypatch.setitem(profiles.PROFILES, "quick", BRIEFEST)
    mine = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good"]))
    plan = planning.plan_run([mine], [SMALL], replace(BRIEFEST, rounds=2), 5, pythons=["", version])

    class Impatient(Silent):
        def measured(self, cell: Cell, measurement: Measurement, done: int, plan: planning.Plan) -> None:
            super().measured(cell, measurement, done, plan)
            if done == 2:
                raise KeyboardInterrupt

    begun = execution.RunExecution.begin(plan, tmp_path, "tested")
    with pytest.raises(KeyboardInterrupt):
        begun.execute(Impatient())
    resumed = execution.RunExecution.resume(begun.path, [mine])
    assert resumed.plan == plan
    summary = resumed.execute(Watching())
    assert (summary.measurements, summary.failed) == (4, 0)
    document = load_framework(summary.path / "mine.yml")
    assert [cell.parameters.get("python") for cell in document.cells] == [None, version]
    assert [[one.round for one in cell.measurements] for cell in document.cells] == [[1, 2], [1, 2]]
    (facts,) = document.variants
    (further,) = facts.further
    assert further.name == version
    assert further.python.startswith(f"{version}.")
    assert facts.python == platform.python_version()
    assert further.packages == facts.packages, "one lock serves all versions"
    assert problems_in(summary.path / "mine.yml") == problems_in(summary.path / "run.yml") == []


@pytest.mark.runs
@pytest.mark.parametrize("topology", ["nginx", "haproxy"])
def test_the_proxy_in_front_of_a_server_is_measured_apart(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch, topology: Topology
) -> None:
    program = needs.proxy_program(topology)
    monkeypatch.setattr(environment, "HOME", environments)
    mine = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good"]))
    plan = planning.plan_run([mine], [SMALL], BRIEFEST, 5, topologies=["direct", topology])
    summary = execution.RunExecution.begin(plan, tmp_path, "tested").execute(Silent())
    assert (summary.measurements, summary.failed) == (2, 0)
    document = load_framework(summary.path / "mine.yml")
    assert [cell.parameters.get("topology") for cell in document.cells] == [None, topology]
    directly, through = (one for cell in document.cells for one in cell.measurements)
    assert directly.proxy is None
    assert through.proxy is not None
    assert through.proxy.cpu_s > 0
    assert through.messages is not None
    assert through.messages.received == through.messages.sent
    assert document.proxies == {topology: program.facts()}
    assert problems_in(summary.path / "mine.yml") == problems_in(summary.path / "run.yml") == []


@pytest.mark.runs
def test_each_variant_has_its_own_broker_and_only_that_of_a_missing_one_fails(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis, nats = needs.broker_program("redis"), needs.broker_program("nats")

    def find_nothing() -> broker.BrokerProgram:
        raise broker.BrokerError("no rabbitmq-server on PATH; install RabbitMQ")

    monkeypatch.setattr(environment, "HOME", environments)
    rabbitmq = replace(broker.KINDS["rabbitmq"], find=find_nothing)
    monkeypatch.setattr(broker, "KINDS", {**broker.KINDS, "rabbitmq": rabbitmq})
    mine = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good", "waits", "small"]))
    names: list[BrokerName] = ["redis", "nats", "rabbitmq"]
    variants = [one.model_copy(update={"broker": name}) for one, name in zip(mine.variants, names, strict=True)]
    mine = mine.model_copy(update={"variants": variants})
    plan = planning.plan_run([mine], [SMALL], BRIEFEST, 5)
    summary = execution.RunExecution.begin(plan, tmp_path, "tested").execute(Silent())
    assert (summary.measurements, summary.failed) == (3, 1)
    document = load_framework(summary.path / "mine.yml")
    assert (document.broker, document.brokers) == (redis.facts(), {"nats": nats.facts()})
    assert [document.broker_of(name) for name in names] == [redis.facts(), nats.facts(), None]
    for cell in document.cells:
        (found,) = cell.measurements
        if cell.variant == "small":
            assert found.failure is not None
            assert (found.failure.stage, found.failure.reason) == (
                "broker",
                "no rabbitmq-server on PATH; install RabbitMQ",
            )
        else:
            assert found.failure is None
            assert found.broker is not None
    assert problems_in(summary.path / "mine.yml") == problems_in(summary.path / "run.yml") == []


@pytest.mark.runs
def test_the_answer_to_offered_compression_is_recorded(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "HOME", environments)
    mine = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good"]))
    plan = planning.plan_run([mine], [SMALL], BRIEFEST, 5, topologies=["direct", "deflate"])
    summary = execution.RunExecution.begin(plan, tmp_path, "tested").execute(Silent())
    assert (summary.measurements, summary.failed) == (2, 0)
    document = load_framework(summary.path / "mine.yml")
    assert document.proxies == {}
    directly, offered = (one for cell in document.cells for one in cell.measurements)
    assert directly.compression is None
    assert offered.compression is not None
    assert offered.compression.agreed + offered.compression.declined == SMALL.scenarios[0].connections
    for one in (directly, offered):
        assert one.traffic is not None
        assert one.traffic.sent_payload_bytes == SMALL.scenarios[0].payload_bytes
    assert problems_in(summary.path / "mine.yml") == problems_in(summary.path / "run.yml") == []


def test_a_framework_that_needs_a_newer_python_fails_there_alone(mine: catalog.Framework) -> None:
    """The others of the run go on."""
    demanding = mine.model_copy(update={"requires_python": ">=3.99"})
    with pytest.raises(environment.CannotInstallError, match=r"requires Python >=3\.99, and this is 3\."):
        environment.prepare_environment(demanding, demanding.variants[0].under(needs.other_python(), "direct"))


def test_scenarios_that_differ_are_not_measured_together(mine: catalog.Framework) -> None:
    few, many = (replace(SMALL.scenarios[0], connections=count, name=f"closed-{count}") for count in (5, 50))
    plan = planning.plan_run([mine], [replace(SMALL, scenarios=(few, many))], BRIEF, 1)
    groups = [{plan.cells[index].scenario.connections for index in group} for group in plan.groups(plan.order[0])]
    assert sorted(map(sorted, groups)) == [[5], [50]]


def test_the_seed_decides_the_order(mine: catalog.Framework) -> None:
    orders = {planning.plan_run([mine], [ECHO], replace(BRIEF, rounds=5), seed).order for seed in range(20)}
    assert len(orders) == 20
    assert all(len(set(order)) > 1 for order in orders), "rounds are shuffled anew"


def test_nothing_to_measure(mine: catalog.Framework) -> None:
    with pytest.raises(NothingToDoError):
        planning.plan_run([mine], [DASHBOARD], BRIEF, 1)


def test_the_reference_is_always_there() -> None:
    known = catalog.discover()
    (reference,) = (framework for framework in known if framework.reference)
    others = [framework for framework in known if not framework.reference]
    assert planning.with_reference(others[:1], known) == [others[0], reference]
    assert planning.with_reference([reference], known) == [reference]


def test_two_runs_in_one_second_have_folders_of_their_own(mine: catalog.Framework, tmp_path: Path) -> None:
    plan = planning.plan_run([mine], [SMALL], BRIEF, 1)
    assert len({execution.RunExecution.begin(plan, tmp_path, "c").path for _ in range(3)}) == 3
