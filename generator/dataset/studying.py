"""Reads result files into runs and data sets.

Each folder is studied once: its files are read and checked together, and what every later build needs of the run is
computed (`Run.kept`). After that, a run costs a build as much as its ``run.yml``, unless pages show its measurements.
"""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import parent_process
from operator import attrgetter
from pathlib import Path
from threading import Thread
from types import MappingProxyType

from generator.dataset.collected_evidence import Evidence, all_evidence
from generator.dataset.file_cache import Contents, FileCache, Studied, content_digest, file_digest
from generator.dataset.results import Dataset, FrameworkResult, LaterResults, Run, facts_of, maker_name
from runners.record import (
    EVIDENCE_FOLDER,
    FLAME_SUFFIX,
    FlameDocument,
    FrameworkDocument,
    Read,
    RecordError,
    RunDocument,
    UsageError,
    problems_across,
    problems_between,
    read_checked,
    read_plain,
    result_files,
)

_WORTH_A_POOL = 200
"""Number of files from which reading in several processes is faster."""
_LARGEST_CHUNK = 16

Makers = Sequence[Callable[[Run], object]]
"""Functions of modules, since other processes call them."""


def load_single(folder: Path) -> Run:
    """Read the run of a run's folder, or the only run of a campaign's folder.

    Raises `UsageError` for no run or several, `RecordError` with all errors of its files.
    """
    found = [folder / "run.yml"] if (folder / "run.yml").is_file() else sorted(folder.glob("*/run.yml"))
    if len(found) != 1:
        names = ", ".join(str(path.parent) for path in found)
        raise UsageError(
            f"{folder}: {f'contains several runs; choose one: {names}' if found else 'contains no run.yml; name a run'}"
        )
    read = _read(found[0].parent)
    if problems := problems_between(read):
        raise RecordError(problems)
    return _runs(read)[0]


def load_beside(folder: Path) -> tuple[Run, ...]:
    """The other runs in the folder of a run's campaign. Those with problems in their files are left out."""
    found = []
    for path in sorted(folder.parent.glob("*/run.yml")):
        if path.parent != folder:
            read = _read(path.parent)
            found += [] if problems_between(read) else _runs(read)
    return tuple(sorted(found, key=attrgetter("age")))


def load_collection(folder: Path) -> dict[str, Evidence]:
    """Read the evidence in one ``evidence`` folder, by framework. Raises the same errors as `load_single`."""
    read = _read(folder)
    if problems := problems_between(read):
        raise RecordError(problems)
    found = all_evidence(read)
    if not found:
        raise UsageError(f"{folder}: contains no evidence; choose a folder results/<campaign>/{EVIDENCE_FOLDER}")
    return {one.document.framework.slug: one for one in found}


def load_results(
    folder: Path,
    cache: Path | None = None,
    digests: Contents = MappingProxyType({}),
    makers: Makers = (facts_of,),
    program: str = "",
) -> Dataset:
    """Read every run and all evidence below ``folder``; raises `RecordError` with all errors of all files.

    ``cache``: the cache file; created if it does not exist. ``digests``: results of `file_digest` that the caller
    already has. ``makers``: what `Run.kept` is called with, computed in several processes where that is faster.
    ``program``: identifies the code of the makers, so that what other code made is not used.
    """
    folders: dict[Path, dict[Path, str]] = {}
    for path in result_files(folder):
        folders.setdefault(path.parent, {})[path] = digests[path] if path in digests else file_digest(path)
    files = FileCache(cache, program)
    # A link is refused, whatever is known about the file that it leads to.
    kept = files.recall({one: own for one, own in folders.items() if not any(path.is_symlink() for path in own)})
    studied = _study_all({one: tuple(own) for one, own in folders.items() if one not in kept}, makers)
    files.remember(folders, studied)
    problems = [problem for one in studied.values() for problem in one.problems]
    if problems:
        raise RecordError(problems)
    for one, new in studied.items():
        folders[one], kept[one] = dict(new.contents), new.kept
    collected = {path: own[path] for one, own in folders.items() if one.name == EVIDENCE_FOLDER for path in own}
    planned = {one / "run.yml": own[one / "run.yml"] for one, own in folders.items() if one.name != EVIDENCE_FOLDER}
    documents = files.documents(collected | planned)
    started = {path: found for path in planned if isinstance(found := documents[path], RunDocument)}
    if problems := problems_across(started):
        raise RecordError(problems)
    runs = []
    for path, document in started.items():
        run = Run(path, document, LaterResults(partial(_results_of, path, folders[path.parent], files)))
        run.memory.update(kept[path.parent])
        runs.append(run)
    return Dataset(tuple(sorted(runs, key=attrgetter("age"))), all_evidence(documents))


def _results_of(run: Path, contents: Contents, files: FileCache) -> list[FrameworkResult]:
    """The results beside a ``run.yml`` that has no problems."""
    return _results(run.parent, files.documents({path: content for path, content in contents.items() if path != run}))


def _read(folder: Path) -> dict[Path, Read]:
    return {path: read_checked(path) for path in sorted(folder.glob("*.yml"))}


def _study_all(folders: Mapping[Path, Sequence[Path]], makers: Makers) -> dict[Path, Studied]:
    """``folders``: the files of each."""
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)
    study = partial(_study, makers=makers)
    if sum(map(len, folders.values())) < _WORTH_A_POOL or workers < 2:
        return dict(zip(folders, map(study, folders.values()), strict=True))
    chunk = max(1, min(_LARGEST_CHUNK, len(folders) // (4 * workers)))
    with ProcessPoolExecutor(workers, initializer=_begin_worker) as pool:
        return dict(zip(folders, pool.map(study, folders.values(), chunksize=chunk), strict=True))


def _begin_worker() -> None:
    # Parsed values have no reference cycles; searching for cycles takes a quarter of the time.
    gc.disable()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process with its parent. A worker of a parent that was killed would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _study(paths: Sequence[Path], makers: Makers) -> Studied:
    """Read and check the files of one folder, and compute what is kept of the run in it."""
    read: dict[Path, Read] = {}
    contents, plain = {}, {}
    for path in paths:
        try:
            read[path], value, raw = read_plain(path)
        except RecordError as error:
            read[path] = tuple(error.problems)
        else:
            contents[path], plain[path] = content_digest(raw), pickle.dumps(value, protocol=5)
    problems = problems_between(read)
    runs = [] if problems else _runs(read)
    kept = {maker_name(make): pickle.dumps(make(run), protocol=5) for run in runs for make in makers}
    return Studied(tuple(problems), contents, plain, kept)


def _runs(read: Mapping[Path, Read]) -> list[Run]:
    """The run among the files of one folder, which have no problems."""
    return [
        Run(path, found, tuple(_results(path.parent, read)))
        for path, found in read.items()
        if isinstance(found, RunDocument)
    ]


def _results(folder: Path, read: Mapping[Path, Read]) -> list[FrameworkResult]:
    """The results of frameworks among the files of a folder."""
    found = []
    for path, document in read.items():
        if isinstance(document, FrameworkDocument):
            slug = document.framework.slug
            flames = read.get(folder / f"{slug}{FLAME_SUFFIX}")
            graphs = flames if isinstance(flames, FlameDocument) else None
            found.append(FrameworkResult(path, document, graphs))
    return found
