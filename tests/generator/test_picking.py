"""What a choice rests on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generator.comparison import candidates, capacities, compare
from generator.dataset import Dataset, load_results
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
        (load,) = one.loads
        assert (load.workload, load.users, load.updates_per_s) == ("dashboard", 100, 1)
        assert load.interval is not None
        assert load.interval[0] <= load.cpu_percent <= load.interval[1]
        assert load.late_ms is not None
        assert load.late_percentile in (50, 90, 99)
        assert load.raw.endswith(f"/{one.slug}.yml")
        assert one.polling is not None
        assert one.to_json()["slug"] == one.slug
    fastapi = found[1]
    assert fastapi.searched is not None
    assert fastapi.searched.withstands is not None
    assert fastapi.searched.breaks is not None
    assert fastapi.searched.withstands < fastapi.searched.breaks
    assert fastapi.searched.raw.endswith("/fastapi.yml")
    assert fastapi.searched.anchor == "capacity-users"


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
        assert [(load.workload, load.users) for load in one.loads] == [("dashboard", 100), ("crowd", 1000)]


def test_what_is_not_known_is_not_made_up(dataset: Dataset) -> None:
    titles = dict.fromkeys(COMPETING, "Title")
    assert candidates(None, (), {}, titles, COMPETING) == []
    only = candidates(None, (), dataset.newest_evidence, titles, COMPETING)
    assert all(one.loads == () and one.searched is None for one in only)
    measured = candidates(compare(dataset.runs), (), {}, titles, COMPETING)
    assert all(one.polling is None and one.plain is None and one.spans is None for one in measured)
