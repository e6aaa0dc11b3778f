"""A row is related to the reference of its own seconds, where results have it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from generator.comparison import Table, compare_runs
from generator.dataset import Run, load_results
from runners.record import Measurement, ReferenceBeside


@pytest.fixture(scope="module")
def run(results: Path) -> Run:
    return load_results(results).runs[0]


def beside(run: Run, slug: str, round_number: int, p50: float) -> Run:
    """The run, in which a framework has another p50 of the reference beside it in one round."""

    def changed(one: Measurement) -> Measurement:
        if one.round != round_number or one.latency_ms is None:
            return one
        latency = one.latency_ms.model_copy(update={"p50": p50})
        return one.model_copy(update={"reference": ReferenceBeside(messages_per_s=1000.0, latency_ms=latency)})

    frameworks = []
    for item in run.frameworks:
        cells = [
            cell.model_copy(update={"measurements": [changed(one) for one in cell.measurements]})
            for cell in item.document.cells
            if item.document.framework.slug == slug
        ]
        frameworks.append(
            replace(item, document=item.document.model_copy(update={"cells": cells or item.document.cells}))
        )
    return replace(run, frameworks=tuple(frameworks))


def open_echo(*runs: Run) -> Table:
    return next(table for table in compare_runs(runs).tables if table.kind == "rate")


def test_a_round_is_paired_with_the_reference_of_its_own_seconds(run: Run) -> None:
    before, after = open_echo(run), open_echo(beside(run, "fastapi", 2, p50=0.5))
    for old, new in zip(before.rows, after.rows, strict=True):
        was, now = old.values["latency_p50"].reference, new.values["latency_p50"].reference
        if old.framework.is_reference:
            assert was is now is None
        elif old.framework.slug == "fastapi":
            assert was is not None
            assert now == {**was, 2: 0.5}
            assert new.values["cpu_percent"].reference == old.values["cpu_percent"].reference
        else:
            assert now == was
    narrowed = after.only({"fastapi"})
    assert narrowed.rows[0].values["latency_p50"].reference == {
        **(before.only({"fastapi"}).rows[0].values["latency_p50"].reference or {}),
        2: 0.5,
    }


def test_blocks_are_paired_by_their_means(run: Run) -> None:
    other = beside(run, "fastapi", 2, p50=0.5)
    again = replace(other, document=other.document.model_copy(update={"id": "again"}))
    pooled = open_echo(other, again)
    assert pooled.blocks
    fastapi = next(row for row in pooled.rows if row.framework.slug == "fastapi")
    assert all(one.reference is None for one in fastapi.cell.measurements)
    assert fastapi.values["latency_p50"].reference == next(
        row.values["latency_p50"].rounds for row in pooled.rows if row.framework.is_reference
    )
