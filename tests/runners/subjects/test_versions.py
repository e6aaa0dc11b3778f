"""The version of a workload changes with its definition, and published versions are frozen."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from runners.judging import capacity
from runners.loadgen.job import Departures, StreamRequest, Visits
from runners.loadgen.pace import Closed, Open
from runners.subjects import versions
from runners.subjects.scenarios import CapacityTarget, Scenario, SecondLoad, Share
from runners.subjects.versions import PUBLISHED, PublishedVersion
from runners.subjects.workloads import CAPACITY, ECHO, WORKLOADS

ROOT = Path(__file__).parents[3]


def test_published_workloads_are_defined_as_they_were() -> None:
    problems = [versions.problem_with(slug, workload.definition) for slug, workload in WORKLOADS.items()]
    assert [problem for problem in problems if problem] == []
    assert {slug: WORKLOADS[slug].version for slug in PUBLISHED} == {
        slug: published.version for slug, published in PUBLISHED.items()
    }


def published_in_results() -> dict[str, set[str]]:
    """The versions of each workload that results are committed under."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "results").glob("*/*/*.yml"):
        for slug, version in re.findall(r"\bworkload: (\S+)\s+workload_version: '?(\w+)", path.read_text()):
            found[slug].add(version)
    return found


def test_results_stay_comparable_with_the_workloads_of_today() -> None:
    """A workload whose results are committed keeps one of their versions, unless its row says otherwise."""
    for slug, published in published_in_results().items():
        if slug in WORKLOADS and slug not in PUBLISHED:
            assert WORKLOADS[slug].version in published, (
                f"results of {slug} are committed under {sorted(published)}, but its definition has changed since;"
                f" add its row to PUBLISHED in runners/subjects/versions.py"
            )


def test_a_frozen_version_is_one_of_the_committed_results() -> None:
    """Unless the definition has changed and nothing is measured under it yet: the version is then its digest."""
    found = published_in_results()
    for slug, row in PUBLISHED.items():
        assert row.version in found[slug] or row.version == row.definition, slug


def test_the_committed_results_are_found() -> None:
    assert published_in_results().keys() == PUBLISHED.keys()


def test_a_changed_definition_is_one_sentence_that_gives_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(ECHO, edition=7)
    digest = versions.digest_of(changed.definition)
    assert changed.version == digest, "it does not pass for what is published"
    problem = versions.problem_with("echo", changed.definition)
    assert problem is not None
    assert problem.startswith("the definition of echo has changed: ")
    assert f'PublishedVersion("{ECHO.version}", "{digest}")' in problem
    assert f'PublishedVersion("{digest}", "{digest}")' in problem
    before = ECHO.version
    monkeypatch.setitem(PUBLISHED, "echo", PublishedVersion(before, digest))
    assert (changed.version, versions.problem_with("echo", changed.definition)) == (before, None)


def test_a_new_workload_needs_no_row() -> None:
    new = replace(ECHO, slug="new")
    assert new.version == versions.digest_of(new.definition)
    assert versions.problem_with("new", new.definition) is None


def test_wording_and_profiles_are_no_part_of_a_definition() -> None:
    assert replace(ECHO, title="x", question="x", description="x", only=frozenset({"open"})).version == ECHO.version
    scenarios = tuple(
        replace(one, name="x", profiles=frozenset(), further_checks=frozenset()) for one in ECHO.scenarios
    )
    assert replace(ECHO, scenarios=scenarios).definition == ECHO.definition


DIFFERENT: dict[str, Any] = {
    "exchange": "dashboard",
    "connections": 7,
    "pace": Closed(2),
    "publishes": ("mode",),
    "payload_bytes": 65,
    "payload_kind": "binary",
    "transport": "polling",
    "push_period_s": 1.0,
    "server_cores": 2,
    "workers": 2,
    "slice_s": 0.5,
    "steps": (1, 2),
    "at_once": 8,
    "hold_s": 1.0,
    "is_deploy": True,
    "retries": "fixed",
    "outage_s": 1.0,
    "stream": StreamRequest(chunks=10, chunks_per_s=5.0),
    "rooms": 2,
    "departures": Departures("reset", every_s=10.0, away_s=1.0),
    "visits": Visits(per_s=1.0, stay_s=1.0),
    "second": SecondLoad("work", connections=1, rate_per_s=1.0),
    "paused_readers": 1,
    "publisher": "process",
    "target": CapacityTarget("users", capacity.Settings(start=2, lowest=1, highest=3)),
}
WITHOUT_EFFECT = {
    "soak_s",
    "varies_workers",
    "further_checks",
    "name",
    "profiles",
    "push_percentiles_in",
    "python",
    "topology",
}


def test_every_field_of_a_scenario_either_defines_it_or_does_not() -> None:
    assert {one.name for one in fields(Scenario)} == set(DIFFERENT) | WITHOUT_EFFECT | {"share"}
    shares = [replace(one, share=Share(percent, "rate")) for one in ECHO.scenarios[1:] for percent in (20, 50)]
    assert len({versions.digest_of(one.definition()) for one in (ECHO.scenarios[1], *shares)}) == 3


@pytest.mark.parametrize("name", DIFFERENT)
def test_the_version_changes_with_what_is_measured(name: str) -> None:
    first, *others = ECHO.scenarios
    changed = replace(ECHO, scenarios=(replace(first, **{name: DIFFERENT[name]}), *others))
    assert changed.version != ECHO.version


def test_the_version_does_not_change_with_what_a_run_varies() -> None:
    scenarios = tuple(replace(one, python="3.13", topology="nginx") for one in ECHO.scenarios)
    assert replace(ECHO, scenarios=scenarios).version == ECHO.version


def test_the_version_changes_with_the_list_of_scenarios_and_the_edition() -> None:
    others = [replace(ECHO, scenarios=ECHO.scenarios[:1]), replace(ECHO, edition=8), replace(ECHO, edition=9)]
    paced = replace(ECHO.scenarios[1], pace=Open(1000.0, "poisson"))
    others.append(replace(ECHO, scenarios=(ECHO.scenarios[0], paced)))
    assert len({workload.version for workload in (ECHO, *others)}) == len(others) + 1


def test_how_a_capacity_is_searched_is_part_of_the_definition() -> None:
    scenario = CAPACITY.scenarios[0]
    assert scenario.target is not None
    finer = replace(scenario.target, settings=replace(scenario.target.settings, tries=6))
    found = {
        replace(CAPACITY, scenarios=(changed,)).version
        for changed in (scenario, replace(scenario, target=None, publishes=()), replace(scenario, target=finer))
    }
    assert len(found) == 3


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert versions.digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == versions.digest_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert re.fullmatch("[0-9a-f]{12}", versions.digest_of({}))
