"""Several machines with the same plan: each is one repeat, and ratios are computed within it."""

from __future__ import annotations

from pathlib import Path
from statistics import geometric_mean

import pytest

from benchmarks import synthetic
from generator.comparison import Comparison, compare_runs
from generator.dataset import Dataset, load_results
from generator.pages import make_site
from generator.statistics import Stage
from runners.record import Histogram
from tests.support.advising import as_adaptive

VARIANTS = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "gevent", "threading"})


def write(
    folder: Path, blocks: int, *, cpu: str = "AMD EPYC 7B13", variants: tuple[synthetic.Made, ...] = VARIANTS
) -> None:
    for number in range(1, blocks + 1):
        synthetic.write(
            folder, rounds=3, seconds=1, run=f"block-{number}-{cpu[-1].lower()}", seed=number, searches=False,
            started=f"2026-11-20T09:0{number}:00Z", cpu=cpu, variants=variants,
        )  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("blocks")
    write(folder, 3)
    return load_results(folder)


@pytest.fixture(scope="module")
def together(dataset: Dataset) -> Comparison:
    return compare_runs(dataset.headline)


def test_each_block_is_one_value(dataset: Dataset, together: Comparison) -> None:
    singles = {run.document.id: compare_runs([run]) for run in dataset.runs}
    for table in together.tables:
        assert len(table.blocks) == 3
        assert table.repeat == "machine"
        for row in table.valid_rows:
            for key, figure in row.values.items():
                expected = []
                for run in table.blocks:
                    (own,) = (one for one in singles[run.document.id].tables if one.slug == table.slug)
                    (same,) = (one for one in own.rows if one.key == row.key)
                    if same.status == "valid" and key in same.values:
                        expected.append(geometric_mean(same.values[key].rounds.values()))
                assert sorted(figure.rounds.values()) == pytest.approx(sorted(expected))
                assert figure.estimate.rounds == len(expected)


def test_a_row_is_as_far_as_in_the_block_that_measured_it_furthest(dataset: Dataset) -> None:
    """Two blocks looked repeatedly; in one of them a row has more rounds."""
    first, second, third = dataset.headline
    table = compare_runs([as_adaptive(first), as_adaptive(second), third]).tables[0]
    assert {row.stage for row in table.rows} == {Stage(5, 3)}
    found = table.judged(table.metrics[0], *table.valid_rows[:2]).contrast
    assert found is not None
    assert found.stage == Stage(5, 3)


def test_ratios_are_of_one_block_each(together: Comparison) -> None:
    table = next(table for table in together.of_workload("echo") if not table.is_open)
    (reference,) = (row for row in table.rows if row.framework.is_reference)
    (row,) = (row for row in table.rows if row.framework.slug == "fastapi")
    key = "messages_per_s"
    ratios = [row.values[key].rounds[number] / reference.values[key].rounds[number] for number in (1, 2, 3)]
    relation = row.values[key].to_reference
    assert relation is not None
    assert relation.value == pytest.approx(geometric_mean(ratios))
    assert relation.rounds == 3


def test_counts_and_distributions_are_of_all_blocks(dataset: Dataset, together: Comparison) -> None:
    for table in together.tables:
        for row in table.rows:
            assert row.rounds == 9
    table = next(table for table in together.of_workload("echo") if table.is_open)
    (row,) = (row for row in table.rows if row.framework.slug == "fastapi")
    totals = [
        Histogram.decode(cell.latency.histogram).total
        for run in dataset.runs
        for item in run.frameworks
        if item.document.framework.slug == "fastapi"
        for cell in item.document.cells
        if cell.parameters == row.cell.parameters and cell.latency is not None
    ]
    assert row.cell.latency is not None
    assert row.cell.latency.percentiles_ms.count == sum(totals)


def test_the_pages_say_so_and_link_every_block(dataset: Dataset) -> None:
    page = next(page.text() for page in make_site(dataset, {}).pages if page.path == "tests/echo.md")
    assert "the runs are the repeats" in page
    for number in (1, 2, 3):
        assert f"runs/2026-11-20--block-{number}-3.html" in page


def test_machines_of_another_kind_are_not_mixed_in(tmp_path: Path) -> None:
    write(tmp_path, 2)
    write(tmp_path, 1, cpu="Another CPU")
    published = load_results(tmp_path).published
    assert sorted(len(runs) for runs in published) == [1, 2]
    for runs in published:
        for table in compare_runs(runs).tables:
            assert len(table.runs) == len(runs)


def test_a_run_of_fewer_variants_is_no_block(tmp_path: Path) -> None:
    write(tmp_path, 2)
    synthetic.write(
        tmp_path, rounds=3, seconds=1, run="few", started="2026-11-20T10:00:00Z", variants=VARIANTS[:2], searches=False
    )
    dataset = load_results(tmp_path)
    for table in compare_runs(dataset.headline).tables:
        assert [run.document.id for run in table.runs] == ["block-2-3", "block-1-3"]
