"""What a described load takes: in proportion to a measurement, by the nearest size, and alike in the page's script."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import synthetic
from generator.comparison import (
    CPU,
    LOAD_MODELS,
    USE_CASES,
    LoadCosts,
    LoadModel,
    UnitCost,
    estimate_load,
    growth_of,
    load_costs,
)
from generator.comparison.load_models import Dial, MeasuredLoad
from generator.comparison.tables import costs_with_broker
from generator.dataset import Claims, Parameters, load_results
from generator.pages.growth_chart import growth_chart
from generator.pages.load_table import interval_in_words, load_rows
from generator.pages.view import View
from runners.subjects.workloads import WORKLOADS
from tests.support.visiting import Visit


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write(folder, seconds=1, rooms=True)
    synthetic.write_evidence(folder)
    return View(load_results(folder), {}, Claims())


def with_headlines(view: View) -> View:
    """The synthetic frameworks have no folder that declares a headline variant."""
    basis = replace(
        view.conclusions.basis,
        headline={"django-channels": "uvicorn-redis", "fastapi": "uvicorn", "flask-socketio": "gevent"},
        competing=("django-channels", "fastapi", "flask-socketio"),
    )
    view.conclusions = replace(view.conclusions, basis=basis)
    return view


def cost(size: float, cpu_us: float) -> UnitCost:
    return UnitCost(size, cpu_us, (0.9 * cpu_us, 1.1 * cpu_us), 5, "room", f"room-{size:g}", "a/b/c.yml")


@st.composite
def loads(draw: st.DrawFn) -> tuple[LoadModel, LoadCosts, dict[str, float]]:
    model = LOAD_MODELS[draw(st.sampled_from(sorted(LOAD_MODELS)))]
    sizes = sorted(draw(st.sets(st.sampled_from([1.0, 10.0, 100.0, 1000.0]), min_size=1)))
    costs = tuple(cost(size, draw(st.floats(1, 1000))) for size in sizes)
    values = {dial.name: draw(st.sampled_from(dial.steps)) for dial in model.dials}
    return model, LoadCosts("one", costs, draw(st.none() | st.floats(0, 500))), values


def test_every_use_case_has_a_model_of_what_is_measured() -> None:
    assert LOAD_MODELS.keys() == {case.slug for case in USE_CASES}
    for model in LOAD_MODELS.values():
        names = {dial.name for dial in model.dials}
        assert {name for term in model.terms for name in term.dials} <= names
        assert model.clients in names
        assert model.size is None or model.size in names
        for load in model.measured:
            counted = {name for term in load.units for name in term.dials} | ({load.size} if load.size else set())
            published = [set(scenario.publishes) for scenario in WORKLOADS[load.workload].scenarios]
            assert any(counted | load.where.keys() <= one for one in published), load.workload


def test_a_first_value_is_one_of_the_steps() -> None:
    with pytest.raises(ValueError, match="users: 5 is none of its steps"):
        Dial("users", "Users", (1, 10), 5)


@given(loads())
def test_an_estimate_is_the_nearest_cost_times_the_units(found: tuple[LoadModel, LoadCosts, dict[str, float]]) -> None:
    model, costs, values = found
    estimate = estimate_load(model, costs, values)
    assert estimate.cores == pytest.approx(model.units_per_s(values) * estimate.cost.cpu_us / 1e6)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low <= estimate.cores <= estimate.high
    if model.size:
        distances = {one.size: abs(math.log(one.size / values[model.size])) for one in costs.costs}
        assert distances[estimate.cost.size] == min(distances.values())
    if costs.kb_per_client is not None:
        assert estimate.mb == pytest.approx(values[model.clients] * costs.kb_per_client / 1000)


def test_units_are_counted_as_the_page_says() -> None:
    assert LOAD_MODELS["chat"].units_per_s({"users": 3000, "rate": 2, "members": 100}) == pytest.approx(10_000)
    assert LOAD_MODELS["streaming"].units_per_s({"streams": 100, "chunks": 50}) == 5000
    # An update and its answer, and a snapshot.
    assert LOAD_MODELS["dashboard"].units_per_s({"users": 100, "rate": 60, "pushes": 300}) == pytest.approx(700)
    (dashboard,) = [one for one in LOAD_MODELS["dashboard"].measured if one.workload == "dashboard"]
    parameters: Parameters = {"users": 100, "updates_per_user_per_s": 1, "snapshots_per_s": 5}
    assert dashboard.units_per_s(parameters) == pytest.approx(700), "the measurement is counted alike"
    older: Parameters = {"users": 100, "updates_per_user_per_s": 1}
    assert dashboard.is_of(older)
    assert dashboard.units_per_s(older) == pytest.approx(300), "one snapshot per second"


def test_costs_are_those_of_the_tables_with_the_broker(view: View) -> None:
    basis = with_headlines(view).conclusions.basis
    found = {one.framework: one for one in load_costs(LOAD_MODELS["chat"], basis)}
    assert found.keys() == set(basis.competing)
    (table,) = [one for one in view.comparison.of_workload("room") if one.parameters["mode"] == "open"]
    for slug, one in found.items():
        estimate = costs_with_broker(table).estimate((slug, basis.headline[slug]))
        assert estimate is not None
        (unit,) = one.costs
        assert unit.cpu_us == pytest.approx(estimate.mean * 10_000 / float(table.parameters["deliveries_per_s"]))
        assert (unit.size, unit.anchor) == (100, table.slug)
    channels = table.rows[[row.framework.slug for row in table.rows].index("django-channels")]
    assert channels.values[CPU.key].estimate.mean > 0


def test_quick_results_and_tables_without_the_parameters_give_no_estimate(tmp_path: Path) -> None:
    synthetic.write(tmp_path, seconds=1, profile="quick")
    basis = with_headlines(View(load_results(tmp_path), {}, Claims())).conclusions.basis
    assert load_costs(LOAD_MODELS["request-reply"], basis) == ()
    older = MeasuredLoad("echo", {}, LOAD_MODELS["request-reply"].measured[0].units)
    assert not older.is_of({"connections": 100})


def test_the_chart_of_growth_says_how_many_times_as_much(view: View) -> None:
    model = LOAD_MODELS["chat"]
    assert growth_of([LoadCosts("fastapi", (cost(10, 5),), None)]) is None
    found = [
        LoadCosts("fastapi", (cost(10, 50), cost(100, 30), cost(1000, 20)), None),
        LoadCosts("django-channels", (cost(10, 100), cost(1000, 80)), None),
        LoadCosts("flask-socketio", (cost(10, 90), cost(100, 60)), None),
    ]
    growth = growth_of(found)
    assert growth is not None
    chart = growth_chart(view, "chat", model, growth)
    assert chart is not None
    assert chart.title == "A delivery is 0.40 to 0.80× as costly with 1,000 members as with 10"
    assert chart.frameworks == ("fastapi", "django-channels", "flask-socketio"), "not measured at the end: last"
    assert [cell.text for cell in chart.table.rows[1][1:]] == ["100", "–", "80.0"]
    alone = growth_of([found[2]])
    assert alone is not None
    short = growth_chart(view, "chat", model, alone)
    assert short is not None
    assert short.title == "A delivery is 0.67× as costly with 100 members as with 10"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.048, 0.055, "4.8 to 5.5\u00a0% of a core"),
        (0.9, 1.2, "90\u00a0% of a core to 1.2\u00a0cores"),
        (2.0, 3.25, "2.0 to 3.2\u00a0cores"),
        (None, 1.0, "–"),
    ],
)
def test_an_interval_has_one_unit_if_its_ends_do(low: float | None, high: float, words: str) -> None:
    assert interval_in_words(low, high) == words


# On the page


def shown(visit: Visit) -> list[tuple[str, ...]]:
    rows: list[list[str]] = visit.page.locator(".rt-load-table tbody tr").evaluate_all(
        """rows => rows.map(row => [row.dataset.frameworks, row.querySelector(".rt-load-cpu").textContent.trim(),
           row.querySelector(".rt-load-interval").textContent,
           row.querySelector(".rt-load-memory")?.textContent ?? "–"])"""
    )
    return [tuple(row) for row in rows]


@pytest.fixture(scope="module")
def site_view(site_results: Path) -> View:
    return with_headlines(View(load_results(site_results), {}, Claims()))


@pytest.mark.parametrize(
    ("case", "values"),
    [
        ("dashboard", {}),
        ("dashboard", {"users": 30_000, "rate": 0, "pushes": 600}),
        ("request-reply", {"users": 10, "rate": 0.1}),
        ("request-reply", {"users": 100_000, "rate": 600}),
    ],
)
def test_the_script_estimates_like_the_build(
    visit: Visit, site_view: View, case: str, values: Mapping[str, float]
) -> None:
    model = LOAD_MODELS[case]
    visit.open(f"for/{case}.html?{urlencode(values)}")
    visit.page.locator("form.rt-load").wait_for()
    found = load_costs(model, site_view.conclusions.basis)
    expected = load_rows(site_view, model, found, {**model.usual, **values})
    assert shown(visit) == [(row.slug, row.cpu, row.interval, row.memory) for row in expected]


def test_a_dial_is_kept_in_the_address(visit: Visit) -> None:
    page = visit.open("for/dashboard.html")
    before = shown(visit)
    users = page.get_by_label("Users at a time")
    users.press("End")
    page.wait_for_url("**users=100000**")
    assert users.get_attribute("aria-valuetext") == "100,000"
    assert page.locator(".rt-load-units").inner_text() != ""
    assert shown(visit) != before
    assert page.locator(".rt-load-far").first.is_visible(), "far from what was measured"
    assert page.locator(".rt-load-said").is_hidden()
    users.press("Home")
    page.wait_for_url("**users=10**")
    page.goto(f"{visit.address}for/dashboard.html?users=11&rate=x")
    assert shown(visit) == before, "no value of a dial: the first one"
