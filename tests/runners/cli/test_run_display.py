"""What the display of a run shows of its looks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runners.campaign import planning
from runners.cli.run_display import RunDisplay, further_in_words
from runners.record import Connections, Look, PartLook, Percentiles, PublishedMessages, SecondLoadRecord
from runners.subjects import catalog, workloads
from runners.subjects.profiles import PROFILES
from tests.support.documents import failed, measurement, messages


@pytest.fixture(scope="module")
def plan() -> planning.Plan:
    standard = PROFILES["standard"]
    return planning.plan_run(
        catalog.discover(), workloads.choose_workloads(["echo", "connect/storm"], standard), standard, 1
    )


def look(*, cells: list[int]) -> Look:
    parts = {
        "echo/closed": PartLook(decided=5, deciding=6, short=0, wide=2, values=4),
        "echo/open": PartLook(decided=10, deciding=12, short=1, wide=0, values=8),
        "connect/storm": PartLook(decided=3, deciding=6, short=0, wide=0, values=0),
    }
    return Look(after_round=5, spent_s=60.0, decided=18, deciding=24, parts=parts, cells=cells)


def test_a_look_is_told_in_all_and_by_workload(plan: planning.Plan, capfd: pytest.CaptureFixture[str]) -> None:
    RunDisplay().looked(look(cells=[]), "time is up", plan)
    assert capfd.readouterr().err.splitlines() == [
        "After round 5: 18 of 24 comparisons are decided; 2 of 12 intervals are wider than the target; 1 row has too"
        " few valid rounds.",
        "Decided by workload: echo 15 of 18, connect 3 of 6.",
        "No further round: time is up.",
    ]


def test_what_the_next_round_measures_is_told(plan: planning.Plan, capfd: pytest.CaptureFixture[str]) -> None:
    turn = plan.order[0][:7]
    RunDisplay().looked(look(cells=sorted(turn)), None, replace(plan, order=(*plan.order, turn)))
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == f"Round 6 measures 7 of {len(plan.cells)} cells, about {plan.round_s(turn) / 60:.0f} min."


def test_the_setting_of_a_cell_is_told_unless_it_is_usual(
    plan: planning.Plan, capfd: pytest.CaptureFixture[str]
) -> None:
    cell = plan.cells[0]
    display = RunDisplay()
    for one in (cell, cell.under("3.13", "haproxy")):
        display.measured(one, failed(), 1, plan)
    usual, other = (line.partition(": ")[0] for line in capfd.readouterr().err.splitlines())
    assert usual.endswith(f"/{cell.variant.slug} echo closed")
    assert other.endswith(f"/{cell.variant.slug} echo closed, Python 3.13, through HAProxy")


def test_a_second_load_is_shown_beside_the_first(plan: planning.Plan, capfd: pytest.CaptureFixture[str]) -> None:
    second = SecondLoadRecord(
        offered_per_s=10.0,
        messages_per_s=10.0,
        connections=Connections(planned=1, established=1, closed_early=0),
        messages=messages(100, 100),
        latency_ms=Percentiles(count=100, p50=6.04),
    )
    display = RunDisplay()
    for one in (measurement(), measurement().model_copy(update={"second_load": second})):
        display.measured(plan.cells[0], one, 1, plan)
    alone, both = capfd.readouterr().err.splitlines()
    assert "second load" not in alone
    assert "p50 6.04 ms" not in alone
    assert ", second load: p50 6.04 ms" in both


def test_messages_from_outside_are_shown_by_when_everybody_has_them(
    plan: planning.Plan, capfd: pytest.CaptureFixture[str]
) -> None:
    counts = {"messages": 200, "due": 400, "in_time": 398, "late": 0, "never": 2, "twice": 0, "foreign": 0, "ended": 0}
    times = {"delivery_ms": Percentiles(count=398), "last_delivery_ms": Percentiles(count=199, p50=1.234)}
    published = PublishedMessages.model_validate({**counts, **times, "complete": 199, "refused": 1})
    display = RunDisplay()
    display.measured(plan.cells[0], measurement().model_copy(update={"published": published}), 1, plan)
    (line,) = capfd.readouterr().err.splitlines()
    assert "99.5 % of messages reached everybody, p50 1.23 ms until the last member had one, 1 refused" in line


def test_what_follows_the_rounds_of_everything(plan: planning.Plan) -> None:
    assert plan.limits is not None
    words = further_in_words(plan, plan.limits)
    forecast = plan.forecast
    assert words == (
        f"After 5 rounds of everything, at most 15 rounds measure what is undecided: in all about"
        f" {forecast.expected_s / 60:.0f} min, at most {forecast.worst_s / 60:.0f} min."
    )
    limited = plan.within(forecast.first_s + 2 * forecast.further_s)
    assert limited.limits is not None
    assert further_in_words(limited, limited.limits).endswith("as much as 2.0 rounds of all that is compared.")
