from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from statistics import geometric_mean
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import synthetic
from generator.comparison import (
    LATENCY,
    METRICS,
    Comparison,
    capacity_tables,
    compare_runs,
    leaders,
    overall,
    pair_verdict,
    tail_of,
)
from generator.comparison.pair_judging import Outcome
from generator.comparison.tables import fullest
from generator.dataset import load_results
from generator.pages import score_words
from generator.statistics import RankRange


@pytest.fixture(scope="module")
def comparison(results: Path) -> Comparison:
    return compare_runs(load_results(results).runs)


def test_every_cell_has_a_row_whatever_became_of_it(comparison: Comparison) -> None:
    assert [len(table.rows) for table in comparison.tables] == [10, 10, 10]
    assert not any(run.unmeasured for run in comparison.runs)


def test_the_reference_comes_first_then_the_best(comparison: Comparison) -> None:
    closed = comparison.tables[0]
    assert closed.rows[0].framework.is_reference
    values = [row.values["messages_per_s"] for row in closed.rows]
    means = [value.estimate.mean for value in values if value.is_enough]
    assert means == sorted(means, reverse=True)
    assert [value.is_enough for value in values] == [True] * len(means) + [False] * (len(values) - len(means))


def test_invalid_and_failed_rows_are_last_with_their_reasons(comparison: Comparison) -> None:
    _, fixed, dashboard = comparison.tables
    assert (fixed.rows[-1].key, fixed.rows[-1].status) == (("flask-socketio", "eventlet"), "invalid")
    assert fixed.rows[-1].reasons == (("send lag p99 1.40 ms is above 1 ms", 5),)
    assert fixed.rows[-1].values["latency_p99"].rank is None
    assert fixed.rows[-1].values["latency_p99"].to_reference is None
    assert (dashboard.rows[-1].key, dashboard.rows[-1].status) == (("flask-socketio", "threading"), "failed")
    assert dashboard.rows[-1].values == {}


def test_a_failed_round_is_left_out_and_reported(comparison: Comparison) -> None:
    row = next(row for row in comparison.tables[0].rows if row.variant.slug == "daphne-redis")
    assert (row.status, row.valid_rounds, row.rounds) == ("valid", 4, 5)
    assert 2 not in row.values["messages_per_s"].rounds
    assert row.reasons[0][0].startswith("failed at load")


def test_setups_that_pass_messages_through_a_broker_are_named(comparison: Comparison) -> None:
    """By their headline variants, and only where a message goes to several clients."""
    rooms = [table for table in comparison.tables if table.workload.slug in ("dashboard", "room")]
    said = score_words.through_broker(rooms, {"django-channels": "uvicorn-redis", "fastapi": "uvicorn"})
    assert said.startswith("In chat rooms and dashboards Django Channels passes messages through Redis")
    assert score_words.through_broker(rooms, {"django-channels": "uvicorn-memory"}) == ""
    through_nats = [
        replace(
            table,
            rows=tuple(
                replace(row, variant=row.variant.model_copy(update={"broker": "nats"}))
                if row.framework.slug == "fastapi"
                else row
                for row in table.rows
            ),
        )
        for table in rooms
    ]
    said = score_words.through_broker(through_nats, {"django-channels": "uvicorn-redis", "fastapi": "uvicorn"})
    assert said.startswith(
        "In chat rooms and dashboards Django Channels and FastAPI pass messages through NATS or Redis"
    )
    assert score_words.through_broker(comparison.of_workload("echo"), {"django-channels": "uvicorn-redis"}) == ""


def test_ratios_are_to_the_reference(comparison: Comparison) -> None:
    fastapi = next(row for row in comparison.tables[0].rows if row.framework.slug == "fastapi")
    ratio = fastapi.values["messages_per_s"].to_reference
    assert ratio is not None
    assert ratio.value == pytest.approx(66_800 / 171_000, rel=0.03)


def test_variants_that_are_not_distinguishable_share_a_rank(comparison: Comparison) -> None:
    found = {row.variant.slug: row.values["messages_per_s"].rank for row in comparison.tables[0].rows}
    memory, gevent = found["uvicorn-memory"], found["gevent"]
    assert memory is not None
    assert gevent is not None
    assert memory == found["uvicorn-redis"]
    assert memory.last < gevent.first
    assert found["daphne-redis"] is None


def test_what_does_not_compete_leads_nowhere(comparison: Comparison) -> None:
    found = leaders(comparison.tables, ["fastapi", "django-channels"])
    assert {row.framework.slug for leader in found for row in leader.rows} <= {"fastapi", "django-channels"}


def test_narrowing_keeps_ratios_and_places_anew(comparison: Comparison) -> None:
    narrowed = comparison.tables[0].only({"flask-socketio"})
    assert {row.framework.slug for row in narrowed.rows} == {"flask-socketio"}
    assert narrowed.rows[0].values["messages_per_s"].rank == RankRange(1, 1)
    assert narrowed.rows[0].values["messages_per_s"].to_reference is not None


