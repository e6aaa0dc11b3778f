"""The artifacts of jobs. They are untrusted: names, sizes and contents are checked before they are added to the
results.
"""

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
    EvidenceDocument,
    InvalidError,
    NothingToDoError,
    Read,
    RunDocument,
    is_identifier,
    is_result_file,
    page_name,
    problems_between,
    read_checked,
    result_files,
)
from runners.record.store import MAX_BYTES, AnyDocument

MAX_FILES = 100
"""Maximum number of files in one artifact: two per framework (measurements, flame graphs), and ``run.yml``."""
MAX_ARTIFACT_BYTES = 40_000_000


@dataclass(frozen=True)
class Refusal:
    """An artifact that was refused, and why."""

    artifact: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Collected:
    """The folders of the runs and the files of evidence that were added, and the refused artifacts."""

    runs: tuple[Path, ...]
    evidence: tuple[Path, ...]
    refusals: tuple[Refusal, ...]


def collect_artifacts(artifacts: Path, results: Path, campaign: str) -> Collected:
    """Add the runs and the evidence of every artifact below ``artifacts`` to ``results/<campaign>``.

    An artifact holds what a job wrote to ``results/<campaign>``: one folder per run, and one of evidence. It is added
    as a whole or refused; a refusal does not affect the others. Raises `NothingToDoError` if there are no artifacts,
    and `InvalidError` if all are refused.
    """
    folders = sorted(filter(Path.is_dir, artifacts.iterdir()), key=_newest_first) if artifacts.is_dir() else []
    if not folders:
        raise NothingToDoError(f"{artifacts}: no artifacts; every job of the campaign failed, or none ran")
    added: list[Path] = []
    refusals = []
    for folder in folders:
        reasons = list(_objections(folder, results, campaign))
        if reasons:
            refusals.append(Refusal(folder.name, tuple(reasons)))
            continue
        for run in sorted(folder.iterdir()):
            target = results / campaign / run.name
            _copy(run, target)
            added.append(target)
    if not added:
        reasons_given = "; ".join(f"{one.artifact}: {one.reasons[0]}" for one in refusals)
        raise InvalidError(f"every artifact was refused: {reasons_given}")
    runs = [folder for folder in added if folder.name != EVIDENCE_FOLDER]
    evidence = [path for folder in added if folder not in runs for path in sorted(folder.glob("*.yml"))]
    return Collected(tuple(runs), tuple(evidence), tuple(refusals))


def _newest_first(artifact: Path) -> tuple[int, str]:
    """Sort key: the artifacts of later attempts first, whose evidence then counts."""
    attempt = re.search(r"-attempt-([0-9]{1,9})$", artifact.name)
    return -int(attempt[1]) if attempt else 0, artifact.name


def _objections(folder: Path, results: Path, campaign: str) -> Iterator[str]:
    """The reasons to refuse an artifact. No file is opened before names and sizes are checked."""
    entries = list(_walk(folder))
    total = 0
    for path, entry in entries:
        name = path.relative_to(folder).as_posix()
        if entry.is_symlink() or not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            yield f"{name!r} is neither a file nor a folder"
            return
        if not _may_be_called(path.relative_to(folder).parts, is_file=entry.is_file(follow_symlinks=False)):
            yield f"{name!r} is not the name of a result file; expected <run>/<framework>.yml"
            return
        if entry.is_file(follow_symlinks=False):
            size = entry.stat(follow_symlinks=False).st_size
            total += size
            if size > MAX_BYTES:
                yield f"{name!r} has {size:,} bytes; a result file has at most {MAX_BYTES:,}"
                return
    files = [path for path, entry in entries if entry.is_file(follow_symlinks=False)]
    if len(files) > MAX_FILES or total > MAX_ARTIFACT_BYTES:
        yield (
            f"{len(files)} files with {total:,} bytes are more than one job writes: at most {MAX_FILES} files"
            f" with {MAX_ARTIFACT_BYTES:,} bytes"
        )
        return
    runs = sorted(folder.iterdir())
    if not runs:
        yield "it contains no run"
    there = [run.name for run in runs if (results / campaign / run.name).exists()]
    for name in there:
        yield f"{'evidence' if name == EVIDENCE_FOLDER else f'run {name}'} already exists; results are never replaced"
    pages = {page_name(path.parent.parent.name, path.parent.name): path for path in results.glob("*/*/run.yml")}
    for run in runs:
        other = pages.get(page_name(campaign, run.name))
        if run.name not in there and other is not None:
            yield f"run {run.name} would have the same page as {other.parent.relative_to(results)}; give it its own id"
            return
    if not there:
        yield from _problems(folder, campaign)


def _walk(folder: Path, levels: int = 2) -> Iterator[tuple[Path, os.DirEntry[str]]]:
    """Every entry of a folder and of the folders in it. An artifact has nothing deeper. Links are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            yield path, entry
            if levels > 1 and entry.is_dir(follow_symlinks=False):
                yield from _walk(path, levels - 1)


def _may_be_called(parts: tuple[str, ...], *, is_file: bool) -> bool:
    if is_file:
        return len(parts) == 2 and is_result_file(*parts)
    return len(parts) == 1 and is_identifier(parts[0])


def _problems(folder: Path, campaign: str) -> Iterator[str]:
    """The problems of the files of an artifact, first those of each run's place."""
    read: dict[Path, Read] = {path: read_checked(path) for path in result_files(folder)}
    for path, found in read.items():
        if not isinstance(found, tuple) and (belongs := _belongs_to(path, found)) != (campaign, path.parent.name):
            yield f"{path.parent.name}/{path.name} belongs to {belongs[0]}/{belongs[1]}"
    for run in sorted(folder.iterdir()):
        if run.name != EVIDENCE_FOLDER and run / "run.yml" not in read:
            yield f"{run.name} has no run.yml"
    for problem in problems_between(read):
        yield f"{problem.path.relative_to(folder)}:{problem.line}:{problem.column}: {problem.message}"


def _belongs_to(path: Path, document: AnyDocument) -> tuple[str, str]:
    """The campaign and the folder that a document names; of misnamed evidence, also its file."""
    if isinstance(document, EvidenceDocument):
        slug = document.framework.slug
        return document.campaign, EVIDENCE_FOLDER if slug == path.stem else f"{EVIDENCE_FOLDER}/{slug}.yml"
    return document.campaign, document.id if isinstance(document, RunDocument) else document.run


def _copy(run: Path, target: Path) -> None:
    """Copy a run in one step, so that an interruption leaves no incomplete one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".collect-") as folder:
        staged = Path(folder) / run.name
        staged.mkdir()
        for path in sorted(run.glob("*.yml")):
            shutil.copyfile(path, staged / path.name)
        staged.rename(target)
