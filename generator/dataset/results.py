"""Reads ``results/<campaign>/<run>/*.yml`` into one value; the only module here that opens result files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from runners.record import (
    FLAME_SUFFIX,
    FlameDocument,
    FrameworkDocument,
    Problem,
    RecordError,
    RunDocument,
    UsageError,
    cell_key,
    load_flames,
    load_framework,
    load_run,
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
    def machine_class(self) -> tuple[str, int]:
        """Runs are compared only inside one class: the same CPU model with as many logical CPUs."""
        return self.document.machine.cpu_model, self.document.machine.logical_cpus

    def framework(self, slug: str) -> FrameworkResult | None:
        return next((item for item in self.frameworks if item.document.framework.slug == slug), None)


@dataclass(frozen=True)
class Campaign:
    """Runs of one campaign on machines of one class, newest first: they share out what is asked among them."""

    runs: tuple[Run, ...]

    @property
    def newest(self) -> Run:
        return self.runs[0]


@dataclass(frozen=True)
class Dataset:
    """All runs, newest first."""

    runs: tuple[Run, ...]

    @property
    def published(self) -> tuple[Campaign, ...]:
        """Per machine class the campaign of its newest finished run, else of its newest; the newest class first.

        An interrupted run takes no part where there is a finished one: it would blank most of the site.
        """
        chosen: dict[tuple[str, int], list[Run]] = {}
        for run in sorted(self.runs, key=lambda run: run.document.finished is None):
            runs = chosen.setdefault(run.machine_class, [])
            belongs = not runs or run.document.campaign == runs[0].document.campaign
            if belongs and (not runs or bool(run.document.finished) == bool(runs[0].document.finished)):
                runs.append(run)
        return tuple(sorted((Campaign(tuple(runs)) for runs in chosen.values()), key=lambda one: _age(one.newest)))

    @property
    def headline(self) -> Campaign | None:
        """The campaign whose figures the pages show."""
        return next(iter(self.published), None)


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
    run = _load_run(found[0], problems)
    if run is None:
        raise RecordError(problems)
    return run


def load_results(folder: Path) -> Dataset:
    """Read every run below ``folder``; raises `RecordError` with all problems of all files."""
    problems: list[Problem] = []
    runs: list[Run] = []
    places: dict[str, Path] = {}
    for path in sorted(folder.glob("*/*/run.yml")):
        run = _load_run(path, problems)
        if run is None:
            continue
        earlier = places.setdefault(run.raw, path)
        if earlier != path:
            problems.append(Problem(path, 1, 1, f"campaign and id are those of {earlier} too; a run has its own id"))
        runs.append(run)
    problems += [
        Problem(path, 1, 1, "there is no run.yml beside it, so nothing says how it was measured")
        for path in sorted(folder.glob("*/*/*.yml"))
        if not (path.parent / "run.yml").exists()
    ]
    if problems:
        raise RecordError(problems)
    return Dataset(tuple(sorted(runs, key=_age)))


def _age(run: Run) -> tuple[int, str]:
    """Sorts the newest first; timestamps are fixed-width digits, so the id only breaks ties."""
    digits = "".join(character for character in run.document.started if character.isdigit())
    return -int(digits), run.document.id


def _load_run(path: Path, problems: list[Problem]) -> Run | None:
    """A run, or ``None`` after adding to ``problems`` what keeps it from being read."""
    known = len(problems)
    document = None
    try:
        document = load_run(path)
    except RecordError as error:
        problems += error.problems
    files = [file for file in sorted(path.parent.glob("*.yml")) if file.name != path.name]
    flames: dict[str, FlameDocument] = {}
    frameworks = []
    for file in files:
        found: FrameworkDocument | FlameDocument
        try:
            if file.name.endswith(FLAME_SUFFIX):
                found = load_flames(file)
                slug, name = found.framework, f"{found.framework}{FLAME_SUFFIX}"
                flames[slug] = found
            else:
                found = load_framework(file)
                slug, name = found.framework.slug, f"{found.framework.slug}.yml"
                frameworks.append(FrameworkResult(file, found))
        except RecordError as error:
            problems += error.problems
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
