"""Validating, collecting and building accept the same files: none of them takes what another refuses."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import synthetic
from generator.dataset import load_results
from runners.application.validation import validate_files
from runners.ci.artifacts import collect_artifacts
from runners.record import InvalidError, RecordError, RunDocument, save
from tests.support import documents

CAMPAIGN, RUN = "local", "20261101T000000Z"
RUNS: dict[str, Callable[[], RunDocument]] = {
    "fixed": documents.run_document,
    "adaptive": documents.adaptive_run_document,
}
NUMBER = re.compile(r"(?<=[ \[])-?\d+(?:\.\d+)?(?=[,\]}\n])")
"""A number that is a whole value of a result file."""
FILES = {
    "run": f"{RUN}/run.yml",
    "framework": f"{RUN}/fastapi.yml",
    "flames": f"{RUN}/fastapi.flame.yml",
    "evidence": "evidence/websockets.yml",
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results for each kind of run, to be copied."""
    home = tmp_path_factory.mktemp("sound")
    for kind in RUNS:
        write(home / kind, kind)
    return home


def write(results: Path, kind: str) -> None:
    """Write one sound file of each kind."""
    folder = results / CAMPAIGN
    run = RUNS[kind]()
    searched = run.workloads[0].model_copy(update={"slug": "capacity"})
    save(run.model_copy(update={"workloads": [*run.workloads, searched]}), folder / FILES["run"])
    framework = documents.framework_document()
    (cell,) = framework.cells
    capacity = cell.model_copy(
        update={
            "workload": "capacity",
            "parameters": {"search": "rate", "p99_limit_ms": 20},
            "measurements": [documents.capacity_measurement()],
            "latency": None,
            "timeline": None,
        }
    )
    save(framework.model_copy(update={"cells": [cell, capacity]}), folder / FILES["framework"])
    save(documents.flame_document(), folder / FILES["flames"])
    synthetic.write_evidence(results, variants=synthetic.VARIANTS[:2], campaign=CAMPAIGN)


def copied(sound: Path, home: Path, kind: str) -> Path:
    """Copy sound files; returns the campaign's folder, which is also the artifact of a job."""
    return Path(shutil.copytree(sound / kind, home / "results")) / CAMPAIGN


def accepting(home: Path) -> dict[str, bool]:
    """Who accepts these results. Building reads them twice, the second time from its cache."""
    return {
        "validating": validate_files([home / "results"]).problems == [],
        "collecting": collects(home),
        "building": builds(home, None),
        "building with a new cache": builds(home, home / "cache"),
        "building with a cache": builds(home, home / "cache"),
    }


def collects(home: Path) -> bool:
    try:
        return collect_artifacts(home / "results", home / "collected", CAMPAIGN).refusals == ()
    except InvalidError:
        return False


def builds(home: Path, cache: Path | None) -> bool:
    try:
        load_results(home / "results", cache)
    except RecordError:
        return False
    return True


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


@pytest.mark.parametrize("kind", RUNS)
def test_sound_files_are_accepted_by_all(sound: Path, tmp_path: Path, kind: str) -> None:
    copied(sound, tmp_path, kind)
    assert set(accepting(tmp_path).values()) == {True}


@pytest.mark.parametrize(
    ("kind", "file", "before", "after"),
    [
        ("fixed", "run", "- [0]\n", "- []\n"),
        ("fixed", "run", "rounds: 2\n", "rounds: 3\n"),
        ("adaptive", "run", "- [2, 0]\n", "- [2, 2]\n"),
        ("adaptive", "run", "most_rounds: 4\n", "most_rounds: 2\n"),
        ("adaptive", "run", "after_round: 3\n", "after_round: 4\n"),
        ("adaptive", "run", "cells: [0, 2]\n", "cells: [0, 1]\n"),
        ("adaptive", "run", "deciding: 2\n", "deciding: 3\n"),
        ("fixed", "framework", "count: 10000", "count: 10001"),
        ("fixed", "framework", "low: 12000\n", "low: 12001\n"),
        ("fixed", "framework", "lost: 0, errors: 0", "lost: 1, errors: 0"),
        ("fixed", "flames", "samples: 100\n", "samples: 99\n"),
        ("fixed", "evidence", "schema_version: ", "schema_version: 9"),
    ],
)
def test_what_contradicts_is_accepted_by_nobody(
    sound: Path, tmp_path: Path, kind: str, file: str, before: str, after: str
) -> None:
    edit(copied(sound, tmp_path, kind) / FILES[file], before, after)
    assert set(accepting(tmp_path).values()) == {False}


@pytest.mark.parametrize("name", FILES)
def test_a_link_to_a_file_that_was_read_is_accepted_by_nobody(sound: Path, tmp_path: Path, name: str) -> None:
    path = copied(sound, tmp_path, "fixed") / FILES[name]
    assert builds(tmp_path, tmp_path / "cache")
    path.rename(tmp_path / "elsewhere.yml")
    path.symlink_to(tmp_path / "elsewhere.yml")
    assert set(accepting(tmp_path).values()) == {False}


@given(
    kind=st.sampled_from(sorted(RUNS)),
    file=st.sampled_from(sorted(FILES)),
    place=st.integers(0, 10_000),
    number=st.sampled_from(["0", "1", "2", "3", "-1", "0.5", "7.25", "100", "9999999", "1.0e+300"]),
)
@settings(max_examples=40)
def test_files_with_another_number_are_accepted_by_all_or_nobody(
    sound: Path, kind: str, file: str, place: int, number: str
) -> None:
    with tempfile.TemporaryDirectory() as home:
        path = copied(sound, Path(home), kind) / FILES[file]
        text = path.read_text()
        found = list(NUMBER.finditer(text))
        chosen = found[place % len(found)]
        path.write_text(text[: chosen.start()] + number + text[chosen.end() :])
        accepted = accepting(Path(home))
        assert len(set(accepted.values())) == 1, accepted
