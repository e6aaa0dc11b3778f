from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import synthetic
from generator.comparison import Change, compare_capacities, compare_cells, compare_runs, incomparable_reasons
from generator.comparison.metrics import MEMORY
from generator.comparison.run_changes import compare_values
from generator.dataset import Run, load_single
from generator.statistics import Stage, unpaired_contrast
from tests.support.advising import as_adaptive
from tests.support.commands import Shell

VARIANTS = tuple(made for made in synthetic.VARIANTS if made.headline or made.variant in {"picows", "daphne-redis"})
SLOWER = tuple(replace(made, rate=made.rate * 0.8) if made.framework == "fastapi" else made for made in VARIANTS)


def _find(found: tuple[Change, ...], framework: str, metric: str, mode: str) -> Change:
    return next(
        change
        for change in found
        if (change.framework, change.metric.key, change.parameters.get("mode")) == (framework, metric, mode)
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three runs of seven rounds: the second measures the same as the first, the third a slower framework."""
    folder = tmp_path_factory.mktemp("changes")
    return {
        "first": synthetic.write(folder, run="a", rounds=7, seconds=1, seed=1, variants=VARIANTS),
        "again": synthetic.write(folder, run="b", rounds=7, seconds=1, seed=2, variants=VARIANTS),
        "slower": synthetic.write(folder, run="c", rounds=7, seconds=1, seed=2, variants=SLOWER),
    }


@pytest.fixture(scope="module")
def runs(folders: dict[str, Path]) -> dict[str, Run]:
    return {name: load_single(folder) for name, folder in folders.items()}


def test_the_same_measured_twice_is_the_same(runs: dict[str, Run]) -> None:
    assert incomparable_reasons(runs["first"], runs["again"]) == []
    verdicts = {change.verdict for change in compare_cells(runs["first"], runs["again"])}
    assert verdicts <= {"same", "unknown"}


def test_a_ratio_to_the_reference_has_what_both_differ_by_between_runs(runs: dict[str, Run]) -> None:
    metric = replace(MEMORY, between_runs=0.1)

    def error(of_reference: bool) -> float:
        tables = [compare_runs([runs[name]], ranked=False).of_workload("echo")[0] for name in ("first", "again")]
        rows = [next(row for row in table.rows if row.framework.slug == "fastapi") for table in tables]
        references = [next(row for row in table.rows if row.framework.is_reference) for table in tables]
        found, is_relative = compare_values(metric, *rows, *(references if of_reference else (None, None)))
        assert is_relative is of_reference
        assert found.contrast is not None
        assert found.contrast.error is not None
        return found.contrast.error

    assert error(True) == pytest.approx(math.sqrt(2) * error(False), rel=0.02)


def test_what_got_slower_is_worse_and_the_way_back_better(runs: dict[str, Run]) -> None:
    base, head = runs["first"], runs["slower"]
    slower = _find(compare_cells(base, head), "fastapi", "messages_per_s", "closed")
    assert slower.verdict == "worse"
    assert slower.relative
    assert slower.ratio is not None
    assert slower.ratio.value == pytest.approx(0.8, rel=0.05)
    assert _find(compare_cells(head, base), "fastapi", "messages_per_s", "closed").verdict == "better"


def test_a_run_that_looked_repeatedly_needs_more_to_have_changed(runs: dict[str, Run]) -> None:
    base, head = runs["first"], as_adaptive(runs["slower"])
    once, again = (
        {change.metric.key: change for change in compare_cells(base, one) if change.framework == "fastapi"}
        for one in (runs["slower"], head)
    )
    for key, change in again.items():
        assert change.ratio is not None
        assert change.ratio.stage == Stage(5, 7)
        if change.direction is not None:
            assert once[key].direction == change.direction


def test_one_round_proves_nothing(tmp_path: Path) -> None:
    base = load_single(
        synthetic.write(tmp_path, run="a", seed=1, rounds=1, seconds=1, searches=False, variants=VARIANTS)
    )
    head = load_single(synthetic.write(tmp_path, run="b", seed=2, rounds=1, seconds=1, searches=False, variants=SLOWER))
    found = compare_cells(base, head)
    assert {(change.verdict, change.reason) for change in found} == {("unknown", "not enough data")}


def test_a_small_change_is_no_regression_but_is_reported_where_it_is_certain(tmp_path: Path) -> None:
    few = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "gevent"})
    little = tuple(replace(made, rate=made.rate * 0.95) if made.framework == "fastapi" else made for made in few)
    base, head = (
        load_single(
            synthetic.write(
                tmp_path, run=run, rounds=20, seconds=1, seed=seed, variants=variants, searches=False, only=("echo",)
            )
        )
        for run, seed, variants in (("a", 1, few), ("b", 2, little))
    )
    change = _find(compare_cells(base, head), "fastapi", "messages_per_s", "closed")
    assert (change.verdict, change.direction) == ("same", "worse")


def test_a_faster_machine_is_no_change_of_the_frameworks(runs: dict[str, Run], tmp_path: Path) -> None:
    faster = tuple(replace(made, rate=made.rate * 1.3) for made in VARIANTS)
    base = runs["first"]
    head = load_single(synthetic.write(tmp_path, run="b", rounds=7, seconds=1, seed=2, variants=faster, searches=False))
    assert _find(compare_cells(base, head), "fastapi", "messages_per_s", "closed").verdict == "same"
    assert _find(compare_cells(base, head), "reference", "messages_per_s", "closed").verdict == "better"


def test_the_command(shell: Shell, folders: dict[str, Path]) -> None:
    base, head = folders["first"], folders["slower"]
    finished = shell.rtsite("compare", base, head, "--json")
    assert finished.returncode == 5
    assert "got worse" in finished.stderr
    report = json.loads(finished.stdout)
    assert report["schema_version"] == 1
    row = next(row for row in report["rows"] if row["framework"] == "fastapi" and row["metric"] == "messages_per_s")
    assert row["low"] < row["ratio"] < row["high"] < 1
    assert (row["verdict"], row["direction"], row["reason"], row["scale"]) == ("worse", "worse", None, "ratio")
    same = next(row for row in report["rows"] if row["framework"] == "websockets" and row["metric"] == "messages_per_s")
    assert same["verdict"] == "same"
    said = shell.rtsite("compare", base, head).stdout
    assert "practically equal" in said
    assert shell.rtsite("compare", base, base).returncode == 0


def test_unlike_machines_are_refused_with_the_key_that_differs(shell: Shell, tmp_path: Path) -> None:
    base, head = (
        synthetic.write(tmp_path, run=run, rounds=2, seconds=1, cpu=cpu, seed=seed, searches=False, variants=VARIANTS)
        for run, cpu, seed in (("a", "AMD EPYC 7B13", 1), ("b", "Intel Xeon", 2))
    )
    refused = shell.rtsite("compare", base, head)
    assert refused.returncode == 2
    assert "machine.cpu_model differs: AMD EPYC 7B13 and Intel Xeon" in refused.stderr
    assert shell.rtsite("compare", base, head, "--force").returncode in (0, 5)
    nowhere = shell.rtsite("compare", base, tmp_path / "nowhere")
    assert nowhere.returncode == 2
    assert "contains no run.yml" in nowhere.stderr


_SERIES = st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=9)


@given(_SERIES, _SERIES)
def test_an_unpaired_contrast_turns_round(first: list[float], second: list[float]) -> None:
    there, back = unpaired_contrast(first, second), unpaired_contrast(second, first)
    assert there is not None
    assert back is not None
    assert there.value * back.value == pytest.approx(1)
    assert there.interval is not None
    assert there.interval.low <= there.value * (1 + 1e-9)
    assert there.value <= there.interval.high * (1 + 1e-9)


def test_an_unpaired_contrast_is_welchs() -> None:
    # Means 2 and 7, squared errors 1/3 and 4/3: freedom (5/3)² / ((1/3)²/2 + (4/3)²/2) = 50/17.
    found = unpaired_contrast([1.0, 2.0, 3.0], [5.0, 7.0, 9.0], is_ratio=False)
    assert found is not None
    assert (found.value, found.error, found.freedom) == pytest.approx((-5, (5 / 3) ** 0.5, 50 / 17))
    wider = unpaired_contrast([1.0, 2.0, 3.0], [5.0, 7.0, 9.0], is_ratio=False, between=1.0)
    assert wider is not None
    assert wider.error == pytest.approx((5 / 3 + 2) ** 0.5)
    assert unpaired_contrast([], [1.0]) is None
    assert unpaired_contrast([0.0], [1.0]) is None


def test_capacities_are_compared_by_their_brackets(tmp_path: Path) -> None:
    halved = tuple(replace(made, rate=made.rate / 2) if made.framework == "fastapi" else made for made in VARIANTS)

    def run(name: str, variants: tuple[synthetic.Made, ...] = VARIANTS, searches: int = 2) -> Run:
        return load_single(
            synthetic.write(
                tmp_path,
                run=name,
                rounds=2,
                seconds=1,
                seed=1,
                variants=variants,
                search_rounds=searches,
                only=("capacity",),
            )
        )

    base, again, slower = run("a"), run("b"), run("c", halved)
    same = {change.verdict for change in compare_capacities(base, again)}
    assert same <= {"same", "unknown"}
    assert same == {"unknown"}, "two searches show no equality within a tenth"
    worse = {change.framework for change in compare_capacities(base, slower) if change.verdict == "worse"}
    assert worse == {"fastapi"}
    assert {one.framework for one in compare_capacities(slower, base) if one.verdict == "better"} == {"fastapi"}
    once = {change.verdict for change in compare_capacities(run("d", searches=1), run("e", halved, searches=1))}
    assert once == {"unknown"}, "one search alone decides nothing"
