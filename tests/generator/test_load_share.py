"""Loads at a share of a capacity: what decides in their tables, and what pages say about their rates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator.comparison import METRICS, CapacityTable, Table, capacity_tables, columns_of, compare_runs
from generator.dataset import Run, load_results
from generator.pages import make_site
from runners.record import (
    CellRecord,
    FrameworkDocument,
    LoadShare,
    Measurement,
    cell_key,
    load_framework,
    load_run,
    problems_in,
    save,
    share_of_capacity,
)
from runners.subjects.workloads import LOAD

CAPACITY = {"reference": 90_000, "fastapi": 12_000, "websockets": 30_000}
SHARE = next(one for one in LOAD.scenarios if one.kind == "echo-50")
VARIANTS = tuple(made for made in synthetic.VARIANTS if made.framework in CAPACITY)


def at_half(framework: str, one: Measurement) -> Measurement:
    """The measurement, as if its rate was half of the framework's capacity."""
    capacity = CAPACITY[framework]
    rate = share_of_capacity(50, capacity)
    load = LoadShare(
        rate_per_s=rate, capacity_per_s=capacity, low_per_s=capacity - 1000, high_per_s=capacity + 1000, searches=2
    )
    return one.model_copy(update={"load_share": load, "offered_per_s": float(rate), "messages_per_s": float(rate)})


def moved(document: FrameworkDocument) -> FrameworkDocument:
    """The document with a cell of the workload for each of its echoes at a fixed rate."""
    cells: list[CellRecord] = [
        cell.model_copy(
            update={
                "workload": LOAD.slug,
                "workload_version": LOAD.version,
                "parameters": SHARE.parameters,
                "measurements": [at_half(document.framework.slug, one) for one in cell.measurements],
            }
        )
        for cell in document.cells
        if "rate_per_s" in cell.parameters
    ]
    return document.model_copy(update={"cells": [*document.cells, *cells]})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("shares") / "results"
    run = synthetic.write(results, rounds=6, seconds=1, variants=VARIANTS, seed=1)
    documents = {path: moved(load_framework(path)) for path in sorted(run.glob("*.yml")) if path.name != "run.yml"}
    for path, document in documents.items():
        save(document, path)
    planned = load_run(run / "run.yml")
    keys = [
        cell_key(document.framework.slug, cell.variant, cell.workload, cell.parameters)
        for document in documents.values()
        for cell in document.cells
    ]
    rounds = [list(range(len(keys))) for _ in planned.order]
    facts = [*planned.workloads, LOAD.facts()]
    changes = {"cells": keys, "order": rounds, "workloads": facts, "workload_rounds": {}}
    save(planned.model_copy(update=changes), run / "run.yml")
    return results


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    (run,) = load_results(folder).runs
    return run


@pytest.fixture(scope="module")
def table(run: Run) -> Table:
    (table,) = (one for one in compare_runs([run]).tables if one.workload.slug == LOAD.slug)
    return table


def test_latency_decides_and_neither_the_rate_nor_its_cost(table: Table) -> None:
    assert table.kind == "share"
    assert {metric.family.slug for metric in table.deciding if metric.family} == {"latency"}
    assert all(metric.family for metric in table.deciding)
    shown = {metric.key for metric in table.columns}
    assert "applied_per_s" in shown
    assert not shown & {"cpu_percent", "cpu_us_per_message", "messages_per_s"}
    assert table.kind not in METRICS["cpu_us_per_message"].further_chart_in


def test_the_rate_and_its_capacity_are_beside_each_latency(table: Table) -> None:
    (column,) = (one for one in columns_of(table) if one.title == "Its capacity")
    rows = {row.framework.slug: row for row in table.rows}
    assert rows["fastapi"].values["applied_per_s"].estimate.mean == pytest.approx(6_000)
    assert column.cells[rows["fastapi"].key] == "12,000 (11,000 to 13,000)"
    assert column.keys[rows["fastapi"].key][0] == 12_000, "thousands do not part a number"


def test_the_page_says_that_rates_differ(folder: Path) -> None:
    pages = {page.path: page.text() for page in make_site(load_results(folder), {}).pages}
    text = pages[f"tests/{LOAD.slug}.md"]
    assert "Rates differ, so this shows how long messages take at the same relative load" in text
    assert "at 50 % of its capacity" in text


def test_two_searches_of_a_workload_have_tables_of_their_own(run: Run) -> None:
    tables: tuple[CapacityTable, ...] = capacity_tables([run])
    (rate,) = (one for one in tables if one.parameters["search"] == "rate")
    slugs = {
        replace(rate, parameters=one.parameters, workload=LOAD.facts()).slug
        for one in LOAD.scenarios
        if one.target is not None
    }
    assert slugs == {"load-rate", "load-room-rate"}


def test_these_results_are_valid(folder: Path) -> None:
    assert not [problem for path in folder.glob("*/*/*.yml") for problem in problems_in(path)]
