"""Who leads in one metric, as a sentence and as the title of a chart: never surer than the outcomes."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from generator.charts.wording import plain
from generator.comparison import CapacityTable, Comparison, Leader, Row, capacity_tables, compare_runs, leaders
from generator.dataset import load_results
from generator.sentences import answer_metric, answer_search
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


def test_capacities_lead_by_their_brackets(rate: CapacityTable) -> None:
    """FastAPI's bracket and that of websockets overlap; a single search decides nothing."""
    answer = answer_search(rate, HEADLINES, ABLE)
    assert answer.sureness != "clearly"
    alone = answer_search(rate, HEADLINES, ["fastapi"])
    assert alone.frameworks == ()
    assert alone.finding == "Who has the highest capacity is not decided"
    quick = replace(rate.run, document=rate.run.document.model_copy(update={"profile": "quick"}))
    assert answer_search(replace(rate, run=quick), HEADLINES, ABLE).frameworks == ()
