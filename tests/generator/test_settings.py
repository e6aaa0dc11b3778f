"""A run under two settings, versions of Python or topologies: its parts are apart, pages show one of them and what the
other changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator.comparison import History, SettingTables, compare_runs, compare_settings, incomparable_reasons
from generator.dataset import Dataset, load_results
from generator.exports import files
from generator.pages import make_site
from runners.record import (
    CellRecord,
    Compression,
    FrameworkDocument,
    InstalledFacts,
    RunDocument,
    Traffic,
    cell_key,
    load_framework,
    load_run,
    problems_in,
    save,
)

VARIANTS = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "gevent"})
FASTER = tuple(made if made.framework == "reference" else replace(made, rate=made.rate * 1.3) for made in VARIANTS)
OTHER = "3.14"


def write(folder: Path, *, only_other: bool = False, rounds: int = 6) -> Path:
    """Write one run on two versions of Python; on the other one every framework passes 1.3 times the messages."""
    first, second = (
        synthetic.write(folder / name, rounds=rounds, seconds=1, variants=variants, seed=seed, searches=False)
        for name, variants, seed in (("first", VARIANTS, 1), ("second", FASTER, 2))
    )
    run = folder / "results" / first.parent.name / first.name
    for path in sorted(first.glob("*.yml")):
        if path.name != "run.yml":
            save(together(load_framework(path), load_framework(second / path.name), only_other), run / path.name)
    save(planned(load_run(first / "run.yml"), run, only_other), run / "run.yml")
    return folder / "results"


def together(own: FrameworkDocument, other: FrameworkDocument, only_other: bool) -> FrameworkDocument:
    further = [
        InstalledFacts(name=OTHER, python=f"{OTHER}.1", packages={**variant.packages, "made-for": OTHER})
        for variant in own.variants
    ]
    variants = [
        variant.model_copy(
            update={"python": facts.python, "packages": facts.packages} if only_other else {"further": [facts]}
        )
        for variant, facts in zip(own.variants, further, strict=True)
    ]
    cells: list[CellRecord] = [
        cell.model_copy(update={"parameters": {**cell.parameters, "python": OTHER}}) for cell in other.cells
    ]
    return own.model_copy(update={"variants": variants, "cells": cells if only_other else [*own.cells, *cells]})


def planned(run: RunDocument, folder: Path, only_other: bool) -> RunDocument:
    documents = [load_framework(path) for path in sorted(folder.glob("*.yml"))]
    cells = [
        cell_key(document.framework.slug, cell.variant, cell.workload, cell.parameters)
        for document in documents
        for cell in document.cells
    ]
    return run.model_copy(update={"cells": cells, "order": [list(range(len(cells))) for _ in run.order]})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_results(write(tmp_path_factory.mktemp("pythons")))


def test_the_files_are_valid(tmp_path: Path) -> None:
    paths = sorted(write(tmp_path).rglob("*.yml"))
    assert len(paths) > 2
    assert [problem for path in paths for problem in problems_in(path)] == []


def test_a_run_has_one_part_per_version(dataset: Dataset) -> None:
    (run,) = dataset.runs
    own, other = run.by_setting
    assert (own.python, other.python) == ("", OTHER)
    assert (own.machine_class.python, other.machine_class.python) == ("3.11", OTHER)
    assert own.document.cells == other.document.cells
    assert len(run.document.cells) == 2 * len(own.document.cells)
    assert not any("python" in key for key in own.document.cells)
    assert own.unmeasured == other.unmeasured == ()
    for before, after in zip(own.frameworks, other.frameworks, strict=True):
        assert after.document.variants[0].python == f"{OTHER}.1"
        assert after.document.variants[0].packages["made-for"] == OTHER
        assert "made-for" not in before.document.variants[0].packages
    assert run.usual == own


def test_pages_show_the_newest_of_equally_measured_versions_alone(dataset: Dataset) -> None:
    (shown,) = dataset.headline
    assert shown.python == OTHER
    assert not any("python" in table.parameters for table in compare_runs(dataset.headline).tables)
    assert [run.raw for run in dataset.current] == [run.raw for run in dataset.runs]
    assert len(dataset.published) == 2


def test_all_of_a_run_on_another_version_is_shown_and_followed(tmp_path: Path) -> None:
    found = load_results(write(tmp_path, only_other=True))
    (shown,) = found.headline
    assert (shown.python, shown.machine_class.python) == (OTHER, OTHER)
    assert shown.usual == shown
    assert compare_runs(found.headline).tables
    assert {part.python for part, _ in History(found.runs).usual.values()} == {OTHER}
    assert compare_settings(found.headline, found.parts) == ()


def test_what_another_version_changes_is_told_without_the_references_own_change(dataset: Dataset) -> None:
    changes = compare_settings(dataset.headline, dataset.parts)
    pythons = {(change.shown.machine_class.python, change.other.machine_class.python) for change in changes}
    assert pythons == {(OTHER, "3.11")}
    (closed,) = (change for change in changes if change.table.parameters.get("mode") == "closed")
    assert not any(row.framework.is_reference for row in closed.rows)
    assert {row.key for row in closed.rows} == {("fastapi", "uvicorn"), ("flask-socketio", "gevent")}
    for row in closed.rows:
        judged = closed.judged[row.key, "messages_per_s"]
        assert judged.outcome == "worse"
        assert judged.contrast is not None
        assert judged.contrast.value == pytest.approx(1 / 1.3, rel=0.05)


def test_exports_name_the_setting(dataset: Dataset, tmp_path: Path) -> None:
    latest = json.loads(files(dataset, "https://example.org", {})["data/latest.json"])
    assert {row["parameters"].rpartition(" ")[2] for row in latest["figures"]} == {f"python={OTHER}"}
    direct = load_results(behind_proxy(tmp_path))
    latest = json.loads(files(direct, "https://example.org", {})["data/latest.json"])
    assert not any("topology" in row["parameters"] for row in latest["figures"])


def test_runs_whose_servers_ran_on_different_versions_are_not_compared_unasked(
    dataset: Dataset, tmp_path: Path
) -> None:
    (here,) = dataset.runs
    (there,) = load_results(write(tmp_path, only_other=True)).runs
    assert f"the servers ran on Python 3.11 and {OTHER}" in incomparable_reasons(here, there)
    assert incomparable_reasons(here, here) == []


def test_runs_of_cpus_that_slept_and_that_did_not_are_not_compared_unasked(dataset: Dataset) -> None:
    (asleep,) = dataset.runs
    machine = asleep.document.machine.model_copy(update={"idle_cpus": "awake"})
    awake = replace(asleep, document=asleep.document.model_copy(update={"machine": machine}))
    assert incomparable_reasons(asleep, awake) == ["idle CPUs were asleep and awake"]


def test_too_few_rounds_decide_nothing(tmp_path: Path) -> None:
    found = load_results(write(tmp_path, rounds=4))
    outcomes = {
        (judged.outcome, judged.reason)
        for change in compare_settings(found.headline, found.parts)
        for judged in change.judged.values()
    }
    assert outcomes == {("unknown", "not enough data")}


def behind_proxy(folder: Path, rounds: int = 6) -> Path:
    """The run of `write`, with nginx in the place of the other version."""
    for path in write(folder, rounds=rounds).rglob("*.yml"):
        text = path.read_text()
        path.write_text(
            text.replace(f"python={OTHER}", "topology=nginx").replace(f"python: '{OTHER}'", "topology: nginx")
        )
    return folder / "results"


def test_pages_show_direct_connections_and_what_a_proxy_changes(tmp_path: Path) -> None:
    found = load_results(behind_proxy(tmp_path))
    (shown,) = found.headline
    assert (shown.topology, shown.python) == ("direct", "")
    assert {part.topology for part in found.parts} == {"direct", "nginx"}
    assert {part.topology for part, _ in History(found.runs).usual.values()} == {"direct"}
    changes = compare_settings(found.headline, found.parts)
    assert changes
    assert {change.other.topology for change in changes} == {"nginx"}
    for change in changes:
        for row in change.rows:
            judged = change.judged.get((row.key, "messages_per_s"))
            assert judged is None or judged.outcome == "better"


def test_nothing_through_a_proxy_takes_the_place_of_a_direct_result(tmp_path: Path) -> None:
    """Also of a framework that was measured through the proxy alone."""
    results = behind_proxy(tmp_path)
    for path in results.rglob("fastapi.yml"):
        document = load_framework(path)
        cells = [cell for cell in document.cells if "topology" in cell.parameters]
        save(document.model_copy(update={"cells": cells}), path)
    (path,) = results.rglob("run.yml")
    keep_cells(path, lambda key: not key.startswith("fastapi/") or "topology=" in key)
    shown = load_results(results).headline
    assert {part.topology for part in shown} == {"direct"}
    assert not any(key.startswith("fastapi/") for part in shown for key in part.document.cells)


def test_results_through_a_proxy_alone_are_named_so(tmp_path: Path) -> None:
    results = behind_proxy(tmp_path)
    for path in results.rglob("*.yml"):
        if path.name == "run.yml":
            keep_cells(path, lambda key: "topology=" in key)
        else:
            document = load_framework(path)
            cells = [cell for cell in document.cells if "topology" in cell.parameters]
            save(document.model_copy(update={"cells": cells}), path)
    (shown,) = load_results(results).headline
    assert str(shown.machine_class).endswith(", through nginx")


def compressed(folder: Path, declining: str, rounds: int = 6) -> Path:
    """The run of `write`, with offered compression in the place of the other version. One framework declines."""
    results = behind_proxy(folder, rounds=rounds)
    for path in results.rglob("*.yml"):
        path.write_text(path.read_text().replace("topology=nginx", "topology=deflate").replace(": nginx", ": deflate"))
        if path.name == "run.yml":
            continue
        document = load_framework(path)
        declines = document.framework.slug == declining
        answer = Compression(agreed=0 if declines else 100, declined=100 if declines else 0)
        traffic = Traffic(
            sent_payload_bytes=64.0, sent_wire_bytes=13.1, received_payload_bytes=64.0, received_wire_bytes=9.25
        )
        cells = [
            cell.model_copy(
                update={
                    "measurements": [
                        one.model_copy(update={"compression": answer, "traffic": traffic}) for one in cell.measurements
                    ]
                }
            )
            if "topology" in cell.parameters
            else cell
            for cell in document.cells
        ]
        save(document.model_copy(update={"cells": cells}), path)
    return results


def test_a_server_that_declines_shows_no_price_of_compression(tmp_path: Path) -> None:
    found = load_results(compressed(tmp_path, "fastapi"))
    changes = compare_settings(found.headline, found.parts)
    assert {change.other.topology for change in changes} == {"deflate"}
    for change in changes:
        assert "fastapi" not in {row.framework.slug for row in change.rows}
        assert not any(row == "fastapi" for (row, _), _ in change.judged)
        assert {row.framework.slug for row in change.declined} == {"fastapi"}
        assert set(change.wire_bytes.values()) == {9.25}
    section = {page.path: page.text() for page in make_site(found, {}).pages}["tests/echo.md"]
    section = section.partition("Other settings")[2]
    assert "With compression offered instead of directly" in section
    assert "so they show no price of compression: FastAPI (uvicorn)." in section
    assert "9.25" in section


def test_a_table_of_offered_compression_says_who_agreed(tmp_path: Path) -> None:
    results = compressed(tmp_path, "fastapi")
    for path in results.rglob("*.yml"):
        if path.name == "run.yml":
            keep_cells(path, lambda key: "topology=" in key)
        else:
            document = load_framework(path)
            cells = [cell for cell in document.cells if "topology" in cell.parameters]
            save(document.model_copy(update={"cells": cells}), path)
    found = load_results(results)
    (shown,) = found.headline
    assert str(shown.machine_class).endswith(", with compression offered")
    page = {page.path: page.text() for page in make_site(found, {}).pages}["tests/echo.md"]
    assert "agreed on 100 of 100" in page
    assert "declined" in page
    assert "13, 9" in page


def keep_cells(path: Path, is_kept: Callable[[str], bool]) -> None:
    """Leave out the other cells of a run."""
    run = load_run(path)
    kept = [key for key in run.cells if is_kept(key)]
    save(run.model_copy(update={"cells": kept, "order": [list(range(len(kept))) for _ in run.order]}), path)


@pytest.mark.parametrize(
    ("rounds", "heading", "outcomes"),
    [(6, "Through nginx instead of directly", "better"), (4, "Through nginx", "inconclusive: not enough data")],
)
def test_the_page_of_a_workload_says_what_a_proxy_changes(
    tmp_path: Path, rounds: int, heading: str, outcomes: str
) -> None:
    site = make_site(load_results(behind_proxy(tmp_path, rounds=rounds)), {})
    pages = {page.path: page.text() for page in site.pages}
    section = pages["tests/echo.md"].partition("Other settings")[2]
    assert heading in section
    assert outcomes in section
    assert "Other settings" not in pages["dimensions/performance.md"]


BLOCK = re.compile(r'<div data-python="([^"]*)" data-topology="([^"]*)"( hidden data-search-exclude)?>')


@pytest.mark.parametrize("path", ["tests/echo.md", "frameworks/fastapi/results.md"])
def test_pages_have_tables_of_every_setting_and_show_the_default(tmp_path: Path, path: str) -> None:
    (text,) = (page.text() for page in make_site(load_results(behind_proxy(tmp_path)), {}).pages if page.path == path)
    blocks = BLOCK.findall(text)
    assert len(blocks) >= 2
    assert {(python, topology, bool(hidden)) for python, topology, hidden in blocks} == {
        ("3.11", "direct", False),
        ("3.11", "nginx", True),
    }
    (choice,) = re.findall(r'<select name="topology" autocomplete="off">(.*?)</select>', text)
    assert choice == '<option value="" selected>directly</option><option value="nginx">through nginx</option>'
    assert '<select name="python"' not in text, "there is one version"
    rows = [part.count("<tr class=") for part in BLOCK.split(text)[4::4]]
    assert rows[::2] == rows[1::2], "each table has the rows of its default"
    assert min(rows) >= 2


def test_versions_of_python_are_a_filter_with_the_shown_one_first(dataset: Dataset) -> None:
    pages = {page.path: page.text() for page in make_site(dataset, {}).pages}
    (choice,) = re.findall(r'<select name="python" autocomplete="off">(.*?)</select>', pages["tests/echo.md"])
    assert choice == f'<option value="" selected>{OTHER}</option><option value="3.11">3.11</option>'


def test_one_setting_needs_no_filter(tmp_path: Path) -> None:
    (text,) = (
        page.text()
        for page in make_site(load_results(write(tmp_path, only_other=True)), {}).pages
        if page.path == "tests/echo.md"
    )
    assert BLOCK.findall(text) == []
    assert 'name="topology"' not in text
    assert 'name="python"' not in text


def test_other_machines_and_older_definitions_are_no_setting_of_a_table(dataset: Dataset) -> None:
    (table, *_) = compare_runs(dataset.headline).tables
    assert [one.run.machine_class.python for one in SettingTables(dataset.published).of(table)] == ["3.11"]
    older = replace(table, workload=table.workload.model_copy(update={"version": "0" * 8}))
    assert SettingTables(dataset.published).of(older) == ()
    machine = table.run.document.machine.model_copy(update={"kernel": "another"})
    run = replace(table.run, document=table.run.document.model_copy(update={"machine": machine}))
    assert SettingTables(dataset.published).of(replace(table, run=run)) == ()


def test_the_page_of_a_workload_says_what_another_python_changes(dataset: Dataset) -> None:
    pages = {page.path: page.text() for page in make_site(dataset, {}).pages}
    assert f"Python 3.11 instead of {OTHER}" in pages["tests/echo.md"]
    (run,) = (text for path, text in pages.items() if path.startswith("runs/2026"))
    assert f"servers also on {OTHER}" in run
