"""Folders of results are studied once per content; stale entries and a damaged cache are ignored."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks import synthetic
from generator.comparison import History, past_of
from generator.dataset import Run, facts_of, file_cache, load_results, studying
from generator.exports import row_texts
from runners.record import RecordError

MAKERS = (facts_of, past_of, row_texts)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    synthetic.write(folder, rounds=2, seconds=1, variants=synthetic.VARIANTS[:4])
    synthetic.write_evidence(folder, variants=synthetic.VARIANTS[:4])
    return folder


@pytest.fixture
def studied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that really were studied."""
    seen: list[str] = []
    really = studying._study

    def noting(paths: Sequence[Path], makers: studying.Makers) -> file_cache.Studied:
        seen.append(paths[0].parent.name)
        return really(paths, makers)

    monkeypatch.setattr(studying, "_study", noting)
    return seen


def test_an_unchanged_folder_is_not_studied_again(results: Path, tmp_path: Path, studied: list[str]) -> None:
    cache = tmp_path / "cache"
    first = load_results(results, cache)
    assert sorted(studied) == ["2026-11-20-a1b2c3", "evidence"]
    assert load_results(results, cache) == first
    assert len(studied) == 2
    assert load_results(results) == first
    assert len(studied) == 4, "only without a cache"


def test_what_is_kept_is_what_would_be_made_again(results: Path, tmp_path: Path) -> None:
    for _ in range(2):
        (run,) = load_results(results, tmp_path / "cache", makers=MAKERS).runs
        (alike,) = load_results(results, makers=()).runs
        assert len(run.memory) == len(MAKERS)
        assert not alike.memory
        assert run.facts == alike.facts
        assert run.kept(row_texts) == alike.kept(row_texts)
        assert run.kept(past_of).cells == alike.kept(past_of).cells
        trends, others = History([run]).trends, History([alike]).trends
        assert [(one.slug, len(one.series)) for one in trends] == [(one.slug, len(one.series)) for one in others]


def test_results_that_no_page_shows_are_not_read(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_results(results, tmp_path / "cache", makers=MAKERS)

    def refuse(*_: Any) -> None:
        raise AssertionError("documents of frameworks were read")

    monkeypatch.setattr(studying, "_results", refuse)
    (run,) = load_results(results, tmp_path / "cache", makers=MAKERS).with_abilities({"fastapi": {}}).runs
    assert [one.slug for one in run.facts.frameworks] == ["fastapi", "flask-socketio", "reference", "websockets"]
    assert next(path for path, _ in run.files).endswith("run.yml")
    assert History([run]).trends
    with pytest.raises(AssertionError, match="were read"):
        len(run.frameworks)


def test_a_changed_copy_of_a_run_has_no_memory(results: Path, tmp_path: Path) -> None:
    (run,) = load_results(results, tmp_path / "cache", makers=MAKERS).runs
    few = run.only({next(iter(run.scenarios))})
    assert not few.memory
    assert sum(few.facts.counts[kind] for kind in ("valid", "invalid", "failed")) < run.facts.counts["measurements"]


def test_other_code_studies_again(results: Path, tmp_path: Path, studied: list[str]) -> None:
    cache = tmp_path / "cache"
    for program in ("one", "one", "other"):
        load_results(results, cache, makers=MAKERS, program=program)
    assert len(studied) == 4


def test_only_what_changed_is_studied(results: Path, tmp_path: Path, studied: list[str]) -> None:
    cache = tmp_path / "cache"
    load_results(results, cache)
    studied.clear()
    file = next(results.glob("*/*/fastapi.yml"))
    file.write_text(file.read_text().replace("AMD", "Amd") + "# looked at\n")
    synthetic.write(results, rounds=1, seconds=1, run="another", variants=synthetic.VARIANTS[:2])
    dataset = load_results(results, cache)
    assert len(dataset.runs) == 2
    assert sorted(studied) == sorted({"another", file.parent.name})


def test_what_is_gone_is_forgotten(results: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load_results(results, cache)

    def remembered() -> list[int]:
        with closing(sqlite3.connect(cache)) as database:
            counts = [database.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("files", "folders")]
        return [int(count) for (count,) in counts]

    files, folders = remembered()
    next(results.glob("*/evidence/fastapi.yml")).unlink()
    load_results(results, cache)
    assert remembered() == [files - 1, folders]
    shutil.rmtree(next(results.glob("*/evidence")))
    load_results(results, cache)
    assert remembered()[1] == folders - 1


def test_problems_are_reported_every_time(results: Path, tmp_path: Path) -> None:
    file = next(results.glob("*/*/fastapi.yml"))
    file.write_text("schema_version: 1\n")
    for _ in range(2):
        with pytest.raises(RecordError, match=r"fastapi\.yml:1:1"):
            load_results(results, tmp_path / "cache")


def test_two_runs_with_one_page_are_a_problem_also_when_both_are_known(results: Path, tmp_path: Path) -> None:
    load_results(results, tmp_path / "cache")
    (run,) = results.glob("*/2026-11-20-a1b2c3")
    shutil.copytree(run, run.with_name("copy"))
    for _ in range(2):
        with pytest.raises(RecordError, match="each run needs its own id"):
            load_results(results, tmp_path / "cache")


@pytest.mark.parametrize("content", [b"", b"not a database", "files", "folders"])
def test_a_broken_cache_is_none(results: Path, tmp_path: Path, content: bytes | str) -> None:
    cache = tmp_path / "cache"
    expected = load_results(results, cache)
    if isinstance(content, bytes):
        cache.write_bytes(content)
    else:
        column = {"files": "plain", "folders": "kept"}[content]
        with closing(sqlite3.connect(cache)) as database, database:
            database.execute(f"UPDATE {content} SET {column} = ?", (b"\x80\x05junk",))
    assert load_results(results, cache) == expected
    assert load_results(results, cache) == expected


def test_a_file_that_changes_while_it_is_read_is_remembered_as_what_was_read(results: Path, tmp_path: Path) -> None:
    file, cache = next(results.glob("*/*/fastapi.yml")), tmp_path / "cache"
    looked_at, old = {file: file_cache.file_digest(file)}, file.read_bytes()
    file.write_bytes(old.replace(b"FastAPI", b"Changed"))
    changed = load_results(results, cache, looked_at)
    file.write_bytes(old)
    assert load_results(results, cache) == load_results(results)
    assert load_results(results, cache) != changed


def test_what_another_schema_read_is_not_taken(
    results: Path, tmp_path: Path, studied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    load_results(results, cache)
    studied.clear()
    monkeypatch.setattr(file_cache, "_schema", lambda: "another")
    load_results(results, cache)
    assert studied


def test_many_files_are_studied_by_several_processes(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(run: Run) -> tuple[object, ...]:
        return run.facts, run.kept(row_texts), len(run.frameworks)

    alone = load_results(results, makers=MAKERS)
    monkeypatch.setattr(studying, "_WORTH_A_POOL", 2)
    pooled = load_results(results, makers=MAKERS)
    assert pooled == alone
    assert list(map(told, pooled.runs)) == list(map(told, alone.runs))


def test_a_cache_that_cannot_be_written_is_no_error(results: Path) -> None:
    assert load_results(results, Path("/proc/none/cache")) == load_results(results)
