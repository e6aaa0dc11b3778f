from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator.comparison import compare_runs
from generator.dataset import MachineClass, Run, Source, headline_variants, load_results, load_sources
from generator.dataset.sources import SourceError
from runners.record import RecordError
from tests.support import documents


@pytest.fixture
def run(results: Path, tmp_path: Path) -> Path:
    """A copy of the synthetic run, to be broken."""
    shutil.copytree(results, tmp_path / "results")
    return next(tmp_path.glob("results/*/*"))


def load(run: Path) -> str:
    """The error that loading the run's folder gives."""
    with pytest.raises(RecordError) as caught:
        load_results(run.parents[1])
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_no_results_are_an_empty_dataset(tmp_path: Path) -> None:
    dataset = load_results(tmp_path)
    assert (dataset.runs, dataset.published, dataset.headline) == ((), (), ())


def test_every_problem_of_every_file_is_reported_with_its_position(run: Path) -> None:
    fastapi, websockets = run / "fastapi.yml", run / "websockets.yml"
    fastapi.write_text(fastapi.read_text().replace("protocol: websocket", "protocol: carrier-pigeon"))
    lines = websockets.read_text().splitlines()
    place = next(number for number, line in enumerate(lines, 1) if line.startswith("kind:"))
    lines.insert(place, "kind: framework")
    websockets.write_text("\n".join(lines))
    message = load(run)
    assert f"{fastapi}:" in message
    assert "carrier-pigeon" in message
    assert f"{websockets}:{place + 1}:1:" in message


def test_a_file_of_another_run_is_refused(run: Path) -> None:
    file = run / "fastapi.yml"
    file.write_text(file.read_text().replace("run: 2026-11-20-a1b2c3", "run: another"))
    assert "belongs to run 2026-11-20/another" in load(run)


def test_a_file_under_another_name_is_refused(run: Path) -> None:
    (run / "fastapi.yml").rename(run / "quickapi.yml")
    assert "rename it to fastapi.yml" in load(run)


def test_a_framework_file_without_its_run_is_refused(run: Path) -> None:
    (run / "run.yml").unlink()
    assert "run.yml is missing in this folder" in load(run)


def test_two_runs_of_one_name_are_refused(run: Path) -> None:
    shutil.copytree(run, run.parent / "copy")
    assert "each run needs its own id" in load(run)


def test_the_campaign_of_the_newest_finished_run_of_each_machine_class_is_published(tmp_path: Path) -> None:
    one = synthetic.VARIANTS[:1]
    synthetic.write(
        tmp_path, rounds=1, seconds=1, variants=one, run="old", campaign="old", started="2026-11-18T09:00:00Z"
    )
    synthetic.write(tmp_path, rounds=1, seconds=1, variants=one)
    synthetic.write(tmp_path, rounds=1, seconds=1, variants=one, run="newer", started="2026-11-21T09:00:00Z")
    broken = synthetic.write(tmp_path, rounds=1, seconds=1, variants=one, run="stopped", started="2026-11-22T09:00:00Z")
    text = (broken / "run.yml").read_text()
    (broken / "run.yml").write_text("\n".join(line for line in text.splitlines() if not line.startswith("finished:")))
    synthetic.write(
        tmp_path, rounds=1, seconds=1, variants=one, run="other", started="2026-11-19T09:00:00Z", cpu="Xeon"
    )
    dataset = load_results(tmp_path)
    assert [run.document.id for run in dataset.runs] == ["stopped", "newer", "2026-11-20-a1b2c3", "other", "old"]
    published = [[run.document.id for run in runs] for runs in dataset.published]
    assert published == [["newer", "2026-11-20-a1b2c3"], ["other"]]


