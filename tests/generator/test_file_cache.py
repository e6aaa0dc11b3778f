"""Result files are read once per content; stale entries and a damaged cache are ignored."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator.dataset import file_cache, load_results
from generator.dataset.file_cache import read_all
from runners.record import RecordError


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    synthetic.write(folder, rounds=1, seconds=1, variants=synthetic.VARIANTS[:4])
    synthetic.write_evidence(folder, variants=synthetic.VARIANTS[:4])
    return folder


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that really were parsed."""
    seen: list[Path] = []
    really = file_cache._parse

    def noting(path: Path) -> tuple[str, bytes]:
        seen.append(path)
        return really(path)

    monkeypatch.setattr(file_cache, "_parse", noting)
    return seen


def test_an_unchanged_file_is_not_parsed_again(results: Path, tmp_path: Path, parsed: list[Path]) -> None:
    cache = tmp_path / "cache"
    first = load_results(results, cache)
    count = len(parsed)
    assert count == len(list(results.glob("*/*/*.yml")))
    assert load_results(results, cache) == first == load_results(results)
    assert len(parsed) == 2 * count, "only the reading without a cache parsed again"


def test_only_what_changed_is_parsed(results: Path, tmp_path: Path, parsed: list[Path]) -> None:
    cache = tmp_path / "cache"
    load_results(results, cache)
    parsed.clear()
    file = next(results.glob("*/*/fastapi.yml"))
    file.write_text(file.read_text().replace("AMD", "Amd") + "# looked at\n")
    synthetic.write(results, rounds=1, seconds=1, run="another", variants=synthetic.VARIANTS[:2])
    dataset = load_results(results, cache)
    assert sorted(path.name for path in parsed) == ["fastapi.yml", "reference.yml", "run.yml", "websockets.yml"]
    assert len(dataset.runs) == 2


def test_what_is_gone_is_forgotten(results: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load_results(results, cache)

    def remembered() -> int:
        with closing(sqlite3.connect(cache)) as database:
            return int(database.execute("SELECT count(*) FROM files").fetchone()[0])

    before = remembered()
    next(results.glob("*/evidence/fastapi.yml")).unlink()
    load_results(results, cache)
    assert remembered() == before - 1


def test_problems_are_reported_every_time(results: Path, tmp_path: Path) -> None:
    file = next(results.glob("*/*/fastapi.yml"))
    file.write_text("schema_version: 1\n")
    for _ in range(2):
        with pytest.raises(RecordError, match=r"fastapi\.yml:1:1"):
            load_results(results, tmp_path / "cache")


@pytest.mark.parametrize("content", [b"", b"not a database", None])
def test_a_broken_cache_is_none(results: Path, tmp_path: Path, content: bytes | None) -> None:
    cache = tmp_path / "cache"
    expected = load_results(results, cache)
    if content is None:
        with closing(sqlite3.connect(cache)) as database, database:
            database.execute("UPDATE files SET plain = ?", (b"\x80\x05junk",))
    else:
        cache.write_bytes(content)
    assert load_results(results, cache) == expected
    assert load_results(results, cache) == expected


def test_a_file_that_changes_while_it_is_read_is_remembered_as_what_was_read(results: Path, tmp_path: Path) -> None:
    file, cache = next(results.glob("*/*/fastapi.yml")), tmp_path / "cache"
    looked_at, old = {file: file_cache.file_digest(file)}, file.read_bytes()
    file.write_bytes(old.replace(b"FastAPI", b"Changed"))
    changed = read_all([file], cache, looked_at)
    file.write_bytes(old)
    assert read_all([file], cache) == read_all([file])
    assert read_all([file], cache) != changed


def test_what_another_schema_read_is_not_taken(
    results: Path, tmp_path: Path, parsed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    load_results(results, cache)
    parsed.clear()
    monkeypatch.setattr(file_cache, "_schema", lambda: "another")
    load_results(results, cache)
    assert parsed


def test_many_files_are_parsed_by_several_processes(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted(results.glob("*/*/*.yml"))
    alone = read_all(paths)
    monkeypatch.setattr(file_cache, "_WORTH_A_POOL", 2)
    assert read_all(paths) == alone


def test_a_cache_that_cannot_be_written_is_no_error(results: Path) -> None:
    assert load_results(results, Path("/proc/none/cache")) == load_results(results)