def test_verdicts_follow_the_rule(comparison: Comparison) -> None:
    clear = pair_verdict(comparison.tables, "fastapi", "flask-socketio")
    assert (clear.outcome, clear.winner) == ("better", "fastapi")
    assert pair_verdict(comparison.tables, "flask-socketio", "fastapi").winner == "fastapi"
    smaller = pair_verdict(comparison.tables, "fastapi", "websockets")
    assert (smaller.outcome, smaller.winner) == ("worse", "websockets")
    assert {decision.metric.key for decision in smaller.decisions if decision.outcome == "worse"} == {"pss_mean_mb"}


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (["better", "same", "unknown"], "better"),
        (["worse", "unknown"], "worse"),
        (["better", "worse", "same"], "mixed"),
        (["same", "same"], "same"),
        (["same", "unknown"], "unknown"),
        ([], "unknown"),
    ],
)
def test_the_verdict_on_a_pair(outcomes: list[Outcome], verdict: str) -> None:
    assert overall(outcomes) == verdict


def test_the_reference_leads_nothing(comparison: Comparison) -> None:
    found = leaders(comparison.tables, [facts.slug for facts in comparison.frameworks])
    assert len(found) == sum(len(table.deciding) for table in comparison.tables) == 9
    assert not any(row.framework.is_reference for leader in found for row in leader.rows)


def test_with_fewer_than_five_valid_rounds_there_is_no_rank_no_lead_and_no_vote(comparison: Comparison) -> None:
    closed = comparison.tables[0]
    short = next(row for row in closed.rows if row.variant.slug == "daphne-redis")
    value = short.values["messages_per_s"]
    assert (short.valid_rounds, value.is_enough, value.rank) == (4, False, None)
    assert not any(short in leader.rows for leader in leaders([closed], {"django-channels"}))
    fastapi = next(row for row in closed.rows if row.framework.slug == "fastapi")
    judged = closed.judged(METRICS["messages_per_s"], short, fastapi)
    assert (judged.outcome, judged.direction, judged.reason) == ("unknown", None, "not enough data")
    assert judged.contrast is not None, "what was measured is shown"
    others = [row.values["messages_per_s"].rank for row in closed.valid_rows if row not in (short, closed.rows[0])]
    assert max(rank.last for rank in others if rank is not None) == len(others)


def test_where_no_row_has_enough_rounds_nobody_leads_and_nothing_is_decided(tmp_path: Path) -> None:
    synthetic.write(tmp_path, rounds=2, seconds=1, searches=False)
    comparison = compare_runs(load_results(tmp_path).runs)
    competing = [facts.slug for facts in comparison.frameworks]
    assert comparison.tables[0].deciding
    assert not any(value.rank for table in comparison.tables for row in table.rows for value in row.values.values())
    found = leaders(comparison.tables, competing)
    assert found
    assert not any(leader.rows for leader in found)
    verdict = pair_verdict(comparison.tables, "fastapi", "flask-socketio")
    assert verdict.outcome == "unknown"
    assert {decision.reason for decision in verdict.decisions} == {"not enough data"}


def test_one_framework_alone_leads_nothing(tmp_path: Path) -> None:
    alone = tuple(made for made in synthetic.VARIANTS if made.framework in ("reference", "fastapi"))
    synthetic.write(tmp_path, rounds=6, seconds=1, variants=alone, searches=False)
    comparison = compare_runs(load_results(tmp_path).runs)
    assert not any(leader.rows for leader in leaders(comparison.tables, ["fastapi"]))
    (row,) = (row for row in comparison.tables[0].rows if row.framework.slug == "fastapi")
    assert row.values["messages_per_s"].rank is None
    assert row.values["messages_per_s"].to_reference is not None


def test_a_narrowed_table_has_the_outcomes_of_the_whole(comparison: Comparison) -> None:
    whole = comparison.tables[0]
    narrowed = whole.only({"fastapi", "websockets"})
    for metric in narrowed.deciding:
        first, second = narrowed.valid_rows
        assert narrowed.judged(metric, first, second) == whole.judged(metric, first, second)


def test_a_row_with_missing_rounds_has_the_mean_of_all_rounds(tmp_path: Path) -> None:
    """Its own rounds alone could be the fast ones."""
    synthetic.write(tmp_path, seconds=1, searches=False)
    (run,) = load_results(tmp_path).runs
    table, unranked = (compare_runs([run], ranked=ranked).tables[0] for ranked in (True, False))
    short, raw = (
        next(row for row in one.rows if row.variant.slug == "daphne-redis").values["messages_per_s"]
        for one in (table, unranked)
    )
    assert short.rounds == raw.rounds
    assert raw.estimate.mean == pytest.approx(geometric_mean(raw.rounds.values()))
    assert short.estimate.mean != raw.estimate.mean
    reference = table.rows[0].values["messages_per_s"].estimate.mean
    assert short.to_reference is not None
    assert short.estimate.mean / reference == pytest.approx(short.to_reference.value)


