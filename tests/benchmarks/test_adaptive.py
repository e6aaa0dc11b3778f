"""Adaptive runs, followed with the real adviser: what they find, and that looking repeatedly creates no differences."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.adaptive import (
    FIRST_ROUNDS,
    FIXED_ROUNDS,
    MOST_ROUNDS,
    PLANS,
    RECORDED_PROFILES,
    SETTINGS,
    TWINS,
    Outcome,
    Plan,
    Setting,
    follow,
    replay,
    run_of,
    simulate,
)
from benchmarks.simulation import LATENCY, THROUGHPUT
from generator.comparison import advise, compare_runs
from generator.statistics import MIN_ROUNDS, Stage, judge
from generator.statistics.variances import Floats

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "adaptive.json"


def _values(means: list[float], noise: float, seed: int) -> Floats:
    """The last row is the reference."""
    chance = np.random.default_rng(seed)
    logs = np.log([*means, 1.0])[:, None] + 0.02 * chance.standard_normal(MOST_ROUNDS)
    found: Floats = 1000 * np.exp(logs + noise * chance.standard_normal(logs.shape))
    return found


@settings(max_examples=20)
@given(
    means=st.lists(st.floats(0.5, 2), min_size=2, max_size=5),
    noise=st.floats(0.002, 0.2),
    seed=st.integers(0, 10**6),
    plan=st.sampled_from(PLANS),
    is_open=st.booleans(),
)
def test_rounds_begin_with_those_of_everything_and_end_with_the_last_undecided_row(
    means: list[float], noise: float, seed: int, plan: Plan, *, is_open: bool
) -> None:
    values = _values(means, noise, seed)
    (table,) = compare_runs([follow(run_of(values, is_open=is_open), plan)]).tables
    first, most = (FIXED_ROUNDS, FIXED_ROUNDS) if plan == "fixed" else (FIRST_ROUNDS, MOST_ROUNDS)
    last = first
    for row in table.rows:
        value = row.values[table.deciding[0].key]
        of_row = values[-1 if row.framework.is_reference else int(row.framework.slug.removeprefix("row-"))]
        assert value.rounds == {number: of_row[number - 1] for number in value.rounds}
        assert list(value.rounds)[:first] == list(range(1, first + 1))
        assert len(value.rounds) <= most
        assert row.stage == (Stage(FIRST_ROUNDS, len(value.rounds)) if plan == "shared" else None)
        last = max(last, *value.rounds)
    (reference,) = (row for row in table.rows if row.framework.is_reference)
    assert reference.rounds == last, "the reference is measured as long as any other row"


def test_a_table_that_is_decided_ends_with_the_rounds_of_everything() -> None:
    for plan in PLANS:
        found = Outcome.of(follow(run_of(_values([1.0, 1.5, 2.0], 0.001, 1), is_open=False), plan))
        assert {row.rounds for row in found.table.rows} == {FIXED_ROUNDS if plan == "fixed" else FIRST_ROUNDS}
        assert {found.judged(*pair).outcome for pair in ((0, 1), (0, 2), (1, 2))} == {"worse"}


def test_what_the_run_decided_is_what_its_table_shows() -> None:
    """The outcomes of the table follow from the model, the stages of the rows and the correction for all pairs."""
    run = follow(run_of(_values([1.0, 1.0, 1.08, 1.1, 1.3], 0.03, 3), is_open=False), "shared")
    (table,) = compare_runs([run]).tables
    metric = table.deciding[0]
    rows = [row for row in table.rows if not row.framework.is_reference]
    assert len({row.stage for row in rows}) > 1, "some rows have more rounds"
    pairs = {(first.key, second.key): (first, second) for first in rows for second in rows if first.key < second.key}
    contrasts = table.compared.of(metric).model.contrasts(list(pairs))
    known = {pair: one for pair, one in contrasts.items() if one is not None}
    for pair, judgement in judge(known, lambda _: math.log(metric.margin)).items():
        first, second = pairs[pair]
        judged = table.judged(metric, first, second)
        assert known[pair].stage == max(
            first.stage or Stage(1, 1), second.stage or Stage(1, 1), key=lambda one: one.rounds
        )
        assert (judged.outcome == "same") == (judgement.outcome == "same")
        assert (judged.direction is None) == (judgement.side is None)
    (part,) = advise(run, most=0).scenarios.values()
    assert part.deciding == len(pairs)
    assert part.decided == sum(table.judged(metric, *two).outcome != "unknown" for two in pairs.values())


@pytest.mark.parametrize("setting", [Setting(THROUGHPUT, 6, 2), Setting(LATENCY, 6, 0)], ids=str)
def test_looking_repeatedly_creates_no_difference(setting: Setting) -> None:
    found = {one.plan: one for one in simulate(setting, tables=20, seed=3)}
    shared, fixed = found["shared"], found["fixed"]
    assert fixed.rounds == FIXED_ROUNDS
    assert MIN_ROUNDS <= shared.rounds <= MOST_ROUNDS
    assert shared.not_different == 1
    assert (shared.no_order or 0) >= 0.95
    assert (shared.covered or 0) >= 0.9


def test_the_same_seed_gives_the_same_counts() -> None:
    first, again, other = (simulate(SETTINGS[0], tables=3, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_committed_figures_keep_the_promises() -> None:
    document = json.loads(COMMITTED.read_text())
    named = ("rows", "noisy_rows", "spread_percent", "step", "margin")
    assert {(row["plan"], *(row[name] for name in named)) for row in document["simulated"]} == {
        (plan, one.rows, one.noisy, round(100 * one.kind.spread, 3), one.kind.step, one.kind.margin)
        for one in SETTINGS
        for plan in PLANS
    }
    for row in document["simulated"]:
        if row["plan"] == "shared":
            assert row["tables"] * (row["rows"] // 2) >= 700
            assert min(row["not_different"], row["no_order"], row["without_difference"]) >= 0.99, row
            assert row["step"] < row["margin"] or row["found"] >= 0.85, row
            assert row["not_equal"] is None or row["not_equal"] >= 0.95, row
            assert min(row["covered"], row["covered_values"]) >= 0.94, row
    assert {(row["plan"], row["profile"]) for row in document["replayed"]} == {
        (plan, profile) for plan in PLANS for profile in RECORDED_PROFILES
    }
    for row in document["replayed"]:
        assert min(row["not_different"], row["no_order"]) >= 0.99, row


def test_the_committed_replay_is_that_of_the_recorded_rounds() -> None:
    document = json.loads(COMMITTED.read_text())
    few = replay(TWINS, orders=2, seed=document["seed"])
    assert [(one.plan, one.profile, one.recorded) for one in few] == [
        (row["plan"], row["profile"], row["recorded"]) for row in document["replayed"]
    ]
