"""A run: cells planned, rounds shuffled, each measurement saved as soon as it is made."""

from __future__ import annotations

import datetime as dt
import platform
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from runners import broker, catalog, environment, machine, measure, revision
from runners.catalog import Framework
from runners.measure import Cell, Conditions, Outcome
from runners.record import (
    BrokerFacts,
    Distribution,
    FrameworkDocument,
    FrameworkFacts,
    Histogram,
    Measurement,
    NothingToDoError,
    Origin,
    RtsiteError,
    RunDocument,
    VariantFacts,
    cell_key,
    save,
)
from runners.record import Cell as CellRecord
from runners.workloads import Profile, Workload

_GENERATOR_PACKAGES = ("picows", "uvloop", "hdrhistogram", "numpy")
OVERHEAD_S = 2.0
"""A measurement's time beside warm-up and window, before any was seen: start, readiness, drain, stop."""


class SaveError(RtsiteError):
    """A result could not be written."""


@dataclass(frozen=True)
class Plan:
    """Which cells are measured, and per round in which order (indexes into ``cells``)."""

    cells: tuple[Cell, ...]
    order: tuple[tuple[int, ...], ...]
    profile: Profile
    seed: int

    @property
    def measurements(self) -> int:
        return len(self.cells) * len(self.order)

    def expected_s(self, overhead_s: float = OVERHEAD_S) -> float:
        """How long all of it takes, environments not included."""
        return self.measurements * (self.profile.warmup_s + self.profile.duration_s + overhead_s)


class Observer(Protocol):
    """Told what happens, in order; decides nothing."""

    def preparing(self, framework: Framework, variant: str) -> None: ...

    def measuring(self, cell: Cell, round_number: int, done: int, plan: Plan) -> None: ...

    def measured(self, cell: Cell, measurement: Measurement, done: int, plan: Plan) -> None: ...


@dataclass
class Summary:
    """What a run came to."""

    path: Path
    measurements: int = 0
    failed: int = 0
    invalid: int = 0


def plan(frameworks: Sequence[Framework], workloads: Sequence[Workload], profile: Profile, seed: int) -> Plan:
    """All cells of the frameworks under the workloads, shuffled anew in each round by the seed.

    Shuffling keeps a slow drift of the machine from always meeting the same cell. Raises
    `NothingToDoError` where no framework implements any of the workloads.
    """
    cells = tuple(
        Cell(framework, variant, workload, case)
        for framework in frameworks
        for variant in framework.variants
        for workload in workloads
        if workload.slug in framework.workloads
        for case in workload.cases
    )
    if not cells:
        raise NothingToDoError("none of these frameworks implements any of these workloads; nothing was measured")
    shuffler = random.Random(seed)
    order = []
    for _ in range(profile.rounds):
        turn = list(range(len(cells)))
        shuffler.shuffle(turn)
        order.append(tuple(turn))
    return Plan(cells, tuple(order), profile, seed)


def with_reference(chosen: Sequence[Framework], known: Sequence[Framework]) -> list[Framework]:
    """The chosen frameworks and the reference, which is measured in every round of every run."""
    present = {framework.slug for framework in chosen}
    return [*chosen, *(framework for framework in known if framework.reference and framework.slug not in present)]


@dataclass
class _CellBook:
    """What is known of a cell so far."""

    measurements: list[Measurement] = field(default_factory=list)
    merged: dict[str, Histogram] = field(default_factory=dict)
    first_valid: Outcome | None = None

    def enter(self, outcome: Outcome) -> None:
        self.measurements.append(outcome.measurement)
        if not outcome.measurement.valid:
            return
        self.first_valid = self.first_valid or outcome
        for name, histogram in outcome.histograms.items():
            known = self.merged.get(name)
            self.merged[name] = histogram if known is None else known.merge(histogram)

    def record(self, cell: Cell) -> CellRecord:
        distributions = {
            name: Distribution(percentiles_ms=histogram.percentiles(), histogram=histogram.encode())
            for name, histogram in self.merged.items()
            if histogram.total
        }
        return CellRecord(
            variant=cell.variant.slug,
            workload=cell.workload.slug,
            workload_version=cell.workload.version,
            parameters=cell.case.parameters,
            latency_kind=cell.case.latency_kind,
            measurements=self.measurements,
            latency=distributions.get("latency"),
            latency_from_send=distributions.get("latency_from_send"),
            push_lateness=distributions.get("push_lateness"),
            timeline=self.first_valid.timeline if self.first_valid else None,
        )