@pytest.mark.parametrize(
    ("present", "chosen"),
    [
        ({"latency_p50", "latency_p90", "latency_p99"}, "latency_p99"),
        ({"latency_p50", "latency_p90"}, "latency_p90"),
        ({"latency_p50"}, "latency_p50"),
    ],
)
def test_short_runs_are_judged_by_a_lower_percentile(present: set[str], chosen: str) -> None:
    metric = tail_of(LATENCY, present)
    assert metric is not None
    assert metric.key == chosen


def test_without_a_percentile_nothing_is_judged() -> None:
    assert tail_of(LATENCY, {"messages_per_s"}) is None


def test_runs_of_a_campaign_share_out_the_questions(tmp_path: Path) -> None:

    def write(run: str, second: int, only: tuple[str, ...], variants: tuple[synthetic.Made, ...]) -> None:
        started = f"2026-11-20T09:00:{second:02}Z"
        synthetic.write(tmp_path, rounds=2, seconds=1, run=run, only=only, variants=variants, started=started)

    write("a", 0, ("echo", "dashboard"), synthetic.VARIANTS)
    write("b", 1, ("capacity",), synthetic.VARIANTS)
    # One framework again: fewer rows than there are, so it answers nothing.
    write("c", 2, ("echo",), synthetic.VARIANTS[:1])
    # All of one workload again: newer figures with as many rows.
    write("d", 3, ("dashboard",), synthetic.VARIANTS)
    runs = load_results(tmp_path).headline
    comparison = compare_runs(runs)
    assert [workload.slug for workload in comparison.workloads] == ["echo", "dashboard", "capacity"]
    assert [(table.workload.slug, table.run.document.id) for table in comparison.tables] == [
        ("echo", "a"),
        ("echo", "a"),
        ("dashboard", "d"),
    ]
    assert {table.run.document.id for table in capacity_tables(runs)} == {"b"}
    for table in comparison.tables:
        assert {row.raw.split("/")[1] for row in table.rows} == {table.run.document.id}


def test_a_workload_that_has_changed_is_answered_by_its_newest_version_alone(tmp_path: Path) -> None:
    """Even where the run that asked the older one has more rows."""
    synthetic.write(tmp_path, rounds=2, seconds=1, run="a", only=("echo",))
    newer = synthetic.write(
        tmp_path,
        rounds=2,
        seconds=1,
        run="b",
        only=("echo",),
        variants=synthetic.VARIANTS[:2],
        started="2026-11-20T09:00:01Z",
    )
    for path in newer.glob("*.yml"):
        text = re.sub(r"^( +(?:workload_)?version): .*$", r"\1: changed", path.read_text(), flags=re.MULTILINE)
        path.write_text(text)
    comparison = compare_runs(load_results(tmp_path).runs)
    assert [workload.version for workload in comparison.workloads] == ["changed"]
    assert {table.run.document.id for table in comparison.tables} == {"b"}


def test_what_only_an_older_version_measured_stays() -> None:
    def run_of(version: str, modes: dict[str, int]) -> SimpleNamespace:
        workload = SimpleNamespace(slug="echo", version=version)
        tables = [
            SimpleNamespace(slug=f"echo-{mode}", workload=workload, parameters={"mode": mode}, rows=[0] * rows)
            for mode, rows in modes.items()
        ]
        return SimpleNamespace(document=SimpleNamespace(workloads=[workload]), tables=tables)

    runs: list[Any] = [run_of("2", {"closed": 1}), run_of("2", {"closed": 2}), run_of("1", {"closed": 9, "open": 9})]
    found: list[Any] = fullest(runs, lambda run: run.tables)  # type: ignore[attr-defined]
    assert [(table.slug, table.workload.version, len(table.rows)) for table in found] == [
        ("echo-closed", "2", 2),
        ("echo-open", "1", 9),
    ]


def test_a_newer_version_with_another_rate_takes_the_place_of_the_older_one() -> None:
    """Its parameters say another rate, or one that the older version did not publish."""

    def run_of(version: str, *parameters: dict[str, int]) -> SimpleNamespace:
        workload = SimpleNamespace(slug="room", version=version)
        tables = [
            SimpleNamespace(slug=f"room-{sorted(each.items())}", workload=workload, parameters=each, rows=[0])
            for each in parameters
        ]
        return SimpleNamespace(document=SimpleNamespace(workloads=[workload]), tables=tables)

    older = run_of("1", {"members": 10, "deliveries_per_s": 1}, {"members": 20}, {"members": 30, "deliveries_per_s": 1})
    newer = run_of("2", {"members": 10, "deliveries_per_s": 3}, {"members": 20, "deliveries_per_s": 3})
    runs: list[Any] = [newer, older]
    found: list[Any] = fullest(runs, lambda run: run.tables)  # type: ignore[attr-defined]
    assert [(table.workload.version, table.parameters["members"]) for table in found] == [
        ("2", 10),
        ("2", 20),
        ("1", 30),
    ]
