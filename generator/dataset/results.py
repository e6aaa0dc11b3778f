"""Reads ``results/<campaign>/<run>/*.yml`` into one value; the only module here that opens result files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from generator.dataset.evidence import Evidence, all_evidence
from generator.dataset.reading import Read, read_all
from runners.record import (
    EVIDENCE_FOLDER,
    FLAME_SUFFIX,
    FlameDocument,
    FrameworkDocument,
    Problem,
    RecordError,
    RunDocument,
    UsageError,
    cell_key,
)

Parameters = dict[str, int | float | str]
"""Of a cell, as the schema has them."""


@dataclass(frozen=True)
class FrameworkResult:
    """One ``<framework>.yml`` and where it stands."""

    path: Path
    document: FrameworkDocument
    flames: FlameDocument | None = None
    """What stands in ``<framework>.flame.yml`` beside it, if anything does."""

    @property
    def raw(self) -> str:
        """Where the site publishes this file, below ``data/``; made of checked names, not of the path."""
        return f"{self.document.campaign}/{self.document.run}/{self.document.framework.slug}.yml"

    @property
    def flames_path(self) -> Path:
        return self.path.with_suffix(FLAME_SUFFIX)

    @property
    def flames_raw(self) -> str:
        return self.raw.removesuffix(".yml") + FLAME_SUFFIX


@dataclass(frozen=True)
class Run:
    """One run: ``run.yml`` and the framework files beside it, ordered by slug."""

    path: Path
    document: RunDocument
    frameworks: tuple[FrameworkResult, ...]

    @property
    def raw(self) -> str:
        return f"{self.document.campaign}/{self.document.id}/run.yml"

    @property
    def rounds(self) -> int:
        """How many were measured: a workload that is searched has fewer than its profile."""
        document = self.document
        asked = (document.workload_rounds.get(one.slug, document.rounds) for one in document.workloads)
        return max(asked, default=document.rounds)

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Keys of the planned cells that have no measurement: the run was interrupted."""
        measured = {
            cell_key(item.document.framework.slug, cell.variant, cell.workload, cell.parameters)
            for item in self.frameworks
            for cell in item.document.cells
            if cell.measurements
        }
        return tuple(key for key in self.document.cells if key not in measured)

    @property
    def questions(self) -> Counter[str]:
        """To how many variants each question was put: a workload with its parameters, as cells are named."""
        return Counter(key.split(" ", 1)[1] for key in self.document.cells)

    @property
    def machine_class(self) -> tuple[str, int]:
        """Runs are compared only inside one class: the same CPU model with as many logical CPUs."""
        return self.document.machine.cpu_model, self.document.machine.logical_cpus

    def framework(self, slug: str) -> FrameworkResult | None:
        return next((item for item in self.frameworks if item.document.framework.slug == slug), None)


@dataclass(frozen=True)
class Published:
    """Runs on machines of one class, newest first: they share out among them what is asked."""

    runs: tuple[Run, ...]

    @property
    def newest(self) -> Run:
        return self.runs[0]


@dataclass(frozen=True)
class Dataset:
    """All runs and all evidence, newest first."""

    runs: tuple[Run, ...]
    evidence: tuple[Evidence, ...] = ()

    @property
    def newest_evidence(self) -> dict[str, Evidence]:
        """The newest of each framework, by slug."""
        return {one.document.framework.slug: one for one in reversed(self.evidence)}

    @property
    def published(self) -> tuple[Published, ...]:
        """Per machine class the runs that the pages show; the newest class first.

        The newest campaign's, and older ones for what newer campaigns `hardly` asked: one that measures a few things
        does not blank the site. Nor does an interrupted run, which takes no part where there is a finished one.
        """
        classes: dict[tuple[str, int], list[Run]] = {}
        for run in self.runs:
            classes.setdefault(run.machine_class, []).append(run)
        return tuple(sorted(map(_published, classes.values()), key=lambda one: _age(one.newest)))

    @property
    def headline(self) -> Published | None:
        """The runs whose figures the pages show."""
        return next(iter(self.published), None)


def hardly(asked: int, most: int) -> bool:
    """Whether a question was put to so few variants that an older campaign, which put it to ``most``, answers it."""
    return 2 * asked < most


def _published(runs: Sequence[Run]) -> Published:
    """Of runs of one machine class, newest first."""
    finished = [run for run in runs if run.document.finished is not None]
    campaigns: dict[str, list[Run]] = {}
    for run in finished or runs:
        campaigns.setdefault(run.document.campaign, []).append(run)
    newest, *older = campaigns.values()
    chosen = list(newest)
    for campaign in older:
        asked = _asked(chosen)
        chosen += [run for run in campaign if any(hardly(asked[one], most) for one, most in run.questions.items())]
    return Published(tuple(chosen))


