"""What worked before and now fails or is missing, and which machine class leads."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.comparison.absences import Absence, find_absences, follow_absences
from generator.dataset import Definition, FrameworkResult, Run
from generator.dataset.results import Dataset
from runners.record import CellRecord, Failure, cell_key
from tests.support.documents import framework_document, run_document

NAMES = ("alpha", "beta", "gamma", "delta")


def run(
    campaign: str, day: int, names: tuple[str, ...], failing: str = "", cpu: str = "A", finished: bool = True
) -> Run:
    """A run that measured one cell of each framework."""
    own, results, keys = run_document(), [], []
    for name in names:
        document = framework_document()
        facts = document.framework.model_copy(update={"slug": name})
        version = {one.slug: one.version for one in own.workloads}[document.cells[0].workload]
        cell: CellRecord = document.cells[0].model_copy(update={"workload_version": version})
        if name == failing:
            failure = Failure.model_construct(stage="load", reason="the server ended", log=[])
            broken = cell.measurements[0].model_copy(update={"valid": False, "failure": failure})
            cell = cell.model_copy(update={"measurements": [broken]})
        document = document.model_copy(update={"framework": facts, "cells": [cell], "campaign": campaign})
        results.append(FrameworkResult(Path(f"{name}.yml"), document))
        keys.append(cell_key(name, cell.variant, cell.workload, cell.parameters))
    start = f"2026-11-{day:02d}T00:00:00Z"
    more = {
        "campaign": campaign, "id": f"{campaign}-{cpu}", "started": start, "finished": start if finished else None,
        "cells": keys, "machine": own.machine.model_copy(update={"cpu_model": cpu}),
    }  # fmt: skip
    return Run(Path("run.yml"), own.model_copy(update=more), tuple(results))


def told(found: tuple[Absence, ...]) -> list[tuple[str, str, str]]:
    return [(one.run.document.campaign, one.framework, one.state) for one in found]


def test_two_runs() -> None:
    base, head = run("c1", 1, NAMES[:3]), run("c2", 2, NAMES[:2], failing="alpha")
    assert told(find_absences(base, head)) == [("c2", "alpha", "failed"), ("c2", "gamma", "gone")]
    assert find_absences(head, base) == find_absences(base, base) == ()


def test_an_absence_is_listed_once_and_again_after_it_worked() -> None:
    runs = [
        run("c1", 1, NAMES),
        run("c2", 2, NAMES, failing="beta"),
        run("c3", 3, NAMES, failing="beta"),
        run("c4", 4, NAMES),
        run("c5", 5, NAMES[1:]),
    ]
    assert told(follow_absences(runs)) == [("c5", "alpha", "gone"), ("c2", "beta", "failed")]


@pytest.mark.parametrize("later", [run("c2", 2, NAMES[:1]), run("c2", 2, (), finished=False)], ids=["part", "open"])
def test_a_small_campaign_says_nothing_of_the_others(later: Run) -> None:
    assert follow_absences([run("c1", 1, NAMES), later]) == ()


def test_a_failure_on_another_machine_is_one() -> None:
    assert told(follow_absences([run("c1", 1, NAMES), run("c2", 2, NAMES, failing="alpha", cpu="B")])) == [
        ("c2", "alpha", "failed")
    ]


@pytest.mark.parametrize(
    ("runs", "leads"),
    [
        ([run("c1", 1, NAMES), run("c1", 2, NAMES[:1], cpu="B")], "A"),
        ([run("c1", 1, NAMES), run("c1", 2, NAMES, cpu="B")], "B"),
        ([run("c1", 1, NAMES), run("c2", 2, NAMES[:2], cpu="B")], "B"),
        ([run("c1", 1, NAMES), run("c2", 2, NAMES[:1], cpu="B")], "A"),
        ([run("c1", 1, NAMES), run("c2", 2, NAMES, cpu="B", finished=False)], "A"),
    ],
    ids=["most cells", "a tie", "newest campaign", "too few variants", "unfinished"],
)
def test_the_class_that_answers_most_leads(runs: list[Run], leads: str) -> None:
    shown = Dataset(tuple(reversed(runs))).headline
    assert {one.document.machine.cpu_model for one in shown} == {leads}


def _planned(day: int, version: str, *variants: str, modes: tuple[str, ...] = ("open",)) -> Run:
    """A run of a scenario per mode, by this definition of their workload."""
    own = run_document()
    (workload, *_) = own.workloads
    start = f"2026-11-{day:02d}T00:00:00Z"
    more = {
        "campaign": f"c{day}", "id": f"c{day}", "started": start, "finished": start,
        "cells": [f"{variant} {workload.slug} mode={mode}" for variant in variants for mode in modes],
        "workloads": [workload.model_copy(update={"version": version})],
    }  # fmt: skip
    return Run(Path("run.yml"), own.model_copy(update=more), ())


SETUPS = ("alpha/a", "alpha/b", "alpha/c", "beta/a", "beta/b", "gamma/a", "delta/a")
HEADLINES = ("alpha/a", "beta/a", "gamma/a", "delta/a")


@pytest.mark.parametrize(
    ("runs", "shown"),
    [
        ([_planned(1, "old", *SETUPS), _planned(2, "new", *HEADLINES)], "c2"),
        ([_planned(1, "old", *SETUPS), _planned(2, "new", *HEADLINES[:2])], "c2"),
        ([_planned(1, "old", *SETUPS), _planned(2, "new", HEADLINES[0])], "c1"),
        ([_planned(1, "new", *SETUPS), _planned(2, "new", *HEADLINES[:3])], "c1"),
        ([_planned(1, "new", *SETUPS), _planned(2, "new", *HEADLINES)], "c2"),
        ([_planned(1, "new", "beta/a", *(f"alpha/{n}" for n in range(9))), _planned(2, "new", *HEADLINES)], "c1"),
    ],
    ids=["all headlines", "half of them", "too few", "too few variants", "half of the variants", "neither has both"],
)
def test_the_newest_definition_is_shown_once_it_covers_half_of_the_frameworks(runs: list[Run], shown: str) -> None:
    assert [one.document.id for one in Dataset(tuple(reversed(runs))).headline] == [shown]


OLD = _planned(1, "old", *SETUPS, modes=("open", "closed"))


@pytest.mark.parametrize(
    ("runs", "todays", "shown"),
    [
        ([OLD, _planned(2, "new", *HEADLINES)], ("open",), {"c2": {"open"}}),
        ([OLD, _planned(2, "new", *HEADLINES)], ("open", "closed"), {"c2": {"open"}, "c1": {"closed"}}),
        ([OLD, _planned(2, "new", HEADLINES[0])], ("open",), {"c1": {"open", "closed"}}),
        ([OLD], ("open",), {"c1": {"open", "closed"}}),
        ([OLD, _planned(2, "new", *HEADLINES)], (), {"c2": {"open"}, "c1": {"closed"}}),
    ],
    ids=["given up", "not measured again", "too few", "nothing by today's definition", "no definition known"],
)
def test_a_scenario_that_was_given_up_is_shown_until_todays_are_measured(
    runs: list[Run], todays: tuple[str, ...], shown: dict[str, set[str]]
) -> None:
    slug = OLD.document.workloads[0].slug
    definitions = {slug: Definition("new", frozenset(f"{slug} mode={mode}" for mode in todays))}
    found = Dataset(tuple(reversed(runs)), definitions=definitions).headline
    assert {one.document.id: {name.rpartition("=")[2] for name in one.scenarios} for one in found} == shown
