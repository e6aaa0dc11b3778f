"""What a choice rests on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generator.comparison import candidates, capacities, compare
from generator.comparison.picking import SPANNING, Candidate, module_of
from generator.dataset import Dataset, Evidence, load_results
from tests.generator import synthetic

COMPETING = ["django-channels", "fastapi", "flask-socketio"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write(folder, rounds=3, seconds=1)
    synthetic.write_evidence(folder)
    return load_results(folder)


def test_each_competitor_once_with_what_is_known(dataset: Dataset) -> None:
    titles = dict.fromkeys(COMPETING, "Title")
    found = candidates(compare(dataset.runs), capacities(dataset.runs), dataset.newest_evidence, titles, COMPETING)
    assert [one.slug for one in found] == COMPETING
    for one in found:
        (load,) = one.loads[""]
        assert (load.workload, load.users, load.updates_per_s) == ("dashboard", 100, 1)
        assert load.interval is not None
        assert load.interval[0] <= load.cpu_percent <= load.interval[1]
        assert load.late_ms is not None
        assert load.late_percentile in (50, 90, 99)
        assert load.raw.endswith(f"/{one.slug}.yml")
        assert one.polling is not None
        assert one.to_json()["slug"] == one.slug
    searched = found[1].searched[""]
    assert searched is not None
    assert searched.withstands is not None
    assert searched.breaks is not None
    assert searched.withstands < searched.breaks
    assert searched.raw.endswith("/fastapi.yml")
    assert searched.anchor == "capacity-users"
    assert found[1].limit_ms == 20


def test_every_dashboard_that_was_measured_counts_by_its_users(dataset: Dataset) -> None:
    found = compare(dataset.runs)
    (dashboard,) = found.of_workload("dashboard")
    crowd = replace(
        dashboard,
        workload=dashboard.workload.model_copy(update={"slug": "crowd"}),
        parameters={**dashboard.parameters, "users": 1000},
    )
    both = replace(found, tables=(crowd, *found.tables))
    for one in candidates(both, (), {}, dict.fromkeys(COMPETING, "Title"), COMPETING):
        assert [(load.workload, load.users) for load in one.loads[""]] == [("dashboard", 100), ("crowd", 1000)]


def test_for_a_stack_only_variants_that_stand_in_it_count(dataset: Dataset) -> None:
    """As python-socketio, of whose variants one is a Django application, and not the cheapest."""
    found = compare(dataset.runs)
    (dashboard,) = found.of_workload("dashboard")
    rows = [row for row in dashboard.valid_rows if row.framework.slug == "flask-socketio"]
    assert len(rows) > 1
    cheapest, *_, dearest = sorted(rows, key=lambda row: row.figures["cpu_percent"].summary.mean)
    both = {**dearest.variant.packages, "Django": "5.2"}
    outside = replace(cheapest, variant=cheapest.variant.model_copy(update={"packages": both}))
    title = {"packages": both, "title": "beside Django"}
    inside = replace(dearest, variant=dearest.variant.model_copy(update=title))
    swapped = {cheapest.key: outside, dearest.key: inside}
    table = replace(dashboard, rows=tuple(swapped.get(row.key, row) for row in dashboard.rows))
    run = found.runs[0]
    facts = [
        replace(item, document=item.document.model_copy(update={"variants": [outside.variant, inside.variant]}))
        if item.document.framework.slug == "flask-socketio"
        else item
        for item in run.frameworks
    ]
    changed = replace(found, tables=(table,), runs=(replace(run, frameworks=tuple(facts)),))
    (one,) = candidates(changed, capacities(dataset.runs), {}, {"flask-socketio": "Flask-SocketIO"}, ["flask-socketio"])
    assert "django" in one.stacks
    assert [load.variant for load in one.loads[""]] == [cheapest.variant.slug]
    assert [load.variant for load in one.loads["django"]] == [inside.variant.slug]
    assert one.searched[""] is not None
    assert one.searched["django"] is None or one.searched["django"].variant == inside.variant.slug


def test_where_rooms_must_span_processes_only_variants_whose_rooms_do_count(dataset: Dataset) -> None:
    """As python-socketio, whose rooms span processes with Redis, but not in its Django application."""
    evidence = dataset.newest_evidence["flask-socketio"]
    rows = list(compare(dataset.runs).of_workload("dashboard")[0].valid_rows)
    ours = sorted(
        (row for row in rows if row.framework.slug == "flask-socketio"),
        key=lambda row: row.figures["cpu_percent"].summary.mean,
    )
    cheapest, dearest = ours[0].variant.slug, ours[-1].variant.slug

    def with_spans(spans: dict[str, bool]) -> Evidence:
        template = next(finding for _, finding in evidence.findings_of("cross-process"))
        variants = [
            one.model_copy(update={"findings": [template.model_copy(update={"value": spans[one.variant.slug]})]})
            for one in evidence.document.variants
            if one.variant.slug in spans
        ]
        return replace(evidence, document=evidence.document.model_copy(update={"variants": variants}))

    def found(spans: dict[str, bool]) -> Candidate:
        known = {"flask-socketio": with_spans(spans)}
        (one,) = candidates(compare(dataset.runs), (), known, {"flask-socketio": "Title"}, ["flask-socketio"])
        return one

    able = found({cheapest: False, dearest: True})
    assert able.spanning[""] is True
    assert next(load.variant for load in able.loads[""]) == cheapest
    assert next(load.variant for load in able.loads[SPANNING]) == dearest
    assert found({cheapest: False, dearest: False}).spanning[""] is False
    assert found({}).spanning[""] is None


def test_what_is_not_known_is_not_made_up(dataset: Dataset) -> None:
    titles = dict.fromkeys(COMPETING, "Title")
    assert candidates(None, (), {}, titles, COMPETING) == []
    only = candidates(None, (), dataset.newest_evidence, titles, COMPETING)
    assert all(set(one.loads.values()) == {()} and one.limit_ms is None for one in only)
    measured = candidates(compare(dataset.runs), (), {}, titles, COMPETING)
    assert all(one.polling is None and one.plain is None and one.spans is None for one in measured)


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