class Run:
    """One run on disk: ``run.yml`` and a file per framework below ``results/<campaign>/<run>/``."""

    def __init__(self, plan: Plan, results: Path, campaign: str | None) -> None:
        started = measure.now()
        self.plan = plan
        self.campaign = campaign or f"local-{started[:10]}"
        self.id, self.path = _fresh_folder(results / self.campaign, started)
        self.summary = Summary(self.path)
        self._books = [_CellBook() for _ in plan.cells]
        self._cores = machine.physical_cores()
        self._variants: dict[str, list[VariantFacts]] = {}
        self._broker: BrokerFacts | None = None
        self._document = self._describe(started)

    def execute(self, observer: Observer) -> Summary:
        """Measure everything; raises `SaveError`, and `KeyboardInterrupt` with all so far on disk."""
        self._save(self._document, "run.yml")
        self._prepare(observer)
        home = machine.usable_cpus()
        done = 0
        try:
            for number, turn in enumerate(self.plan.order, start=1):
                for position, index in enumerate(turn):
                    cell = self.plan.cells[index]
                    observer.measuring(cell, number, done, self.plan)
                    cores = measure.cores_for(cell.case, self._cores)
                    machine.confine(cores.harness)
                    seed = self.plan.seed + 1000 * number + index
                    conditions = Conditions(self.plan.profile, cores, number, position, seed)
                    outcome = measure.measure(cell, conditions)
                    done += 1
                    self._enter(index, outcome)
                    observer.measured(cell, outcome.measurement, done, self.plan)
                self._relate_to_ceiling(number)
        finally:
            machine.confine(sorted(home))
        self._save(self._document.model_copy(update={"finished": measure.now()}), "run.yml")
        return self.summary

    def _describe(self, started: str) -> RunDocument:
        cells = self.plan.cells
        state = revision.describe()
        most_cores = max(cell.case.server_cores for cell in cells)
        workloads = {cell.workload.slug: cell.workload for cell in cells}
        return RunDocument(
            schema_version=1,
            kind="run",
            id=self.id,
            campaign=self.campaign,
            started=started,
            profile=self.plan.profile.slug,
            rounds=len(self.plan.order),
            seed=self.plan.seed,
            rtsite_version=version("rtsite"),
            rtsite_commit=state.commit,
            rtsite_modified=state.modified,
            origin=Origin(kind="local"),
            machine=machine.describe(),
            pinning=machine.share_cores(most_cores, self._cores, pinnable=machine.can_pin()).pinning(),
            generator_packages={name: version(name) for name in _GENERATOR_PACKAGES},
            reference=next((cell.framework.slug for cell in cells if cell.framework.reference), None),
            workloads=[workload.facts() for workload in workloads.values()],
            cells=[
                cell_key(cell.framework.slug, cell.variant.slug, cell.workload.slug, cell.case.parameters)
                for cell in cells
            ],
            order=[list(turn) for turn in self.plan.order],
        )

    def _prepare(self, observer: Observer) -> None:
        """Make the environments before anything is timed; what cannot be made fails again when measured."""
        for cell in self.plan.cells:
            slug = cell.framework.slug
            facts = self._variants.setdefault(slug, [])
            if any(known.slug == cell.variant.slug for known in facts):
                continue
            observer.preparing(cell.framework, cell.variant.slug)
            try:
                installed = environment.prepare(cell.framework, cell.variant)
                packages, python = installed.packages, installed.python_version
            except RtsiteError:
                packages, python = {}, platform.python_version()
            facts.append(
                VariantFacts(
                    slug=cell.variant.slug,
                    title=cell.variant.title,
                    command=" ".join(cell.variant.command),
                    server=cell.variant.server,
                    tuning=cell.variant.tuning,
                    broker=cell.variant.broker,
                    transports=list(cell.variant.transports),
                    packages=packages,
                    python=python,
                )
            )
        if any(cell.variant.broker == "redis" for cell in self.plan.cells):
            try:
                self._broker = broker.find().facts()
            except RtsiteError:
                self._broker = None

    def _enter(self, index: int, outcome: Outcome) -> None:
        measurement = outcome.measurement
        self.summary.measurements += 1
        self.summary.failed += measurement.failure is not None
        self.summary.invalid += measurement.failure is None and not measurement.valid
        self._books[index].enter(outcome)
        self._write(self.plan.cells[index].framework)

    def _relate_to_ceiling(self, round_number: int) -> None:
        """Once a round is complete, set each closed loop beside the reference's in the same round."""
        ceilings: dict[str, float] = {}
        for cell, book in zip(self.plan.cells, self._books, strict=True):
            if cell.framework.reference and cell.case.mode == "closed":
                last = book.measurements[-1]
                if last.round == round_number and last.messages_per_s:
                    ceilings[cell.workload.slug] = last.messages_per_s
        for cell, book in zip(self.plan.cells, self._books, strict=True):
            ceiling = ceilings.get(cell.workload.slug)
            if ceiling and cell.case.mode == "closed":
                book.measurements[-1] = measure.with_share_of_ceiling(book.measurements[-1], ceiling)
        for framework in {cell.framework.slug: cell.framework for cell in self.plan.cells}.values():
            self._write(framework)

    def _write(self, framework: Framework) -> None:
        uses_broker = any(variant.broker == "redis" for variant in framework.variants)
        document = FrameworkDocument(
            schema_version=1,
            kind="framework",
            run=self.id,
            campaign=self.campaign,
            framework=FrameworkFacts(
                slug=framework.slug,
                title=framework.title,
                homepage=framework.homepage,
                protocol=framework.protocol,
                interface=framework.interface,
                package=framework.package,
                is_reference=framework.reference,
                app_sha256=framework.app_sha256,
                sources=framework.sources,
            ),
            broker=self._broker if uses_broker else None,
            variants=self._variants[framework.slug],
            cells=[
                book.record(cell)
                for cell, book in zip(self.plan.cells, self._books, strict=True)
                if cell.framework.slug == framework.slug and book.measurements
            ],
        )
        self._save(document, f"{framework.slug}.yml")

    def _save(self, document: RunDocument | FrameworkDocument, name: str) -> None:
        try:
            save(document, self.path / name)
        except OSError as error:
            raise SaveError(
                f"{self.path / name}: cannot be written: {error.strerror}; make room or choose another folder with"
                " --results; what was measured before stands there, whole"
            ) from error


def _fresh_folder(parent: Path, started: str) -> tuple[str, Path]:
    """An id that no other run in this folder has, made of the time it started."""
    moment = dt.datetime.fromisoformat(started)
    while True:
        name = moment.strftime("%Y%m%dT%H%M%SZ")
        try:
            (parent / name).mkdir(parents=True)
        except FileExistsError:
            moment += dt.timedelta(seconds=1)
        except OSError as error:
            raise SaveError(
                f"{parent / name}: cannot be made: {error.strerror}; choose another folder with --results"
            ) from error
        else:
            return name, parent / name


def choose(wanted: Sequence[str]) -> list[Framework]:
    """The frameworks to measure by name or path, and the reference."""
    known = catalog.discover()
    return with_reference(catalog.choose(wanted, known), known)
