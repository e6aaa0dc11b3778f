"""Who leads in one metric, as a sentence and as the title of a chart: never surer than the outcomes."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import pytest

from generator.charts.wording import plain, significant
from generator.comparison import (
    LATENCY,
    CapacityTable,
    Comparison,
    Judged,
    Leader,
    Outcome,
    Reason,
    Row,
    Table,
    capacity_tables,
    compare_runs,
    leaders,
    tail_of,
)
from generator.dataset import load_results
from generator.sentences import answer_metric, answer_search, variants_finding
from generator.statistics import Estimate, Interval
from tests.support.pages import HOSTILE

ABLE = ("django-channels", "fastapi", "flask-socketio", "websockets")
HEADLINES = {"fastapi": "uvicorn", "websockets": "asyncio", "django-channels": "uvicorn-redis", "reference": "picows"}


@pytest.fixture(scope="module")
def comparison(results: Path) -> Comparison:
    return compare_runs(load_results(results).headline)


@pytest.fixture(scope="module")
def found(comparison: Comparison) -> tuple[Leader, ...]:
    return leaders(comparison.tables, ABLE)


@pytest.fixture(scope="module")
def rate(results: Path) -> CapacityTable:
    tables = capacity_tables(load_results(results).headline)
    return next(one for one in tables if one.parameters["search"] == "rate")


def test_one_leader_is_clear_and_many_are_not(found: tuple[Leader, ...]) -> None:
    assert len(found) > 3
    for leader in found:
        for rows in (leader.rows, leader.rows[:1], ()):
            answer = answer_metric(replace(leader, rows=rows), has_flagged=False)
            outcomes = {leader.table.judged(leader.metric, *pair).outcome for pair in combinations(rows, 2)}
            assert (answer.sureness == "clearly") == (bool(rows) and outcomes <= {"same"})
            assert set(answer.frameworks) <= {row.framework.slug for row in rows}
            assert ("is not decided" in answer.finding) == (answer.sureness != "clearly")
            assert answer.sentence.endswith(".")
            assert len(answer.sentence.split()) <= 25
            assert "without a flag" not in answer.finding
        flagged = answer_metric(replace(leader, rows=leader.rows[:1]), has_flagged=True)
        assert "of those without a flag" in flagged.sentence


@pytest.mark.parametrize("title", ["x" * 200, HOSTILE, "A framework with a name that is much longer than others have"])
def test_a_finding_is_short_and_plain_whatever_a_framework_is_called(found: tuple[Leader, ...], title: str) -> None:
    def named(row: Row) -> Row:
        return replace(row, framework=row.framework.model_copy(update={"title": title}))

    for leader in found:
        answer = answer_metric(replace(leader, rows=tuple(map(named, leader.rows[:1]))), has_flagged=True)
        assert len(answer.finding) <= 80
        assert answer.finding == plain(answer.finding)


@pytest.mark.parametrize(
    ("outcome", "reason", "says"),
    [
        ("same", "floor", " are below 2 ms, where no difference counts."),
        ("same", None, " are practically equal."),
        ("unknown", "few rounds", " is not decided."),
    ],
)
def test_an_answer_says_why_all_are_equal(
    found: tuple[Leader, ...], outcome: Outcome, reason: Reason | None, says: str
) -> None:
    """By the floor only if all of them are surely below it."""
    leader = next(one for one in found if one.metric.family == LATENCY and one.metric.floor == 2)
    rows = [row for row in leader.table.valid_rows if leader.metric.key in row.values][:2]
    assert len(rows) == 2

    def said(mean: float) -> str:
        estimate = Estimate(mean, Interval(0.9 * mean, 1.1 * mean), 5)
        these = tuple(
            replace(
                row, values={**row.values, leader.metric.key: replace(row.values[leader.metric.key], estimate=estimate)}
            )
            for row in rows
        )
        table = replace(leader.table, compared=cast("Any", Fixed(outcome, reason)))
        return answer_metric(replace(leader, table=table, rows=these), has_flagged=True).sentence

    assert said(1).endswith(says)
    assert said(1.9).endswith(says.replace("below 2 ms, where no difference counts", "practically equal"))


def test_capacities_lead_by_their_brackets(rate: CapacityTable) -> None:
    """FastAPI's bracket and that of websockets overlap; a single search decides nothing."""
    answer = answer_search(rate, HEADLINES, ABLE, has_flagged=False)
    assert answer.sureness != "clearly"
    alone = answer_search(rate, HEADLINES, ["fastapi"], has_flagged=False)
    assert alone.frameworks == ()
    assert alone.finding == "Who has the highest capacity is not decided"
    quick = replace(rate.run, document=rate.run.document.model_copy(update={"profile": "quick"}))
    assert answer_search(replace(rate, run=quick), HEADLINES, ABLE, has_flagged=False).frameworks == ()


