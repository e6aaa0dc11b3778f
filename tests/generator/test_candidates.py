"""The facts by which readers choose a framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from benchmarks import synthetic
from generator.comparison import (
    CapacityTable,
    Comparison,
    capacity_tables,
    compare_runs,
    conclude,
    find_candidates,
)
from generator.comparison.candidates import Candidate, module_of
from generator.comparison.metrics import CPU
from generator.comparison.tables import Row, Value, costs_with_broker
from generator.dataset import Dataset, Evidence, Run, load_results
from runners.record import Finding

COMPETING = ["django-channels", "fastapi", "flask-socketio"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write(folder, rounds=5, seconds=1, search_rounds=2)
    synthetic.write_evidence(folder)
    return load_results(folder)


TITLES = dict.fromkeys(COMPETING, "Title")
HEADLINE = {"django-channels": "uvicorn-redis", "fastapi": "uvicorn", "flask-socketio": "gevent"}


def found_in(
    comparison: Comparison,
    searched: tuple[CapacityTable, ...] = (),
    evidence: Mapping[str, Evidence] = MappingProxyType({}),
    headline: Mapping[str, str] = MappingProxyType(HEADLINE),
) -> list[Candidate]:
    return find_candidates(conclude(comparison, searched, evidence, headline, COMPETING), TITLES)


def test_each_competitor_once_by_its_headline_variant(dataset: Dataset) -> None:
    found = found_in(compare_runs(dataset.runs), capacity_tables(dataset.runs), dataset.newest_evidence)
    assert [one.slug for one in found] == COMPETING
    for one in found:
        assert one.setup is not None
        assert one.setup.slug == HEADLINE[one.slug]
        (load,) = one.loads.values()
        assert (load.workload, load.users, load.updates_per_s) == ("dashboard", 100, 1)
        assert load.interval is not None
        assert load.interval[0] <= load.cpu_percent <= load.interval[1]
        assert load.late_ms is not None
        assert load.late_percentile in (50, 90, 99)
        assert load.raw.endswith(f"/{one.slug}.yml")
        assert one.can("polling") is not None
        assert load.cores == 1
        assert one.to_json()["slug"] == one.slug
    assert found[0].loads[100].with_broker
    fastapi = found[1].setup
    assert fastapi is not None
    assert fastapi.searched is not None
    assert fastapi.searched.sustains is not None
    assert fastapi.searched.fails_at is not None
    assert fastapi.searched.sustains < fastapi.searched.fails_at
    assert fastapi.searched.raw.endswith("/fastapi.yml")
    assert fastapi.searched.anchor == "capacity-users"
    assert found[1].limit_ms == 100


def test_who_takes_less_is_judged_by_the_table(dataset: Dataset) -> None:
    comparison = compare_runs(dataset.runs)
    (dashboard,) = comparison.of_workload("dashboard")
    found = {one.slug: one for one in found_in(comparison)}
    rows = {row.framework.slug: row for row in dashboard.rows if HEADLINE.get(row.framework.slug) == row.variant.slug}
    costs = costs_with_broker(dashboard)
    for slug, one in found.items():
        cheaper = {
            other
            for other in found
            if other != slug and costs.judged(rows[slug].key, rows[other].key).outcome == "better"
        }
        assert set(one.loads[100].cheaper_than) == cheaper
        assert not any(slug in found[other].loads[100].cheaper_than for other in cheaper)
    assert any(one.loads[100].cheaper_than for one in found.values())
    broker = rows["django-channels"]
    assert costs.estimate(broker.key) != broker.values[CPU.key].estimate, "its broker is part of the cost"


def _with_profile(comparison: Comparison, profile: str) -> Comparison:
    def changed(run: Run) -> Run:
        return replace(run, document=run.document.model_copy(update={"profile": profile}))

    tables = tuple(replace(table, run=changed(table.run)) for table in comparison.tables)
    return replace(comparison, tables=tables)


def test_what_does_not_count_is_no_answer_and_says_why(dataset: Dataset, tmp_path: Path) -> None:
    """Values of a profile or of a number of rounds with which nothing is decided elsewhere."""
    comparison = compare_runs(dataset.runs)
    for one in found_in(_with_profile(comparison, "quick")):
        assert one.loads == {}
        assert one.uncounted[100].why == "measured with profile quick only"
    synthetic.write(tmp_path, rounds=1, seconds=1, search_rounds=1)
    few = load_results(tmp_path)
    for one in found_in(compare_runs(few.runs), capacity_tables(few.runs)):
        assert one.loads == {}
        assert one.uncounted[100].why == "1 valid rounds of the 5 that are needed"
        assert one.setup is not None
        assert one.setup.searched is None
        assert one.setup.search_uncounted == "1 search of the 2 that are needed"
    (dashboard,) = comparison.of_workload("dashboard")
    failed = replace(
        dashboard, rows=tuple(replace(row, status="failed", values={}, valid_rounds=0) for row in dashboard.rows)
    )
    tables = tuple(failed if one is dashboard else one for one in comparison.tables)
    assert {one.uncounted[100].why for one in found_in(replace(comparison, tables=tables))} == {"it failed"}


def test_a_p99_of_disturbed_rounds_is_no_answer(dataset: Dataset) -> None:
    """It would make a framework fail by what other processes did."""
    comparison = compare_runs(dataset.runs)

    def percentiles(disturbance_percent: float | None) -> set[int | None]:
        tables = tuple(
            replace(
                table,
                rows=tuple(
                    replace(row, disturbance_percent=disturbance_percent, values=with_p99(row)) for row in table.rows
                ),
            )
            for table in comparison.tables
        )
        return {one.loads[100].late_percentile for one in found_in(replace(comparison, tables=tables))}

    def with_p99(row: Row) -> dict[str, Value]:
        p90 = row.values.get("latency_p90")
        return {**row.values, "latency_p99": row.values.get("latency_p99", p90)} if p90 else dict(row.values)

    assert percentiles(0.1) == {99}
    assert percentiles(0.9) == percentiles(None) == {90}


def test_every_dashboard_whose_users_send_as_often_counts_by_its_users(dataset: Dataset) -> None:
    found = compare_runs(dataset.runs)
    (dashboard,) = found.of_workload("dashboard")
    crowd = replace(
        dashboard,
        workload=dashboard.workload.model_copy(update={"slug": "crowd"}),
        parameters={**dashboard.parameters, "users": 1000},
    )
    faster = replace(dashboard, parameters={**dashboard.parameters, "snapshots_per_s": 5})
    watching = replace(crowd, parameters={**crowd.parameters, "users": 3000, "updates_per_user_per_s": 0.1})
    for one in found_in(replace(found, tables=(crowd, watching, *found.tables))):
        assert [(load.workload, users) for users, load in one.loads.items()] == [("dashboard", 100), ("crowd", 1000)]
        assert {load.snapshots_per_s for load in one.loads.values()} == {1.0}, "as before there was such a parameter"
    for one in found_in(replace(found, tables=(crowd, faster))):
        assert [load.snapshots_per_s for load in one.loads.values()] == [5.0, 1.0]


def test_a_stack_of_another_variant_is_named_as_such(dataset: Dataset) -> None:
    """As python-socketio, whose headline variant is no Django application, but one of the others is."""
    found = compare_runs(dataset.runs)
    run = found.runs[0]
    (item,) = (one for one in run.frameworks if one.document.framework.slug == "flask-socketio")
    variants = [
        one.model_copy(update={"packages": {**one.packages, "Django": "5.2"}, "title": "beside Django"})
        if one.slug == "eventlet"
        else one
        for one in item.document.variants
    ]
    facts = replace(item, document=item.document.model_copy(update={"variants": variants}))
    frameworks = tuple(facts if one is item else one for one in run.frameworks)
    changed = replace(found, runs=(replace(run, frameworks=frameworks),))
    one = found_in(changed)[-1]
    assert one.setup is not None
    assert "django" not in one.setup.stacks
    assert one.elsewhere == ("django",)


def test_only_what_the_headline_variant_can_do_counts(dataset: Dataset) -> None:
    """A need that only another variant fulfils would be met by a deployment that nobody measured."""
    evidence = dataset.newest_evidence["flask-socketio"]

    def can(value: bool | str | None, *, other: bool = True, item: str = "cross-process") -> float | None:
        def finding(slug: str) -> Finding:
            said = value if slug == "gevent" else other
            return Finding(item=item, value=said, note="not determined")

        variants = [
            one.model_copy(update={"findings": [finding(one.variant.slug)]}) for one in evidence.document.variants
        ]
        document = evidence.document.model_copy(update={"findings": [], "variants": variants})
        known = {"flask-socketio": replace(evidence, document=document)}
        return found_in(compare_runs(dataset.runs), evidence=known)[-1].can("spans")

    assert can(True, other=False) == 1
    assert can(False, other=True) == 0
    assert can(None) is None


def test_rooms_across_processes_with_own_code_are_half(dataset: Dataset) -> None:
    evidence = dataset.newest_evidence["fastapi"]
    document = evidence.document.model_copy(
        update={"findings": [Finding(item="rooms-across", value="with 24 lines")], "variants": []}
    )
    known = {"fastapi": replace(evidence, document=document)}
    assert found_in(compare_runs(dataset.runs), evidence=known)[1].can("spans") == 0.5


def test_what_is_not_known_is_not_made_up(dataset: Dataset) -> None:
    assert found_in(compare_runs(())) == []
    only = found_in(compare_runs(()), evidence=dataset.newest_evidence)
    assert all(not one.loads and one.setup and one.setup.searched is None and one.limit_ms is None for one in only)
    measured = found_in(compare_runs(dataset.runs))
    assert all(one.can(need) is None for one in measured for need in ("polling", "plain", "spans"))
    without = found_in(compare_runs(dataset.runs), headline={})
    assert [(one.setup, one.loads, one.leads) for one in without] == 3 * [(None, {}, {})]
    assert {label for one in without for label in one.labels.values()} == {None}


def test_a_best_label_is_that_of_the_other_pages(dataset: Dataset) -> None:
    """With evidence alone, labels of all starting points lack performance; with results too, some follow."""
    comparison = compare_runs(dataset.runs)
    conclusions = conclude(comparison, capacity_tables(dataset.runs), dataset.newest_evidence, HEADLINE, COMPETING)
    found = find_candidates(conclusions, TITLES)
    for aim, of in conclusions.labels_by_aim.items():
        best = conclusions.best_labels.get(aim)
        assert {one.slug for one in found if aim in one.labels} == set(of)
        assert {one.slug for one in found if aim in one.leads} == set(best.frameworks if best else ())


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("uvicorn django_app:app --host {host} --port {port}", "django_app.py"),
        ("python app.py --host {host} --port {port}", "app.py"),
        ("granian --interface asgi --host {host} --port {port} app:app", "app.py"),
        ("gunicorn other:app --bind {host}:{port}", None),
        ("python -m app", None),
    ],
)
def test_the_code_is_the_file_that_the_command_starts(command: str, module: str | None) -> None:
    assert module_of(command, {"app.py", "django_app.py"}) == module
