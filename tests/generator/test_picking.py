"""What a choice rests on."""

from __future__ import annotations

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
        assert one.load is not None
        assert (one.load.users, one.load.updates_per_s) == (100, 1)
        assert one.load.interval is not None
        assert one.load.interval[0] <= one.load.cpu_percent <= one.load.interval[1]
        assert one.load.raw.endswith(f"/{one.slug}.yml")
        assert one.polling is not None
        assert one.to_json()["slug"] == one.slug
    fastapi = found[1]
    assert fastapi.searched is not None
    assert fastapi.searched.withstands is not None
    assert fastapi.searched.breaks is not None
    assert fastapi.searched.withstands < fastapi.searched.breaks
    assert fastapi.searched.raw.endswith("/fastapi.yml")
    assert fastapi.searched.anchor == "capacity-users"


def test_what_is_not_known_is_not_made_up(dataset: Dataset) -> None:
    titles = dict.fromkeys(COMPETING, "Title")
    assert candidates(None, (), {}, titles, COMPETING) == []
    only = candidates(None, (), dataset.newest_evidence, titles, COMPETING)
    assert all(one.load is None and one.searched is None for one in only)
    measured = candidates(compare(dataset.runs), (), {}, titles, COMPETING)
    assert all(one.polling is None and one.plain is None and one.spans is None for one in measured)