# The variants of one framework


class Fixed:
    """How rows differ, as given for the first of any two."""

    def __init__(self, outcome: Outcome, reason: Reason | None = None) -> None:
        self.outcome = outcome
        self.reason = reason

    def of(self, _: object) -> Fixed:
        return self

    def judged(self, *_: object) -> Judged:
        return Judged(None, self.outcome, reason=self.reason)


def echo(comparison: Comparison, framework: str, *, is_open: bool) -> Table:
    """The echo of one framework."""
    tables = (one for one in comparison.tables if one.workload.slug == "echo" and one.is_open == is_open)
    return next(tables).only({framework})


def means(table: Table, key: str) -> list[str]:
    found = [row.values[key].estimate.mean for row in table.valid_rows if key in row.values]
    return [significant(one) for one in sorted(found)]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("better", r"Latency p9\d is lower with [\w-]+ than with [\w-]+(: {low} and {high} ms)?"),
        ("same", r"Latency p9\d is practically equal for all {count} variants: {low} to {high} ms"),
        ("unknown", r"Whether latency p9\d differs between {count} variants is not decided: {low} to {high} ms"),
        ("worse", r"Whether latency p9\d differs between {count} variants is not decided: {low} to {high} ms"),
    ],
)
def test_variants_are_titled_by_what_is_decided_between_them(
    comparison: Comparison, outcome: Outcome, words: str
) -> None:
    """``worse``: an outcome that contradicts the order of the means decides nothing."""
    table = replace(echo(comparison, "django-channels", is_open=True), compared=cast("Any", Fixed(outcome)))
    deciding = next(metric for metric in table.deciding if metric.family == LATENCY)
    low, *_, high = means(table, deciding.key)
    pattern = words.format(low=re.escape(low), high=re.escape(high), count=len(table.valid_rows))
    assert re.fullmatch(pattern, variants_finding(table, LATENCY))


def test_service_times_decide_nothing(comparison: Comparison) -> None:
    table = echo(comparison, "django-channels", is_open=False)
    assert variants_finding(table, LATENCY).endswith(" ms and decides nothing")
    assert variants_finding(echo(comparison, "fastapi", is_open=False), LATENCY).endswith("and decides nothing")


def test_a_lone_variant_is_titled_by_its_values(comparison: Comparison) -> None:
    table = echo(comparison, "fastapi", is_open=True)
    (row,) = table.valid_rows
    tail = tail_of(LATENCY, row.values)
    assert tail is not None
    (value,), (median,) = means(table, tail.key), means(table, "latency_p50")
    found = rf"{tail.short} is {value} ms \(95 %: [\d.]+ to [\d.]+\) and the median {median} ms"
    assert re.fullmatch(found, variants_finding(table, LATENCY))
    once = replace(row.values[tail.key], estimate=replace(row.values[tail.key].estimate, interval=None))
    short = replace(table, rows=(replace(row, values={tail.key: once}),))
    assert variants_finding(short, LATENCY) == f"{tail.short} is {value} ms (in one round)"
    nothing = replace(table, rows=(replace(row, values={}),))
    assert variants_finding(nothing, LATENCY) == "No round has enough messages for a percentile of latency"


def test_no_title_of_variants_is_surer_than_their_outcomes(comparison: Comparison) -> None:
    seen = set()
    for table in comparison.tables:
        for slug in ABLE:
            own = table.only({slug})
            if not own.valid_rows or LATENCY not in own.families:
                continue
            title = variants_finding(own, LATENCY)
            outcomes = {
                own.judged(metric, *pair).outcome
                for metric in table.metrics
                if metric.family == LATENCY
                for pair in combinations([row for row in own.valid_rows if metric.key in row.values], 2)
            }
            assert title == plain(title, 80)
            assert "is lower with" not in title or outcomes & {"better", "worse"}
            assert "practically equal" not in title or "same" in outcomes
            seen.add(title)
    assert len(seen) > 5
