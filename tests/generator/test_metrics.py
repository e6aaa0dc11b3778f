"""One row defines a metric; everything else follows from it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import generator
from benchmarks import synthetic
from generator.charts import Identities
from generator.comparison import LATENCY, METRICS, PUSH_LATENESS, Comparison, compare_runs, metrics, percentile
from generator.comparison.deciding import DECIDING, deciding_metrics
from generator.comparison.metrics import TableKind, kind_of_table, read_values
from generator.comparison.pair_judging import ComparedValues, judge_all
from generator.comparison.tables import MetricComparisons
from generator.comparison.verdicts import pair_verdict
from generator.dataset import load_results
from generator.pages.table_sections import deciding_charts, further_charts
from generator.statistics import Contrast
from runners.record import Connections, Failure, Measurement, Percentiles, PublishedMessages, SecondLoadRecord
from tests.support import documents

PAIR = ("fastapi", "flask-socketio")


def measured(folder: Path, rounds: int) -> Comparison:
    chosen = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "gevent"})
    synthetic.write(folder, rounds=rounds, seconds=1, variants=chosen, searches=False)
    return compare_runs(load_results(folder).runs)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return measured(tmp_path_factory.mktemp("results"), rounds=2)


def test_every_row_reads_a_field_that_measurements_have(results: Path) -> None:
    (run,) = load_results(results).runs
    cells = [cell for item in run.frameworks for cell in item.document.cells]
    for metric in METRICS.values():
        parts = [metric.part(measurement) for cell in cells for measurement in cell.measurements]
        assert all(hasattr(part, metric.field) for part in parts if part is not None), metric.key


def test_a_metric_without_its_part_has_no_value() -> None:
    failure = Failure(stage="load", reason="no answer")
    nothing = Measurement(round=1, position=0, started="2026-11-20T09:00:00Z", valid=False, failure=failure)
    assert METRICS["messages_per_s"].part(nothing) is None
    assert METRICS["latency_p50"].part(nothing) is None


def test_percentiles_are_found_by_family_and_quantile() -> None:
    metric = percentile(LATENCY, "p999")
    assert (metric.key, metric.title, metric.short) == ("latency_p999", "latency p99.9", "Latency p99.9")
    assert metric.heading(is_open=True) == "Latency p99.9"
    assert metric.heading(is_open=False) == "Service time p99.9"
    assert metric.heading(is_open=True, is_beside_work=True) == "Latency of the others p99.9"
    assert percentile(PUSH_LATENESS, "p50").heading(is_open=False) == "Push lateness p50"


@pytest.mark.parametrize(
    ("shared", "is_open", "is_quiet", "kind", "deciding"),
    [
        ({"messages_per_s", "latency_p99"}, False, True, "loop", ["messages_per_s"]),
        ({"messages_per_s", "latency_p50", "latency_p90"}, True, True, "rate", ["latency_p90", "latency_p50"]),
        ({"latency_p90", "latency_p99"}, True, False, "rate", ["latency_p90"]),
        (
            {"latency_p90", "latency_p99", "last_delivery_p50"},
            True,
            True,
            "rate",
            ["latency_p99", "latency_p90", "last_delivery_p50"],
        ),
        (
            {"latency_p90", "push_lateness_p90", "cpu_percent", "pss_mean_mb"},
            True,
            False,
            "push",
            ["latency_p90", "push_lateness_p90", "cpu_percent", "pss_mean_mb"],
        ),
        ({"connections_per_s", "messages_per_s"}, False, False, "connecting", ["connections_per_s"]),
        ({"restart_s", "back_p50", "latency_p50"}, True, False, "recovery", ["back_p50"]),
        (
            {"outside_complete_percent", "outside_delivered_percent", "outside_last_p90", "outside_delivery_p50"},
            True,
            False,
            "outside",
            ["outside_last_p90", "outside_complete_percent"],
        ),
        (set(), True, False, "rate", []),
    ],
)
def test_what_decides_follows_from_what_was_done(
    shared: set[str], is_open: bool, is_quiet: bool, kind: str, deciding: list[str]
) -> None:
    assert metrics.kind_of_table(shared, is_open=is_open) == kind
    assert [metric.key for metric in deciding_metrics(shared, is_open=is_open, is_quiet=is_quiet)] == deciding


def with_last_delivery(number: int, **percentiles: float) -> Measurement:
    """One of 200 published messages."""
    counts = dict.fromkeys(("late", "never", "twice", "foreign", "refused", "ended"), 0)
    times = {name: Percentiles(count=200, events=200, **percentiles) for name in ("delivery_ms", "last_delivery_ms")}
    published = PublishedMessages.model_validate(
        {"messages": 200, "due": 200, "in_time": 200, "complete": 200, **counts, **times}
    )
    return documents.measurement(number).model_copy(update={"published": published})


def test_a_server_that_completes_nothing_has_a_share_to_compare() -> None:
    metric = METRICS["outside_complete_percent"]
    estimate = metric.estimate([0.0, 0.0, 0.0])
    assert estimate is not None
    assert estimate.mean == 0
    assert 1 < metric.width(0.0, 100.0) < 2
    assert not metric.is_negligible(0.0, 100.0)


def test_a_percentile_among_what_never_came_in_one_round_has_no_value() -> None:
    rounds = [with_last_delivery(1, p50=1.0, p90=2.0), with_last_delivery(2, p50=1.5)]
    found = read_values(rounds)
    assert found["outside_last_p50"] == {1: 1.0, 2: 1.5}
    assert not {"outside_last_p90", "outside_delivery_p90"} & found.keys()
    assert read_values(rounds[:1])["outside_last_p90"] == {1: 2.0}
    assert not {"outside_last_p99"} & found.keys(), "too few messages for it"


def test_every_kind_of_table_has_deciding_metrics() -> None:
    marks = {metric.marks for metric in METRICS.values() if metric.marks}
    assert DECIDING.keys() == marks | {"loop", "rate"}


def test_columns_and_charts_follow_from_the_rows(comparison: Comparison) -> None:
    looks = Identities({})
    closed, fixed, dashboard = comparison.tables
    assert (closed.kind, fixed.kind, dashboard.kind) == ("loop", "rate", "push")
    assert "messages_per_s" in {metric.key for metric in closed.columns}
    assert "messages_per_s" not in {metric.key for metric in fixed.columns}
    assert [chart.slug for chart in deciding_charts(closed, looks, {})] == [f"{closed.slug}-messages-per-s"]
    assert [chart.slug for chart in deciding_charts(dashboard, looks, {})] == [
        f"{dashboard.slug}-{end}" for end in ("latency", "push-lateness", "cpu-percent", "pss-mean-mb")
    ]
    further = [chart.slug.removeprefix(f"{fixed.slug}-") for chart in further_charts(fixed, looks)]
    assert further == ["cpu-us-per-message", "latency-distribution"]


def test_a_row_with_another_margin_decides_by_it() -> None:
    surely = Contrast(math.log(1.2), 0.005, 20, 10)
    metric = METRICS["cpu_percent"]

    def outcome(margin: float) -> str:
        return judge_all({"it": ComparedValues(replace(metric, margin=margin), surely, 12.0, 10.0)})["it"].outcome

    assert outcome(1.1) == "worse"
    assert outcome(1.25) == "same"
    assert outcome(1.2) == "worse"
    assert outcome(1.205) == "unknown"


def test_what_work_takes_is_read_from_the_second_load_and_what_others_wait_from_the_first() -> None:
    second = SecondLoadRecord(
        offered_per_s=10.0,
        messages_per_s=10.0,
        connections=Connections(planned=1, established=1, closed_early=0),
        messages=documents.messages(100, 100),
        latency_ms=Percentiles(count=100, p50=6.0, p90=9.0, p99=30.0),
    )
    alone = documents.measurement()
    echoing = read_values([alone.model_copy(update={"second_load": second})])
    assert not any(key.startswith("work_") for key in echoing), "it has no work that could be answered"
    second = second.model_copy(update={"work_ms": 5.0})
    values = read_values([alone.model_copy(update={"second_load": second})])
    assert {key: one for key, one in values.items() if key.startswith("work_")} == {
        "work_latency_p50": {alone.round: 6.0}
    }
    others = read_values([alone])
    assert {key: one for key, one in values.items() if not key.startswith("work_")} == others
    present = values.keys()
    assert kind_of_table(present, is_open=True) == kind_of_table(others.keys(), is_open=True)


def test_every_metric_has_the_margin_of_its_kind() -> None:
    for metric in METRICS.values():
        assert metric.margin == {"ms": 1.25, "s": 1.25, "% of all": 1.02}.get(metric.unit, 1.10)
        assert (metric.floor > 0) == (metric.unit in ("ms", "s", "MB", "kB") or not metric.is_ratio)
    floors = {
        key: METRICS[key].floor
        for key in ("latency_p50", "latency_p99", "push_lateness_p99", "pss_mean_mb", "restart_s")
    }
    assert list(floors.values()) == [2, 10, 50, 5, 1]
    assert METRICS["back_p50"].floor == 1000 * METRICS["restart_s"].floor


def test_values_below_the_floor_are_equal_to_everybody() -> None:
    metric = replace(METRICS["latency_p50"], floor=2.0)
    assert metric.is_negligible(0.5, 1.9)
    assert not metric.is_negligible(0.5, 2.1)
    assert not METRICS["messages_per_s"].is_negligible(0.5, 0.6)


def test_a_pair_below_the_floor_of_a_metric_is_practically_equal(tmp_path: Path) -> None:
    fixed = measured(tmp_path, rounds=6).tables[1]
    latency = fixed.deciding[0]
    means = [row.values[latency.key].estimate.mean for row in fixed.valid_rows]

    def outcome(floor: float) -> str:
        metric = replace(latency, floor=floor)
        compared = MetricComparisons(fixed.rows)
        return pair_verdict([replace(fixed, deciding=(metric,), compared=compared)], *PAIR).outcome

    assert outcome(0.0) == "better"
    assert outcome(min(means)) == "better"
    assert outcome(2 * max(means)) == "same"
    assert pair_verdict([fixed], *PAIR).outcome == "same", "nobody notices a fifth of a millisecond"


def test_every_kind_of_table_says_how_its_servers_were_loaded() -> None:
    text = (Path(generator.__file__).parent / "templates" / "how.html").read_text()
    assert {kind for kind in get_args(TableKind) if f'\n"{kind}": ' not in text} == set()
    assert set(DECIDING) == set(get_args(TableKind))
