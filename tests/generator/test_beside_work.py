"""Tables of a load beside another one say whose latency they have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from generator.comparison import LATENCY, compare_runs
from generator.dataset import Dataset, load_results
from generator.pages import make_site
from runners.record.schema import Parameter


def beside(dataset: Dataset, **parameters: Parameter) -> Dataset:
    """The results, of which every open loop was beside another load."""
    run = dataset.runs[-1]
    frameworks = []
    for item in run.frameworks:
        cells = [
            cell.model_copy(update={"parameters": {**cell.parameters, **parameters}})
            if cell.parameters.get("mode") == "open"
            else cell
            for cell in item.document.cells
        ]
        frameworks.append(replace(item, document=item.document.model_copy(update={"cells": cells})))
    return replace(dataset, runs=(*dataset.runs[:-1], replace(run, frameworks=tuple(frameworks))))


@pytest.mark.parametrize(("work", "is_said"), [("work", True), ("work-inline", True), ("echo", False)])
def test_the_page_says_whose_latency_it_is_and_what_lets_others_run(results: Path, work: str, is_said: bool) -> None:
    found = beside(load_results(results), work=work)
    page = {one.path: one.text() for one in make_site(found, {}).pages}["tests/echo.md"]
    assert "Latency of the others p50" in page
    assert "beside those of the second load" in page
    assert ("Where gevent or eventlet replace it" in page) == is_said


def test_other_tables_say_nothing_of_work(results: Path) -> None:
    page = {one.path: one.text() for one in make_site(load_results(results), {}).pages}["tests/echo.md"]
    assert "need no work" not in page
    assert "second load" not in page


def test_charts_name_it_too(results: Path) -> None:
    run = beside(load_results(results), work="work").runs[-1]
    (table,) = (one for one in compare_runs([run]).tables if one.is_beside_work and one.workload.slug == "echo")
    assert table.name_in_charts(LATENCY) == "latency of the others"
