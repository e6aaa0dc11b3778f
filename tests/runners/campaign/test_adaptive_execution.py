"""Adaptive runs on real servers: looks, the rounds that they choose, interruptions at any time, and the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from runners.campaign import planning
from runners.campaign.execution import RunExecution
from runners.campaign.observer import RunSummary
from runners.campaign.planning import Plan
from runners.measurement import Cell, window
from runners.record import (
    Advice,
    Ending,
    FrameworkDocument,
    Look,
    Measurement,
    PartLook,
    RunDocument,
    Undecided,
    load_framework,
    load_run,
    problems_in,
    scenario_of,
)
from runners.serving import environment
from runners.subjects import catalog, profiles, workloads
from runners.subjects.catalog import Framework
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Workload
from runners.subjects.workloads import ECHO
from tests.support import frameworks
from tests.support.marks import few_of

BRIEFEST = Profile(
    "quick",
    rounds=1,
    warmup_s=0.05,
    duration_s=0.2,
    most_rounds=3,
    target_decided_percent=100.0,
    rechecks=False,
    shares_servers=True,
)
SMALL: Workload = replace(ECHO, scenarios=(replace(ECHO.scenarios[0], connections=5),))


@dataclass
class Scripted:
    """Knows beforehand which variants are undecided after which round, and counts how often it is called."""

    undecided: dict[int, Sequence[str]]
    calls: list[int] = field(default_factory=list)

    def __call__(self, run: RunDocument, documents: Sequence[FrameworkDocument], folder: Path) -> Advice:
        self.calls.append(run.rounds)
        assert run == load_run(folder / "run.yml"), "what the adviser sees is on disk"
        for document in documents:
            assert document == load_framework(folder / f"{document.framework.slug}.yml")
        keys = [key for key in run.cells for name in self.undecided.get(run.rounds, ()) if f"/{name} " in key]
        part = PartLook(decided=run.rounds, deciding=9, short=0, wide=0, values=0)
        return Advice({scenario_of(run.cells[0]): part}, tuple(Undecided((key,), "wide", 1, 1.0) for key in keys))


class Noting:
    """Observes a run; ``disturb`` is called at each event with its name and its number, and may interrupt."""

    def __init__(self, disturb: Callable[[str, int], None] = lambda *_: None) -> None:
        self.measured_cells: list[tuple[int, str]] = []
        self.looks: list[tuple[Look, Ending | None, int]] = []
        self._disturb = disturb

    def started(self, path: Path, done: int, plan: Plan) -> None: ...

    def preparing(self, framework: Framework, variant: str) -> None: ...

    def measuring(self, cells: Sequence[Cell], round_number: int, done: int, plan: Plan) -> None: ...

    def progress(self, text: str) -> None: ...

    def measured(self, cell: Cell, measurement: Measurement, done: int, plan: Plan) -> None:
        self.measured_cells.append((measurement.round, cell.variant.slug))
        assert done <= plan.measurements
        self._disturb("measured", len(self.measured_cells))

    def looked(self, look: Look, ended: Ending | None, plan: Plan) -> None:
        self.looks.append((look, ended, len(plan.order)))
        self._disturb("looked", len(self.looks))

    def finished(self, summary: RunSummary, plan: Plan) -> None: ...


@pytest.fixture(scope="module", autouse=True)
def short_idle() -> Iterator[None]:
    """These tests do not read the CPU that servers use without load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "IDLE_S", 0.1)
        yield


@pytest.fixture(scope="module")
def adaptive(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Iterator[Plan]:
    """Two variants and the reference."""
    folder = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "HOME", environments)
        patch.setitem(workloads.WORKLOADS, "echo", SMALL)
        patch.setitem(profiles.PROFILES, "quick", BRIEFEST)
        bare = catalog.read_folder(frameworks.make(folder / "bare", ["bare"])).model_copy(update={"reference": True})
        mine = catalog.read_folder(frameworks.make(folder / "mine", ["good", "good-too"]))
        yield planning.plan_run([bare, mine], [SMALL], BRIEFEST, seed=5)


@pytest.fixture(scope="module")
def whole(adaptive: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunExecution, Scripted, Noting]:
    """One run in one piece."""
    adviser, observer = Scripted(SCRIPT), Noting()
    run = RunExecution.begin(adaptive, tmp_path_factory.mktemp("whole"), "tested", adviser=adviser)
    run.execute(observer)
    return run, adviser, observer


