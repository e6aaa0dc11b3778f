"""Takes in what jobs measured: data that nobody vouches for, so names, sizes and contents are checked first."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runners.record import (
    EVIDENCE_FOLDER,
    FLAME_SUFFIX,
    InvalidError,
    NothingToDoError,
    RecordError,
    is_identifier,
    load_evidence,
    load_flames,
    load_framework,
    load_run,
    problems_in,
)
from runners.record.naming import SLUG
from runners.record.store import MAX_BYTES

MAX_FILES = 100
"""Of one artifact: a file per framework, another for its flame graphs, and the run's own."""
MAX_ARTIFACT_BYTES = 40_000_000
_FILE = re.compile(rf"{SLUG}(\.flame)?\.yml")


@dataclass(frozen=True)
class Refusal:
    """An artifact that was not taken in, and why."""

    artifact: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Collected:
    """The folders of the runs and the files of evidence that were taken in, and what was refused."""

    runs: tuple[Path, ...]
    evidence: tuple[Path, ...]
    refusals: tuple[Refusal, ...]


def collect_artifacts(artifacts: Path, results: Path, campaign: str) -> Collected:
    """Take the runs and the evidence of every artifact below ``artifacts`` into ``results/<campaign>``.

    An artifact is what a job left of ``results/<campaign>``: a folder per run, one of evidence, files in them.
    An artifact is taken in whole or not at all; a bad one does not keep the others out. Raises `NothingToDoError`
    where there are no artifacts, and `InvalidError` where none could be taken.
    """
    folders = sorted(path for path in artifacts.iterdir() if path.is_dir()) if artifacts.is_dir() else []
    if not folders:
        raise NothingToDoError(f"{artifacts}: no artifacts; every job of the campaign failed, or none ran")
    taken: list[Path] = []
    refusals = []
    for folder in folders:
        reasons = list(_objections(folder, results, campaign))
        if reasons:
            refusals.append(Refusal(folder.name, tuple(reasons)))
            continue
        for run in sorted(folder.iterdir()):
            target = results / campaign / run.name
            _copy(run, target)
            taken.append(target)
    if not taken:
        told = "; ".join(f"{one.artifact}: {one.reasons[0]}" for one in refusals)
        raise InvalidError(f"no artifact can be taken in: {told}")
    runs = [folder for folder in taken if folder.name != EVIDENCE_FOLDER]
    evidence = [path for folder in taken if folder not in runs for path in sorted(folder.glob("*.yml"))]
    return Collected(tuple(runs), tuple(evidence), tuple(refusals))


def _objections(folder: Path, results: Path, campaign: str) -> Iterator[str]:
    """Why an artifact cannot be taken in; nothing in it is opened before names and sizes are right."""
    entries = list(_walk(folder))
    total = 0
    for path, entry in entries:
        name = path.relative_to(folder).as_posix()
        if entry.is_symlink() or not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            yield f"{name!r} is neither a file nor a folder"
            return
        if not _may_be_called(path.relative_to(folder).parts, is_file=entry.is_file(follow_symlinks=False)):
            yield f"{name!r} is no name of a result: <run>/<framework>.yml is"
            return
        if entry.is_file(follow_symlinks=False):
            size = entry.stat(follow_symlinks=False).st_size
            total += size
            if size > MAX_BYTES:
                yield f"{name!r} has {size:,} bytes; a result file has at most {MAX_BYTES:,}"
                return
    files = [path for path, entry in entries if entry.is_file(follow_symlinks=False)]
    if len(files) > MAX_FILES or total > MAX_ARTIFACT_BYTES:
        yield f"{len(files)} files of {total:,} bytes are more than one job measures"
        return
    runs = sorted(folder.iterdir())
    if not runs:
        yield "holds no run"
    for run in runs:
        if (results / campaign / run.name).exists():
            what = "evidence" if run.name == EVIDENCE_FOLDER else f"run {run.name}"
            yield f"{what} is there already; results are only added to"
        else:
            yield from _problems(run, campaign)


def _walk(folder: Path) -> Iterator[tuple[Path, os.DirEntry[str]]]:
    """Everything below a folder, links not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            yield path, entry
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(path)


def _may_be_called(parts: tuple[str, ...], *, is_file: bool) -> bool:
    if len(parts) > 2 or is_file != (len(parts) == 2) or not is_identifier(parts[0]):
        return False
    return len(parts) < 2 or _FILE.fullmatch(parts[1]) is not None


def _problems(run: Path, campaign: str) -> Iterator[str]:
    """What is wrong with the files of one run, or of the evidence."""
    files = sorted(run.glob("*.yml"))
    if run.name != EVIDENCE_FOLDER and not (run / "run.yml").is_file():
        yield f"{run.name} has no run.yml"
        return
    for path in files:
        problems = problems_in(path)
        if problems:
            yield f"{run.name}/{path.name}:{problems[0].line}:{problems[0].column}: {problems[0].message}"
        elif (found := _belongs_to(path)) != (campaign, run.name):
            yield f"{run.name}/{path.name} belongs to {found[0]}/{found[1]}"


def _belongs_to(path: Path) -> tuple[str, str]:
    """Campaign and folder that a valid file names."""
    try:
        if path.parent.name == EVIDENCE_FOLDER:
            known = load_evidence(path)
            slug = known.framework.slug
            return known.campaign, EVIDENCE_FOLDER if slug == path.stem else f"{EVIDENCE_FOLDER}/{slug}.yml"
        if path.name == "run.yml":
            document = load_run(path)
            return document.campaign, document.id
        other = load_flames(path) if path.name.endswith(FLAME_SUFFIX) else load_framework(path)
    except RecordError as error:  # it was valid a moment ago
        return str(error), ""
    return other.campaign, other.run


def _copy(run: Path, target: Path) -> None:
    """In one step, so that an interruption leaves no half of a run."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".collect-") as folder:
        staged = Path(folder) / run.name
        staged.mkdir()
        for path in sorted(run.glob("*.yml")):
            shutil.copyfile(path, staged / path.name)
        staged.rename(target)
