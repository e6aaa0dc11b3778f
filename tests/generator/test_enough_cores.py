"""A server with fewer cores than its scenario needs takes no part in a comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.comparison import compare_runs
from generator.comparison.enough_cores import cores_given, cores_needed, with_enough_cores
from generator.dataset import Run, load_results
from runners.record import Pinning


@pytest.fixture(scope="module")
def run(results: Path) -> Run:
    """A run with one of two logical CPUs for the server."""
    return load_results(results).runs[0]


def scaled_out(run: Run, workers: int) -> Run:
    """The run, of which every cell needs this many processes."""
    frameworks = []
    for item in run.frameworks:
        cells = [
            cell.model_copy(update={"parameters": {**cell.parameters, "workers": workers}})
            for cell in item.document.cells
        ]
        frameworks.append(replace(item, document=item.document.model_copy(update={"cells": cells})))
    return replace(run, frameworks=tuple(frameworks))


def test_without_the_cores_there_is_no_comparison_but_the_reason(run: Run) -> None:
    (table, *_) = compare_runs([scaled_out(run, 4)]).tables
    assert table.rows
    assert {row.status for row in table.rows} <= {"invalid", "failed"}
    assert table.deciding == ()
    reasons = {reason for row in table.rows if row.status == "invalid" for reason, _ in row.reasons}
    assert "needs a larger machine: 4 cores for the server, which had 1" in reasons
    assert all(row.values for row in table.rows if row.status == "invalid"), "the values remain, marked as invalid"
    (enough, *_) = compare_runs([scaled_out(run, 1)]).tables
    assert enough.deciding
    assert {row.status for row in enough.rows} >= {"valid"}


def test_what_parameters_say_about_cores() -> None:
    assert cores_needed({"users": 1000, "cores_at_most": 4}) == 4
    assert cores_needed({"workers": 2, "members": 100}) == 2
    assert cores_needed({"members": 100}) == 1


@given(
    cpus=st.integers(1, 64), threads=st.sampled_from([1, 2]), cores=st.integers(1, 8), physical_is_known=st.booleans()
)
def test_logical_cpus_of_one_core_are_one(
    run: Run, cpus: int, threads: int, cores: int, physical_is_known: bool
) -> None:
    machine = run.document.machine.model_copy(
        update={"logical_cpus": cpus * threads, "physical_cores": cpus if physical_is_known else None}
    )
    server = list(range(cores * (threads if physical_is_known else 1)))
    pinning = Pinning(server=server, generator=[], harness=[])
    pinned = replace(run, document=run.document.model_copy(update={"machine": machine, "pinning": pinning}))
    assert cores_given(pinned) == cores
    cell = run.frameworks[0].document.cells[0]
    needing = cell.model_copy(update={"parameters": {"workers": cores}})
    assert with_enough_cores(pinned, needing) is needing