def frameworks_of(plan: Plan) -> list[Framework]:
    return list({cell.framework.slug: cell.framework for cell in plan.cells}.values())


def names(plan: Plan, turn: Sequence[int]) -> set[str]:
    return {plan.cells[index].variant.slug for index in turn}


SCRIPT: dict[int, Sequence[str]] = {1: ["good", "good-too"], 2: ["good-too"], 3: ["good"]}


@pytest.mark.runs
def test_each_round_measures_what_the_look_before_it_found_undecided(
    adaptive: Plan, whole: tuple[RunExecution, Scripted, Noting]
) -> None:
    run, adviser, observer = whole
    assert adviser.calls == [1, 2, 3]
    assert [names(adaptive, turn) for turn in run.plan.order] == [
        {"bare", "good", "good-too"},
        {"bare", "good", "good-too"},
        {"bare", "good-too"},
    ]
    assert run.summary.measurements == len(observer.measured_cells) == 8
    document = load_run(run.path / "run.yml")
    assert (document.rounds, document.finished is not None) == (3, True)
    assert [list(turn) for turn in run.plan.order] == document.order
    assert document.adaptive is not None
    assert document.adaptive.ended == "all rounds measured"
    assert [look for look, _, _ in observer.looks] == document.adaptive.looks
    assert [(look.after_round, ended, planned) for look, ended, planned in observer.looks] == [
        (1, None, 2),
        (2, None, 3),
        (3, "all rounds measured", 3),
    ]
    spent = [look.spent_s for look in document.adaptive.looks]
    assert spent == sorted(spent)
    for path in run.path.glob("*.yml"):
        assert problems_in(path) == []


@pytest.mark.runs
def test_a_share_of_the_reference_is_that_of_the_same_round(whole: tuple[RunExecution, Scripted, Noting]) -> None:
    """A cell that a later round leaves out keeps its share of the round before."""
    throughput: dict[str, dict[int, float]] = {}
    shares: dict[str, dict[int, float]] = {}
    for slug in ("bare", "mine"):
        for cell in load_framework(whole[0].path / f"{slug}.yml").cells:
            for one in cell.measurements:
                assert one.generator is not None
                assert one.messages_per_s is not None
                throughput.setdefault(cell.variant, {})[one.round] = one.messages_per_s
                shares.setdefault(cell.variant, {})[one.round] = one.generator.share_of_ceiling_percent or 0.0
    assert list(shares["good"]) == [1, 2]
    for variant, of_variant in shares.items():
        for number, share in of_variant.items():
            expected = 100 * throughput[variant][number] / throughput["bare"][number]
            assert share == pytest.approx(expected, abs=0.01)


INTERRUPTIONS = {
    "first-round": ("measured", 2),
    "after-a-look": ("looked", 1),
    "later-round": ("measured", 5),
    "after-the-last-look": ("looked", 3),
}


def interrupting(event: str, number: int) -> Callable[[str, int], None]:
    def disturb(happened: str, count: int) -> None:
        if (happened, count) == (event, number):
            raise KeyboardInterrupt

    return disturb


@pytest.mark.runs
@pytest.mark.parametrize("moment", few_of(INTERRUPTIONS, {"later-round"}))
def test_an_interrupted_run_has_the_same_rounds_as_one_in_one_piece(
    adaptive: Plan, whole: tuple[RunExecution, Scripted, Noting], tmp_path: Path, moment: str
) -> None:
    first, second = Scripted(SCRIPT), Scripted(SCRIPT)
    cut = RunExecution.begin(adaptive, tmp_path / "cut", "tested", adviser=first)
    with pytest.raises(KeyboardInterrupt):
        cut.execute(Noting(interrupting(*INTERRUPTIONS[moment])))
    assert load_run(cut.path / "run.yml").finished is None
    assert problems_in(cut.path / "run.yml") == []
    resumed = RunExecution.resume(cut.path, frameworks_of(adaptive), adviser=second)
    resumed.execute(Noting())
    assert first.calls + second.calls == [1, 2, 3], "a look that was written is not repeated"
    expected, found = load_run(whole[0].path / "run.yml"), load_run(cut.path / "run.yml")
    assert expected.adaptive is not None
    assert found.adaptive is not None
    assert found.order == expected.order
    assert [look.cells for look in found.adaptive.looks] == [look.cells for look in expected.adaptive.looks]
    assert (found.adaptive.ended, found.finished is not None) == (expected.adaptive.ended, True)
    spent = [look.spent_s for look in found.adaptive.looks]
    assert spent == sorted(spent)
    for slug in ("bare", "mine"):
        one, other = (load_framework(run.path / f"{slug}.yml") for run in (whole[0], cut))
        assert [[m.round for m in cell.measurements] for cell in one.cells] == [
            [m.round for m in cell.measurements] for cell in other.cells
        ]