def test_older_campaigns_provide_what_newer_ones_hardly_measured(tmp_path: Path) -> None:
    def campaign(day: int, variants: int, *workloads: str) -> None:
        synthetic.write(
            tmp_path, rounds=1, seconds=1, variants=synthetic.VARIANTS[:variants], only=workloads, searches=False,
            run=f"run-{day}", campaign=f"day-{day}", started=f"2026-11-{day}T09:00:00Z",
        )  # fmt: skip

    campaign(10, 5, "echo", "dashboard")  # dashboard has nothing newer of its size
    campaign(11, 5, "echo")  # superseded by the next one, though that has fewer
    campaign(12, 4, "echo")
    campaign(13, 1, "echo", "dashboard")  # a trial
    dataset = load_results(tmp_path)
    assert [run.document.id for run in dataset.headline] == ["run-12", "run-10"]
    assert [run.document.id for run in dataset.current] == ["run-13", "run-12", "run-10"]
    answered = {table.slug: table.run.document.id for table in compare_runs(dataset.headline).tables}
    assert {run for slug, run in answered.items() if slug.startswith("echo")} == {"run-12"}
    assert {run for slug, run in answered.items() if slug.startswith("dashboard")} == {"run-10"}


def _with_kernel(run: Path, kernel: str) -> None:
    file = run / "run.yml"
    text = file.read_text()
    assert "  kernel: 6.12.0\n" in text
    file.write_text(text.replace("  kernel: 6.12.0\n", f"  kernel: {kernel}\n"))


def test_runs_of_two_kernels_share_no_table_and_no_part_of_a_page(tmp_path: Path) -> None:
    """A workload that only the older kernel measured stays on its page, which names its kernel."""

    def campaign(day: int, kernel: str, *workloads: str, name: str = "") -> None:
        run = synthetic.write(
            tmp_path, rounds=2, seconds=1, variants=synthetic.VARIANTS[:3], only=workloads, searches=False,
            run=f"run-{day}", campaign=name or f"day-{day}", started=f"2026-11-{day}T09:00:00Z",
        )  # fmt: skip
        _with_kernel(run, kernel)

    campaign(10, "Linux 6.18.44-v509", "echo", "dashboard")
    campaign(11, "Linux 6.18.44-v669", "echo", name="both")
    campaign(12, "Linux 6.18.44-v509", "echo", name="both")
    campaign(13, "Linux 6.18.44-v669", "echo", name="both")
    dataset = load_results(tmp_path)
    tables = {table.slug: table for table in compare_runs(dataset.headline).tables}
    echo = next(table for slug, table in tables.items() if slug.startswith("echo"))
    dashboard = next(table for slug, table in tables.items() if slug.startswith("dashboard"))
    assert [run.document.id for run in echo.blocks] == ["run-13", "run-11"]
    assert [run.document.id for run in dashboard.runs] == ["run-10"]
    assert [str(runs[0].machine_class) for runs in dataset.published] == [
        "AMD EPYC 7B13, 2 logical CPUs, Linux 6.18.44-v669",
        "AMD EPYC 7B13, 2 logical CPUs, Linux 6.18.44-v509",
    ]


def test_a_class_has_the_numbers_of_the_cpu_where_they_are_known() -> None:
    old = documents.run_document().machine
    ids = [{}, {"vendor": "AuthenticAMD", "family": "25"}, {"vendor": "AuthenticAMD", "family": "26"}]
    classes = [MachineClass.of(old.model_copy(update={"cpu_id": cpu_id})) for cpu_id in ids]
    assert len(set(classes)) == 3
    assert [str(one) for one in classes] == [
        "AMD EPYC 7763, 2 logical CPUs, Linux 6.1",
        "AMD EPYC 7763 (family 25), 2 logical CPUs, Linux 6.1",
        "AMD EPYC 7763 (family 26), 2 logical CPUs, Linux 6.1",
    ]


def test_older_results_are_of_cpus_that_slept() -> None:
    old = documents.run_document().machine
    states = (None, "asleep", "awake")
    older, asleep, awake = (MachineClass.of(old.model_copy(update={"idle_cpus": state})) for state in states)
    assert older == asleep != awake
    assert str(awake) == str(asleep).replace("logical CPUs", "logical CPUs, awake")


