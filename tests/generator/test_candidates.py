"""The facts by which readers choose a framework."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import synthetic
from generator.comparison import capacity_tables, compare_runs, find_candidates
from generator.comparison.candidates import Candidate, module_of
from generator.dataset import Dataset, load_results

COMPETING = ["django-channels", "fastapi", "flask-socketio"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write(folder, rounds=3, seconds=1)
    synthetic.write_evidence(folder)
    return load_results(folder)


def test_each_competitor_once_with_what_is_known(dataset: Dataset) -> None:
    titles = dict.fromkeys(COMPETING, "Title")
    found = find_candidates(
        compare_runs(dataset.runs), capacity_tables(dataset.runs), dataset.newest_evidence, titles, COMPETING
    )
    assert [one.slug for one in found] == COMPETING
    for one in found:
        ((_, load),) = one.cheapest.values()
        assert (load.workload, load.users, load.updates_per_s) == ("dashboard", 100, 1)
        assert load.interval is not None
        assert load.interval[0] <= load.cpu_percent <= load.interval[1]
        assert load.late_ms is not None
        assert load.late_percentile in (50, 90, 99)
        assert load.raw.endswith(f"/{one.slug}.yml")
        assert one.can("polling") is not None
        assert load.cores == 1
        assert one.to_json()["slug"] == one.slug
    assert found[1].largest is not None
    _, searched = found[1].largest
    assert searched.sustains is not None
    assert searched.fails_at is not None
    assert searched.sustains < searched.fails_at
    assert searched.raw.endswith("/fastapi.yml")
    assert searched.anchor == "capacity-users"
    assert found[1].limit_ms == 20


def test_every_dashboard_that_was_measured_counts_by_its_users(dataset: Dataset) -> None:
    found = compare_runs(dataset.runs)
    (dashboard,) = found.of_workload("dashboard")
    crowd = replace(
        dashboard,
        workload=dashboard.workload.model_copy(update={"slug": "crowd"}),
        parameters={**dashboard.parameters, "users": 1000},
    )
    both = replace(found, tables=(crowd, *found.tables))
    for one in find_candidates(both, (), {}, dict.fromkeys(COMPETING, "Title"), COMPETING):
        assert [(load.workload, load.users) for _, load in one.cheapest.values()] == [
            ("dashboard", 100),
            ("crowd", 1000),
        ]


def test_for_a_stack_only_its_variants_count(dataset: Dataset) -> None:
    """As python-socketio, of whose variants one is a Django application, and not the cheapest."""
    found = compare_runs(dataset.runs)
    (dashboard,) = found.of_workload("dashboard")
    rows = [row for row in dashboard.valid_rows if row.framework.slug == "flask-socketio"]
    assert len(rows) > 1
    cheapest, *_, dearest = sorted(rows, key=lambda row: row.values["cpu_percent"].estimate.mean)
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
    (one,) = find_candidates(
        changed, capacity_tables(dataset.runs), {}, {"flask-socketio": "Flask-SocketIO"}, ["flask-socketio"]
    )
    assert "django" in one.stacks
    assert one.cheapest[100][0].slug == cheapest.variant.slug
    assert [variant.slug for variant in one.variants if "django" in variant.stacks] == [inside.variant.slug]


def test_what_a_framework_can_one_of_its_variants_can(dataset: Dataset) -> None:
    """As python-socketio, whose rooms span processes with Redis, but not in its Django application."""
    evidence = dataset.newest_evidence["flask-socketio"]
    template = next(finding for _, finding in evidence.findings_of("cross-process"))
    slugs = [one.variant.slug for one in evidence.document.variants]

    def found(*spans: bool | None) -> Candidate:
        """With this said of the first variants, and nothing of the others."""
        said = {slug: [template.model_copy(update={"value": value})] for slug, value in zip(slugs, spans, strict=False)}
        variants = [
            one.model_copy(update={"findings": said.get(one.variant.slug, [])}) for one in evidence.document.variants
        ]
        changed = replace(evidence, document=evidence.document.model_copy(update={"variants": variants}))
        known = {"flask-socketio": changed}
        (one,) = find_candidates(compare_runs(dataset.runs), (), known, {"flask-socketio": "Title"}, ["flask-socketio"])
        return one

    assert {one.slug: one.spans for one in found(False, True).variants}[slugs[0]] is False
    assert {one.slug: one.spans for one in found(False, True).variants}[slugs[1]] is True
    assert found(False, True).can("spans") is True
    assert found(False, False).can("spans") is False
    assert found(False, None).can("spans") is False
    assert found(None).can("spans") is None
    assert found().can("spans") is None


def test_what_is_not_known_is_not_made_up(dataset: Dataset) -> None:
    titles = dict.fromkeys(COMPETING, "Title")
    assert find_candidates(compare_runs(()), (), {}, titles, COMPETING) == []
    only = find_candidates(compare_runs(()), (), dataset.newest_evidence, titles, COMPETING)
    assert all(not one.cheapest and one.largest is None and one.limit_ms is None for one in only)
    measured = find_candidates(compare_runs(dataset.runs), (), {}, titles, COMPETING)
    assert all(one.can(need) is None for one in measured for need in ("polling", "plain", "spans"))


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