@pytest.mark.runs
def test_a_look_that_was_interrupted_is_repeated(adaptive: Plan, tmp_path: Path) -> None:
    class Impatient(Scripted):
        def __call__(self, run: RunDocument, documents: Sequence[FrameworkDocument], folder: Path) -> Advice:
            super().__call__(run, documents, folder)
            raise KeyboardInterrupt

    run = RunExecution.begin(adaptive, tmp_path, "tested", adviser=Impatient({}))
    with pytest.raises(KeyboardInterrupt):
        run.execute(Noting())
    document = load_run(run.path / "run.yml")
    assert document.adaptive is not None
    assert (document.adaptive.looks, document.rounds) == ([], 1)
    adviser, observer = Scripted({1: ["good"]}), Noting()
    RunExecution.resume(run.path, frameworks_of(adaptive), adviser=adviser).execute(observer)
    assert adviser.calls == [1, 2]
    assert sorted(observer.measured_cells) == [(2, "bare"), (2, "good")]


class Clock:
    """A clock that jumps at each reading."""

    def __init__(self, step_s: float) -> None:
        self.now, self._step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now += self._step_s
        return self.now


@pytest.mark.runs
def test_no_round_begins_after_the_budget(adaptive: Plan, tmp_path: Path) -> None:
    """The rounds of everything took all of it; what they are is planned before."""
    planned_s = adaptive.expected_s()
    plan = adaptive.within(planned_s + 1)
    run = RunExecution.begin(plan, tmp_path, "tested", adviser=Scripted(SCRIPT), clock=Clock(2 * planned_s))
    observer = Noting()
    run.execute(observer)
    ((look, ended, _),) = observer.looks
    assert (look.cells, look.spent_s, ended) == ([], round(2 * planned_s, 1), "time is up")
    document = load_run(run.path / "run.yml")
    assert document.adaptive is not None
    assert document.adaptive.budget_s == planned_s + 1
    assert len(observer.measured_cells) == 3


@pytest.mark.runs
def test_a_slow_machine_gets_fewer_rounds_in_its_time(adaptive: Plan, tmp_path: Path) -> None:
    """There is time for five rounds, but each takes twice as long as planned."""
    round_s = adaptive.expected_s()
    plan = adaptive.within(5 * round_s)
    readings = iter([0.0, 2 * round_s, 4 * round_s])  # at the begin and after each round
    adviser = Scripted({1: ["good", "good-too"], 2: ["good", "good-too"]})
    run = RunExecution.begin(plan, tmp_path, "tested", adviser=adviser, clock=lambda: next(readings))
    observer = Noting()
    run.execute(observer)
    assert [(look.after_round, ended) for look, ended, _ in observer.looks] == [(1, None), (2, "time is up")]


@pytest.mark.runs
def test_time_before_an_interruption_counts(adaptive: Plan, tmp_path: Path) -> None:
    plan = adaptive.within(1000.0)
    run = RunExecution.begin(plan, tmp_path, "tested", adviser=Scripted(SCRIPT), clock=lambda: 0.0)
    with pytest.raises(KeyboardInterrupt):
        run.execute(Noting(interrupting("measured", 3)))
    readings = iter([100.0, 107.0])
    resumed = RunExecution.resume(run.path, frameworks_of(adaptive), adviser=Scripted({}), clock=lambda: next(readings))
    assert resumed.plan.limits == plan.limits
    observer = Noting()
    resumed.execute(observer)
    ((look, _, _),) = observer.looks
    assert look.spent_s == pytest.approx(adaptive.expected_s() + 7, abs=0.1)


def test_an_adaptive_run_needs_an_adviser(adaptive: Plan, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs an adviser"):
        RunExecution.begin(adaptive, tmp_path, "tested")