def test_flame_graphs_belong_to_their_framework(results: Path) -> None:
    (run,) = load_results(results).runs
    flamed = {item.document.framework.slug: item for item in run.frameworks if item.flames is not None}
    assert list(flamed) == ["django-channels"]
    item = flamed["django-channels"]
    assert item.flames_path.is_file()
    assert item.flames_raw == "2026-11-20/2026-11-20-a1b2c3/django-channels.flame.yml"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("run: 2026-11-20-a1b2c3", "run: another", "belongs to run 2026-11-20/another"),
        ("framework: django-channels", "framework: fastapi", "contains fastapi; rename it to fastapi.flame.yml"),
        ("kind: flame", "kind: framework", "kind: Input should be 'flame'"),
    ],
)
def test_a_flame_graph_of_something_else_is_refused(run: Path, old: str, new: str, words: str) -> None:
    file = run / "django-channels.flame.yml"
    file.write_text(file.read_text().replace(old, new))
    assert words in load(run)


def test_a_flame_graph_without_results_is_refused(run: Path) -> None:
    (run / "django-channels.yml").unlink()
    assert "django-channels.yml is missing in this folder" in load(run)


def test_a_source_is_read_as_text(tmp_path: Path) -> None:
    folder = tmp_path / "quick"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[tool.rtsite]\ntitle = "Quick"\n')
    (folder / "app.py").write_text("raise SystemExit\n")
    source = load_sources(tmp_path)["quick"]
    assert (source.title, source.notes) == ("Quick", None)
    assert [(module.name, module.text) for module in source.modules] == [("app.py", "raise SystemExit\n")]


@pytest.mark.parametrize(
    ("variants", "expected"),
    [
        ('[[tool.rtsite.variants]]\nslug = "a"\n[[tool.rtsite.variants]]\nslug = "b"\nheadline = true\n', "b"),
        ('[[tool.rtsite.variants]]\nslug = "a"\n', None),
        (2 * '[[tool.rtsite.variants]]\nslug = "a"\nheadline = true\n', None),
        ("variants = 3\n", None),
        ("variants = [3]\n", None),
        ("", None),
    ],
)
def test_a_source_knows_the_headline_variant_that_its_folder_declares(
    tmp_path: Path, variants: str, expected: str | None
) -> None:
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "pyproject.toml").write_text(f"[tool.rtsite]\n{variants}")
    assert load_sources(tmp_path)["quick"].headline == expected


def test_the_newest_result_with_a_headline_variant_decides_and_then_the_folder(run: Path) -> None:
    declared = {
        slug: Source(slug, slug, (), None, headline=variant)
        for slug, variant in (("flask-socketio", "gunicorn-threads"), ("fastapi", "granian"), ("sanic", None))
    }
    for path in run.glob("*.yml"):
        path.write_text(re.sub(r"^ *headline: true\n", "", path.read_text(), flags=re.M))
    older = load_results(run.parents[1]).runs
    assert headline_variants(older, declared) == {"flask-socketio": "gunicorn-threads", "fastapi": "granian"}
    assert headline_variants(older, {}) == headline_variants((), {}) == {}

    file = run / "fastapi.yml"
    file.write_text(
        re.sub(
            r"^( *)- slug: uvicorn$", r"\1- slug: uvicorn\n\1  headline: true", file.read_text(), count=1, flags=re.M
        )
    )
    newer = load_results(run.parents[1]).runs
    assert headline_variants(newer, declared) == {"flask-socketio": "gunicorn-threads", "fastapi": "uvicorn"}
    assert headline_variants((*older, *newer), {}) == {"fastapi": "uvicorn"}, "older runs do not know any"


def test_a_broken_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "pyproject.toml").write_text("[tool")
    with pytest.raises(SourceError, match="quick"):
        load_sources(tmp_path)


def test_a_part_of_an_adaptive_run_names_its_cells_by_their_new_indexes() -> None:
    whole = documents.adaptive_run_document()
    assert whole.adaptive is not None
    first, *later = [[index + 1 for index in turn] for turn in whole.order]
    looks = [look.model_copy(update={"cells": [index + 1 for index in look.cells]}) for look in whole.adaptive.looks]
    changes = {
        "cells": ["a/one room members=9", *whole.cells],
        "order": [[*first, 0], *later],
        "adaptive": whole.adaptive.model_copy(update={"looks": looks}),
    }
    part = Run(Path("run.yml"), whole.model_copy(update=changes), ()).only({"echo"}).document
    assert part == whole
