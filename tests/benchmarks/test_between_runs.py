from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import between_runs, synthetic
from generator.comparison import METRICS
from runners.record import NothingToDoError

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "benchmarks" / "between_runs.json"
MEMORY = METRICS[between_runs.METRIC]


def test_the_committed_document_is_that_of_the_committed_runs() -> None:
    found = between_runs.estimate([between_runs.RESULTS / run for run in between_runs.RUNS])
    assert json.loads(COMMITTED.read_text()) == found


def test_memory_has_at_least_the_variation_between_runs_that_was_found() -> None:
    document = json.loads(COMMITTED.read_text())
    assert document["high"] <= 100 * MEMORY.between_runs <= 2 * document["high"]
    assert document["rounds_percent"] < document["between_runs_percent"]


def _write(folder: Path, run: str, variants: tuple[synthetic.Made, ...], seed: int) -> Path:
    started = f"2026-11-2{seed}T09:00:00Z"
    return synthetic.write(
        folder, run=run, rounds=6, seconds=1, variants=variants, seed=seed, searches=False, started=started
    )


def test_what_moved_between_two_runs_is_found_and_what_moved_all_is_not(tmp_path: Path) -> None:
    variants = synthetic.VARIANTS
    heavier = [0.2 if number % 2 else -0.2 for number in range(len(variants))]
    moved = tuple(replace(one, memory_mb=one.memory_mb * (1 + by)) for one, by in zip(variants, heavier, strict=True))
    doubled = tuple(replace(one, memory_mb=2 * one.memory_mb) for one in variants)
    first = _write(tmp_path, "a", variants, 1)
    same = between_runs.estimate([first, _write(tmp_path, "b", doubled, 2)])
    other = between_runs.estimate([first, _write(tmp_path, "c", moved, 3)])
    assert isinstance(same["between_runs_percent"], float)
    assert isinstance(other["between_runs_percent"], float)
    assert same["between_runs_percent"] < 3
    assert 8 < other["between_runs_percent"] < 30


def test_without_two_runs_of_the_same_code_there_is_one_sentence(tmp_path: Path) -> None:
    only = _write(tmp_path, "a", synthetic.VARIANTS, 1)
    with pytest.raises(NothingToDoError, match="no two of these runs"):
        between_runs.estimate([only])
    program = [sys.executable, "-m", "benchmarks.between_runs", str(only)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (NothingToDoError.exit_code, "")
    assert done.stderr.startswith("Error: no two of these runs")
