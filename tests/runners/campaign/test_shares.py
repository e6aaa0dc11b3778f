"""Loads at a share of a capacity: their rate is from the searches of the same run, or they are not measurable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners import measurement, resources
from runners.campaign import execution, planning
from runners.campaign.planning import split_into_lots
from runners.campaign.run_document import key_of
from runners.campaign.shares import load_of, search_key
from runners.measurement import Cell, Conditions, MeasurementResult, window
from runners.measurement.cell import blank_measurement, completed
from runners.record import (
    Capacity,
    CapacityProbe,
    CellRecord,
    Failure,
    LoadShare,
    Measurement,
    capacity_over_searches,
    estimate_sustained_load,
    load_framework,
    problems_in,
    tries_at,
)
from runners.serving import environment
from runners.serving.deployment import Deployments
from runners.subjects import catalog, profiles, workloads
from runners.subjects.profiles import PROFILES, Profile
from runners.subjects.scenarios import Share, Workload
from runners.subjects.workloads import ECHO, LOAD, WORKLOADS
from tests.support import frameworks
from tests.support.short_runs import Silent

FULL = PROFILES["full"]


def found(*loads: int, limit: int, p99_limit_ms: float = 100.0) -> Capacity:
    """A search whose tries pass up to ``limit`` messages per second."""
    probes = [
        CapacityProbe(
            load=load,
            passed=load <= limit,
            p99_ms=5.0 if load <= limit else 500.0,
            lost=0,
            errors=0,
            achieved_per_s=load,
        )
        for load in loads
    ]
    shown = estimate_sustained_load(tries_at(probes, p99_limit_ms))
    return Capacity(unit="messages_per_s", **vars(shown), conclusive=True, p99_limit_ms=p99_limit_ms, probes=probes)


def searched(result: Capacity | Failure, round_number: int = 1) -> Measurement:
    reason = result.reason
    return Measurement(
        round=round_number,
        position=0,
        started="2026-11-28T00:00:00Z",
        valid=isinstance(result, Capacity) and result.conclusive,
        invalid_reasons=[reason] if isinstance(result, Capacity) and reason else [],
        capacity=result if isinstance(result, Capacity) else None,
        failure=result if isinstance(result, Failure) else None,
    )


GOOD = found(800, 1000, 1200, 1400, limit=1000)
ENDLESS = found(100, 200, 400, limit=1000).model_copy(update={"conclusive": False, "reason": "even 400 passes"})


# The rate


@given(st.integers(1, 100), st.integers(1_000, 100_000))
def test_a_rate_is_the_share_of_what_all_searches_show(percent: int, limit: int) -> None:
    loads = [round(limit * factor) for factor in (0.7, 0.9, 1.1, 1.3)]
    searches = [found(*loads, limit=limit), found(*loads, limit=round(limit * 1.2))]
    load = load_of(percent, [searched(one, number) for number, one in enumerate(searches, start=1)])
    assert isinstance(load, LoadShare)
    capacity = capacity_over_searches(searches)
    assert (load.low_per_s, load.capacity_per_s, load.high_per_s) == (capacity.low, capacity.typical, capacity.high)
    assert load.searches == 2
    assert load.rate_per_s == pytest.approx(percent / 100 * load.capacity_per_s, rel=0.01, abs=1)


@pytest.mark.parametrize(
    ("searches", "why"),
    [
        ([], "this run has not searched for it yet"),
        ([ENDLESS], "its search is inconclusive, even 400 passes"),
        ([Failure(stage="start", reason="no such file")], "its search failed at start: no such file"),
        ([found(100, limit=1000)], "do not show both ends of it"),
        ([found(100, limit=50)], "do not show both ends of it"),
    ],
    ids=["none", "inconclusive", "failed", "none-failed", "none-passed"],
)
def test_without_a_capacity_the_reason_is_one_sentence(searches: Sequence[Capacity | Failure], why: str) -> None:
    load = load_of(50, [searched(one) for one in searches])
    assert isinstance(load, Failure)
    assert load.stage == "capacity"
    assert load.reason.startswith("not measurable, because the capacity of which it is a share is not known: ")
    assert load.reason.endswith(why)


def test_one_good_search_is_enough_and_others_count_as_well() -> None:
    alone, both = load_of(50, [searched(GOOD)]), load_of(50, [searched(ENDLESS), searched(GOOD, 2)])
    assert isinstance(alone, LoadShare)
    assert isinstance(both, LoadShare)
    assert (alone.searches, both.searches) == (1, 2)


# The workload


def test_loads_and_their_search_differ_in_the_rate_only() -> None:
    for scenario in LOAD.scenarios:
        search = LOAD.search_of(scenario)
        if search is not None and scenario.share is not None:
            tried = search.at(500)
            applied = replace(scenario.at_rate(500.0), share=None, slice_s=0.0)
            assert replace(applied, publishes=tried.publishes, name=tried.name) == tried


def test_a_share_needs_its_search() -> None:
    with pytest.raises(ValueError, match=r"echo/open is a share of what 'rate' finds, .*; there are: none"):
        replace(ECHO, scenarios=(replace(ECHO.scenarios[1], share=Share(50, "rate")),))
    with pytest.raises(ValueError, match="1 to 100 %"):
        Share(101, "rate")
    with pytest.raises(ValueError, match="no other rate"):
        ECHO.scenarios[1].at_rate(5.0)
    with pytest.raises(ValueError, match="only a scenario with a share of a capacity"):
        _ = replace(ECHO.scenarios[1], publishes=("load_percent",)).parameters


def test_a_share_is_chosen_together_with_its_search() -> None:
    (chosen,) = workloads.choose_workloads(["load/room-80"], FULL)
    assert [one.kind for one in chosen.chosen] == ["room-rate", "room-80"]
    assert chosen.version == LOAD.version
    (whole,) = workloads.choose_workloads(["load"], FULL)
    assert whole.chosen == LOAD.scenarios
    for name in ("quick", "standard"):
        assert LOAD not in workloads.choose_workloads([], PROFILES[name])


def test_a_definition_contains_the_share_and_no_estimate() -> None:
    share = next(one for one in LOAD.scenarios if one.share is not None)
    assert share.definition()["pace"] == {"percent": 20, "of": "echo-rate"}
    assert share.definition() == share.at_rate(7.0).definition()
    other = replace(share, share=Share(21, "echo-rate"))
    assert other.definition() != share.definition()


# The plan


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> planning.Plan:
    mine = catalog.read_folder(frameworks.make(tmp_path_factory.mktemp("planned") / "mine", ["good", "small"]))
    return planning.plan_run([mine], [WORKLOADS["echo"], LOAD], FULL, seed=3, pythons=["", "3.13"])


def test_searches_come_before_the_shares_of_each_round(plan: planning.Plan) -> None:
    for turn in plan.order:
        is_share = [plan.cells[index].scenario.share is not None for index in turn]
        assert is_share == sorted(is_share)
        assert True in is_share


def test_a_share_is_of_the_same_variant_under_the_same_setting(plan: planning.Plan) -> None:
    keys = {key_of(cell): cell for cell in plan.cells}
    for cell in plan.cells:
        key = search_key(cell)
        assert (key is None) == (cell.scenario.share is None)
        if key is not None:
            search = keys[key]
            assert search.scenario.target is not None
            assert (search.variant, search.scenario.python) == (cell.variant, cell.scenario.python)


def test_jobs_never_part_shares_from_their_search(plan: planning.Plan) -> None:
    lots = split_into_lots(plan.parts(), limit_s=60.0)
    names = [{part.name for part in lot} for lot in lots]
    assert {"load/echo-rate", "load/echo-20", "load/echo-50", "load/echo-80"} in names
    assert {"echo/closed"} in names


# A run


BRIEFEST = Profile("quick", rounds=2, warmup_s=0.05, duration_s=0.3, rechecks=False, shares_servers=True)
SMALL: Workload = replace(
    LOAD,
    scenarios=tuple(replace(one, connections=10) for one in LOAD.scenarios if one.kind in ("echo-rate", "echo-50")),
)


@pytest.fixture
def begin(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Sequence[Capacity]], execution.RunExecution]:
    """Begins a run of one variant whose searches find these capacities; its loads are real."""
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setattr(window, "IDLE_S", 0.1)
    monkeypatch.setitem(WORKLOADS, "load", SMALL)
    monkeypatch.setitem(profiles.PROFILES, "quick", BRIEFEST)
    monkeypatch.setattr(resources, "read_others", lambda own: {})  # other tests may be running

    def begin(results: Sequence[Capacity]) -> execution.RunExecution:
        searches, measure = count(), measurement.measure_cells

        def measure_cells(
            cells: Sequence[Cell],
            conditions: Sequence[Conditions],
            deployments: Deployments,
            *,
            on_progress: Callable[[str], None],
        ) -> list[MeasurementResult]:
            if cells[0].scenario.target is None:
                return measure(cells, conditions, deployments, on_progress=on_progress)
            result = results[next(searches)]
            reasons = [result.reason] if result.reason else []
            blank = blank_measurement(conditions[0])
            values = {"capacity": result, "valid": result.conclusive, "invalid_reasons": reasons}
            return [MeasurementResult(completed(blank, **values), {})]

        monkeypatch.setattr(measurement, "measure_cells", measure_cells)
        mine = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good"]))
        return execution.RunExecution.begin(planning.plan_run([mine], [SMALL], BRIEFEST, seed=5), tmp_path, "tested")

    return begin


def share_in(run: execution.RunExecution) -> CellRecord:
    (cell,) = (one for one in load_framework(run.path / "mine.yml").cells if "load_percent" in one.parameters)
    return cell


@pytest.mark.runs
def test_a_run_applies_half_of_what_it_has_found_so_far(
    begin: Callable[[Sequence[Capacity]], execution.RunExecution],
) -> None:
    run = begin([GOOD, found(1000, 1200, 1400, 1600, limit=1300)])
    run.execute(Silent())
    assert not [problem for path in run.path.glob("*.yml") for problem in problems_in(path)]
    first, second = share_in(run).measurements
    assert first.load_share is not None
    assert second.load_share is not None
    assert share_in(run).parameters["load_percent"] == 50
    assert (first.load_share.searches, second.load_share.searches) == (1, 2)
    assert first.load_share.capacity_per_s < second.load_share.capacity_per_s
    for one in (first, second):
        assert one.load_share is not None
        assert one.offered_per_s == pytest.approx(one.load_share.rate_per_s, rel=0.01)
    text = (run.path / "mine.yml").read_text()
    wrong = text.replace(f"rate_per_s: {first.load_share.rate_per_s}", "rate_per_s: 17")
    assert wrong != text
    (run.path / "mine.yml").write_text(wrong)
    assert f"17 is given, but 50 % of {first.load_share.capacity_per_s} are" in " ".join(
        str(one) for one in problems_in(run.path / "mine.yml")
    )


@pytest.mark.runs
def test_what_is_not_measurable_is_recorded_and_the_run_goes_on_where_it_was_interrupted(
    begin: Callable[[Sequence[Capacity]], execution.RunExecution],
) -> None:
    class Impatient(Silent):
        def measured(self, cell: Cell, measurement: Measurement, done: int, plan: planning.Plan) -> None:
            super().measured(cell, measurement, done, plan)
            if done == 3:
                raise KeyboardInterrupt  # after the second search

    run = begin([ENDLESS, GOOD])
    with pytest.raises(KeyboardInterrupt):
        run.execute(Impatient())

    class Watching(Silent):
        def measuring(self, cells: Sequence[Cell], round_number: int, done: int, plan: planning.Plan) -> None: ...

        def measured(self, cell: Cell, measurement: Measurement, done: int, plan: planning.Plan) -> None: ...

    resumed = execution.RunExecution.resume(run.path, [run.plan.cells[0].framework])
    resumed.execute(Watching())
    first, second = share_in(run).measurements
    assert first.failure is not None
    assert first.failure.stage == "capacity"
    assert second.failure is None
    assert second.load_share is not None
    assert second.load_share.searches == 2
