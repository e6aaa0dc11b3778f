"""The files of a folder of results together: which there are, and what is wrong between them.

Collecting, validating and building all use these functions, so that one never accepts what another refuses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from runners.record.evidence import EvidenceDocument
from runners.record.listing import files_below
from runners.record.naming import EVIDENCE_FOLDER, FLAME_SUFFIX
from runners.record.schema import FlameDocument, FrameworkDocument, RunDocument, cell_key
from runners.record.store import AnyDocument, Problem

Read = AnyDocument | tuple[Problem, ...]
"""A file's document, or its problems."""


def result_files(folder: Path) -> list[Path]:
    """Every ``.yml`` below a folder, in order; see `files_below`."""
    return [path for path in files_below(folder) if path.suffix == ".yml"]


def problems_between(read: Mapping[Path, Read]) -> list[Problem]:
    """The problems of files, and those between the files of each folder and between runs.

    ``read``: all files of each folder.
    """
    folders: dict[Path, dict[Path, Read]] = {}
    for path, found in read.items():
        folders.setdefault(path.parent, {})[path] = found
    problems = [problem for found in read.values() if isinstance(found, tuple) for problem in found]
    for folder, files in folders.items():
        problems += _in_evidence(files) if folder.name == EVIDENCE_FOLDER else _in_run(folder, files)
    return problems + problems_across({path: found for path, found in read.items() if isinstance(found, RunDocument)})


def problems_across(runs: Mapping[Path, RunDocument]) -> list[Problem]:
    """The problems between runs. ``runs``: by the path of each ``run.yml``."""
    problems = []
    pages: dict[str, Path] = {}
    for path, run in runs.items():
        earlier = pages.setdefault(page_name(run.campaign, run.id), path)
        if earlier != path:
            message = f"campaign and id are the same as in {earlier}; each run needs its own id"
            problems.append(Problem(path, 1, 1, message))
    return problems


def page_name(campaign: str, run: str) -> str:
    """What the page of a run is called, without capitals, since some file systems do not distinguish them."""
    return f"{campaign}--{run}".lower()


def _in_evidence(files: Mapping[Path, Read]) -> Iterator[Problem]:
    for path, found in files.items():
        if isinstance(found, EvidenceDocument):
            yield from _misnamed(path, found.framework.slug, f"{found.framework.slug}.yml")
    campaigns = {found.campaign: path for path, found in files.items() if isinstance(found, EvidenceDocument)}
    if len(campaigns) > 1:
        path = list(campaigns.values())[-1]
        yield Problem(path, 1, 1, f"beside it is evidence of another campaign: {', '.join(campaigns)}; expected one")


def _in_run(folder: Path, files: Mapping[Path, Read]) -> Iterator[Problem]:
    run = files.get(folder / "run.yml")
    if run is None:
        message = "run.yml is missing in this folder; it describes how the run was measured"
        yield from (Problem(path, 1, 1, message) for path in files)
        return
    if isinstance(run, RunDocument):
        yield from _in_plan(folder / "run.yml", run)
        listed = {workload.slug for workload in run.workloads}
        for slug in sorted({key.split(" ")[1] for key in run.cells} - listed):
            yield Problem(folder / "run.yml", 1, 1, f"plans cells of workload {slug}, but does not list it")
    for path, found in files.items():
        if isinstance(found, FrameworkDocument):
            yield from _misnamed(path, found.framework.slug, f"{found.framework.slug}.yml")
            yield from _in_framework(path, found, run)
        elif isinstance(found, FlameDocument):
            yield from _misnamed(path, found.framework, f"{found.framework}{FLAME_SUFFIX}")
            if path.with_name(f"{found.framework}.yml") not in files:
                message = f"{found.framework}.yml is missing in this folder; flame graphs belong to the results in it"
                yield Problem(path, 1, 1, message)
        else:
            continue
        if isinstance(run, RunDocument) and (found.run, found.campaign) != (run.id, run.campaign):
            message = (
                f"belongs to run {found.campaign}/{found.run}, but is in the folder of {run.campaign}/{run.id}; move it"
                " to its own folder"
            )
            yield Problem(path, 1, 1, message)


def _misnamed(path: Path, slug: str, name: str) -> Iterator[Problem]:
    if path.name != name:
        yield Problem(path, 1, 1, f"contains {slug}; rename it to {name}")


def _in_plan(path: Path, run: RunDocument) -> Iterator[Problem]:
    yield from _twice(path, "cell", run.cells)
    yield from _twice(path, "workload", [workload.slug for workload in run.workloads])
    if run.finished is not None and run.finished < run.started:
        yield Problem(path, 1, 1, f"finished {run.finished}, before it started {run.started}; correct one of them")


def _in_framework(path: Path, document: FrameworkDocument, run: Read) -> Iterator[Problem]:
    """Each cell is there once, its variant is described beside it, and its workload in ``run.yml``."""
    slug, variants = document.framework.slug, [variant.slug for variant in document.variants]
    yield from _twice(path, "variant", variants)
    keys = [cell_key(slug, cell.variant, cell.workload, cell.parameters) for cell in document.cells]
    yield from _twice(path, "cell", keys)
    for variant in sorted({cell.variant for cell in document.cells}.difference(variants)):
        yield Problem(path, 1, 1, f"has cells of variant {variant}, but does not describe it; add it to variants")
    if isinstance(run, RunDocument):
        listed = {workload.slug for workload in run.workloads}
        for workload in sorted({cell.workload for cell in document.cells} - listed):
            yield Problem(path, 1, 1, f"has cells of workload {workload}, but run.yml does not list it")


def _twice(path: Path, what: str, names: Sequence[str]) -> Iterator[Problem]:
    for name, times in Counter(names).items():
        if times > 1:
            yield Problem(path, 1, 1, f"{what} {name} appears {times} times; keep one")
