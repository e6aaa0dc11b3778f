"""One metric over all rows of a table: outcomes, and what bars a row from deciding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import synthetic
from generator.comparison import METRICS, Comparison, MetricComparison, compare_runs
from generator.comparison.pair_judging import ComparedValues, judge_all
from generator.comparison.tables import MetricComparisons
from generator.dataset import Run, load_results
from generator.statistics import MIN_ROUNDS, Contrast, RankRange, Stage
from runners.record import P99_DISTURBANCE_LIMIT
from tests.support.advising import as_adaptive

THROUGHPUT, CPU, MEMORY = METRICS["messages_per_s"], METRICS["cpu_percent"], METRICS["pss_mean_mb"]
PER_CLIENT = METRICS["memory_per_connection_kb"]


def _values(means: list[float], *, rounds: int = 6, noise: float = 0.005, seed: int = 1) -> dict[int, dict[int, float]]:
    chance = np.random.default_rng(seed)
    shifts = chance.standard_normal(rounds)
    logs = np.log(means)[:, None] + 0.05 * shifts + noise * chance.standard_normal((len(means), rounds))
    return {row: dict(enumerate(of_row)) for row, of_row in enumerate(np.exp(logs).tolist())}


def test_the_outcomes_follow_the_direction_of_the_metric() -> None:
    values = _values([100, 150, 101, 100])
    for metric, outcome in ((THROUGHPUT, "worse"), (CPU, "better")):
        found = MetricComparison(metric, values, barred={})
        assert (found.judged(0, 1).outcome, found.judged(0, 2).outcome) == (outcome, "same")


@given(st.lists(st.floats(50, 200), min_size=2, max_size=6), st.integers(0, 1000))
def test_the_second_of_two_has_the_opposite_outcome(means: list[float], seed: int) -> None:
    found = MetricComparison(CPU, _values(means, seed=seed), barred={})
    opposite = {"better": "worse", "worse": "better"}
    for first in range(len(means)):
        for second in range(len(means)):
            there, back = found.judged(first, second), found.judged(second, first)
            if first != second:
                assert back.outcome == opposite.get(there.outcome, there.outcome)
                assert back.direction == (there.direction and opposite[there.direction])
                assert back.reason == there.reason
                assert there.contrast is not None
                assert back.contrast == there.contrast.swapped


def test_ranks_are_among_the_contenders_shown() -> None:
    values = _values([100, 130, 131, 170, 500])
    found = MetricComparison(THROUGHPUT, values, barred={3: "not enough data"}, aside=[4])
    assert found.contenders == (0, 1, 2)
    assert found.ranks([0, 1, 2, 3, 4]) == {0: RankRange(3, 3), 1: RankRange(1, 2), 2: RankRange(1, 2)}
    assert found.ranks([0, 3]) == {}, "one alone has no rank"
    assert found.judged(0, 4).outcome == "worse", "the reference is compared all the same"
    assert (found.judged(0, 3).outcome, found.judged(0, 3).reason) == ("unknown", "not enough data")


def test_memory_decides_only_beyond_what_differs_between_runs() -> None:
    values = _values([50.0, 56.0, 120.0], noise=0.0005)
    one_run = MetricComparison(MEMORY, values, barred={})
    assert one_run.judged(0, 2).outcome == "better"
    narrow, wide = (
        MetricComparison(metric, values, barred={}).judged(0, 1).contrast
        for metric in (replace(MEMORY, between_runs=0.0), MEMORY)
    )
    assert narrow is not None
    assert wide is not None
    assert narrow.interval is not None
    assert wide.interval is not None
    assert wide.interval.high / wide.interval.low > 3 * (narrow.interval.high / narrow.interval.low - 1) + 1
    noisy = replace(MEMORY, between_runs=0.2)
    assert MetricComparison(noisy, values, barred={}).judged(0, 1).outcome == "unknown"
    pooled = MetricComparison(noisy, values, barred={}, is_pooled=True)
    assert pooled.judged(0, 1).outcome == "better", "runs as repeats show it themselves"


def test_what_may_be_negative_is_compared_by_differences() -> None:
    chance = np.random.default_rng(2)
    means = (0.2, 30, 31, 0.1)
    slopes = {row: dict(enumerate((mean + chance.standard_normal(6)).tolist())) for row, mean in enumerate(means)}
    assert min(slopes[0].values()) < 0
    found = MetricComparison(PER_CLIENT, slopes, barred={})
    judged = found.judged(0, 1)
    assert judged.contrast is not None
    assert (judged.outcome, judged.contrast.is_ratio) == ("better", False)
    assert judged.contrast.value == pytest.approx(-30, abs=1.5)
    assert found.judged(1, 2).outcome == "same", "a margin of a tenth of the larger one"
    assert found.judged(0, 3).reason == "floor"
    fine = MetricComparison(replace(PER_CLIENT, floor=0.0), slopes, barred={})
    assert fine.judged(0, 3).outcome == "unknown", "a tenth of nearly nothing"


def test_a_value_whose_interval_reaches_above_the_floor_is_not_negligible() -> None:
    p50 = METRICS["latency_p50"]
    quiet = dict(enumerate((0.9, 1.0, 1.1, 1.0, 0.9, 1.1)))
    loud = dict(enumerate((0.6, 4.0, 0.7, 5.0, 0.6, 0.7)))
    found = MetricComparison(p50, {"quiet": quiet, "twin": {**quiet, 0: 1.0}, "loud": loud}, barred={})
    mean, wide = found.model.mean("loud"), found.estimate("loud")
    assert mean is not None
    assert wide is not None
    assert wide.interval is not None
    assert mean < p50.floor < wide.interval.high
    assert found.judged("quiet", "loud").outcome == "unknown"
    assert found.judged("quiet", "twin").outcome == "same"


def test_a_contrast_that_is_barred_is_kept_but_decides_nothing() -> None:
    sure = Contrast(1.0, 0.01, 30, 10)
    found = judge_all(
        {
            "free": ComparedValues(CPU, sure, 27, 10),
            "barred": ComparedValues(CPU, sure, 27, 10, "disturbed"),
            "none": ComparedValues(CPU, None, 0, 0),
        }
    )
    assert found["free"].outcome == "worse"
    assert (found["barred"].outcome, found["barred"].reason, found["barred"].contrast) == ("unknown", "disturbed", sure)
    p50 = METRICS["latency_p50"]
    low = judge_all({0: ComparedValues(p50, sure, 0.27, 0.1, highest=0.3)})[0]
    assert (low.outcome, low.direction, low.reason) == ("same", "worse", "floor")
    assert judge_all({0: ComparedValues(p50, sure, 0.27, 0.1, highest=p50.floor)})[0].outcome == "worse"
    assert judge_all({0: ComparedValues(p50, sure, 0.27, 0.1)})[0].outcome == "worse", "without an interval"
    assert (found["none"].outcome, found["none"].reason) == ("unknown", "not enough data")


def test_a_row_that_was_measured_further_needs_more_for_each_of_its_pairs() -> None:
    values = _values([100, 104, 100], rounds=15, noise=0.02)
    assert MetricComparison(THROUGHPUT, values, barred={}).judged(0, 1).direction == "worse"
    stages = {0: Stage(5, 5), 1: Stage(5, 15)}
    found = MetricComparison(THROUGHPUT, values, barred={}, stages=stages)
    contrasts = {pair: found.judged(*pair).contrast for pair in ((0, 1), (1, 0), (0, 2), (1, 2))}
    assert {pair: one and one.stage for pair, one in contrasts.items()} == {
        (0, 1): Stage(5, 15),
        (1, 0): Stage(5, 15),
        (0, 2): Stage(5, 5),
        (1, 2): Stage(5, 15),
    }
    stricter = MetricComparison(THROUGHPUT, values, barred={}, stages=dict.fromkeys(values, Stage(1, 1000)))
    assert stricter.judged(0, 1).direction is None


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, ...]:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write(folder, rounds=6, seconds=4, searches=False)
    return load_results(folder).runs


@pytest.fixture(scope="module")
def comparison(runs: tuple[Run, ...]) -> Comparison:
    return compare_runs(runs)


def test_a_run_that_looked_repeatedly_gives_its_rows_a_stage(runs: tuple[Run, ...], comparison: Comparison) -> None:
    assert all(row.stage is None for table in comparison.tables for row in table.rows)
    for first, counted in ((3, MIN_ROUNDS), (5, 5), (6, 6)):
        looked = compare_runs([as_adaptive(run, first) for run in runs])
        for table, same in zip(looked.tables, comparison.tables, strict=True):
            assert {row.stage for row in table.rows} == {Stage(counted, 6)}, "below five rounds nothing is decided"
            fixed = {row.key: row for row in same.valid_rows}
            for row in table.valid_rows:
                for key, value in row.values.items():
                    wide, narrow = value.estimate.interval, fixed[row.key].values[key].estimate.interval
                    assert wide is not None
                    assert narrow is not None
                    assert wide.low <= narrow.low
                    assert wide.high >= narrow.high
                    relation = value.to_reference
                    assert relation is None or relation.stage == Stage(counted, 6)


def test_a_p99_decides_only_between_rows_that_were_hardly_disturbed(comparison: Comparison) -> None:
    fixed = comparison.tables[1]
    p99, p90 = METRICS["latency_p99"], METRICS["latency_p90"]
    assert all(row.disturbance_percent is None and not row.is_quiet for row in fixed.rows)
    assert p99 not in fixed.deciding, "what was not measured was not quiet"
    assert p90 in fixed.deciding
    disturbances = [None, *(0.1 if number % 2 else P99_DISTURBANCE_LIMIT for number in range(len(fixed.valid_rows)))]
    rows = [replace(row, disturbance_percent=by) for row, by in zip(fixed.valid_rows, disturbances, strict=False)]
    compared = MetricComparisons(rows)
    quiet = [row.key for row in rows if row.is_quiet]
    found = compared.of(p99)
    assert found.contenders == tuple(quiet)
    assert found.judged(quiet[0], quiet[1]).reason != "disturbed"
    loud = next(row.key for row in rows if not row.is_quiet and not row.framework.is_reference)
    assert found.judged(quiet[0], loud).reason == "disturbed"
    assert compared.of(p90).judged(quiet[0], loud).reason != "disturbed"