def _asked(runs: Iterable[Run]) -> Counter[str]:
    """To how many variants each question was put by the run that put it to the most."""
    asked: Counter[str] = Counter()
    for run in runs:
        asked |= run.questions
    return asked


def load_single(folder: Path) -> Run:
    """The one run in a folder: the run's own, or its campaign's if there is no other in it.

    Raises `UsageError` where there is none or a choice, `RecordError` with all problems of its files.
    """
    found = [folder / "run.yml"] if (folder / "run.yml").is_file() else sorted(folder.glob("*/run.yml"))
    if len(found) != 1:
        names = ", ".join(str(path.parent) for path in found)
        raise UsageError(
            f"{folder}: {f'holds several runs, name one: {names}' if found else 'holds no run.yml, so it is no run'}"
        )
    problems: list[Problem] = []
    run = _load_run(found[0], problems, read_all(sorted(found[0].parent.glob("*.yml"))))
    if run is None:
        raise RecordError(problems)
    return run


def load_collection(folder: Path) -> dict[str, Evidence]:
    """The evidence in one ``evidence`` folder, by framework. Errors as of `load_single`."""
    problems: list[Problem] = []
    found = all_evidence(read_all(sorted(folder.glob("*.yml"))), problems)
    if problems:
        raise RecordError(problems)
    if not found:
        raise UsageError(f"{folder}: holds no evidence; name a folder results/<campaign>/{EVIDENCE_FOLDER}")
    return {one.document.framework.slug: one for one in found}


def load_results(folder: Path, cache: Path | None = None) -> Dataset:
    """Read every run and all evidence below ``folder``; raises `RecordError` with all problems of all files.

    ``cache``: see `read_all`.
    """
    problems: list[Problem] = []
    runs: list[Run] = []
    places: dict[str, Path] = {}
    paths = sorted(folder.glob("*/*/*.yml"))
    found = read_all([path for path in paths if _belongs(path)], cache)
    beside: dict[Path, dict[Path, Read]] = {}
    for path, read in found.items():
        beside.setdefault(path.parent, {})[path] = read
    for path in (path for path in paths if path.name == "run.yml" and path.parent.name != EVIDENCE_FOLDER):
        run = _load_run(path, problems, beside[path.parent])
        if run is None:
            continue
        earlier = places.setdefault(run.raw, path)
        if earlier != path:
            problems.append(Problem(path, 1, 1, f"campaign and id are those of {earlier} too; a run has its own id"))
        runs.append(run)
    problems += [
        Problem(path, 1, 1, "there is no run.yml beside it, so nothing says how it was measured")
        for path in paths
        if path.parent.name != EVIDENCE_FOLDER and not (path.parent / "run.yml").exists()
    ]
    evidence = all_evidence(found, problems)
    if problems:
        raise RecordError(problems)
    return Dataset(tuple(sorted(runs, key=_age)), evidence)


def _belongs(path: Path) -> bool:
    """Whether anything says what the file is part of."""
    return path.parent.name == EVIDENCE_FOLDER or (path.parent / "run.yml").exists()


def _age(run: Run) -> tuple[int, str]:
    """Sorts the newest first; timestamps are fixed-width digits, so the id only breaks ties."""
    digits = "".join(character for character in run.document.started if character.isdigit())
    return -int(digits), run.document.id


def _load_run(path: Path, problems: list[Problem], read: Mapping[Path, Read]) -> Run | None:
    """A run of the files in its folder, or ``None`` after adding to ``problems`` what keeps it from being one."""
    known = len(problems)
    own = read[path]
    document = own if isinstance(own, RunDocument) else None
    if isinstance(own, tuple):
        problems += own
    flames: dict[str, FlameDocument] = {}
    frameworks = []
    for file, found in read.items():
        if file == path:
            continue
        if isinstance(found, FlameDocument):
            slug, name = found.framework, f"{found.framework}{FLAME_SUFFIX}"
            flames[slug] = found
        elif isinstance(found, FrameworkDocument):
            slug, name = found.framework.slug, f"{found.framework.slug}.yml"
            frameworks.append(FrameworkResult(file, found))
        else:
            problems += found if isinstance(found, tuple) else ()
            continue
        if document and (found.run, found.campaign) != (document.id, document.campaign):
            problems.append(
                Problem(
                    file,
                    1,
                    1,
                    f"belongs to run {found.campaign}/{found.run}, but stands beside the run.yml of"
                    f" {document.campaign}/{document.id}; move it to its own folder",
                )
            )
        if file.name != name:
            problems.append(Problem(file, 1, 1, f"holds {slug}; name it {name}"))
        if found.kind == "flame" and not file.with_name(f"{slug}.yml").is_file():
            problems.append(Problem(file, 1, 1, f"there is no {slug}.yml beside it, so it belongs to no figures"))
    if document is None or len(problems) > known:
        return None
    return Run(
        path,
        document,
        tuple(replace(result, flames=flames.get(result.document.framework.slug)) for result in frameworks),
    )
