"""A run: a plan executed, each measurement saved as soon as it is made."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from runners import machine, measurement, revision
from runners.campaign.planning import Plan, comparison_key
from runners.judging import thresholds
from runners.measurement import Cell, Conditions, MeasurementResult
from runners.record import (
    SCHEMA_VERSION,
    BrokerFacts,
    CellRecord,
    Distribution,
    FrameworkDocument,
    Histogram,
    Measurement,
    Origin,
    RtsiteError,
    RunDocument,
    Timeline,
    VariantFacts,
    cell_key,
    decisive,
    load_framework,
    load_run,
    save,
)
from runners.serving import broker, environment
from runners.serving.deployment import Deployments
from runners.subjects import profiles, workloads
from runners.subjects.catalog import Framework

_GENERATOR_PACKAGES = ("hdrhistogram", "numba", "numpy", "websockets")
_SAME = (
    "machine",
    "pinning",
    "rtsite_version",
    "rtsite_commit",
    "rtsite_modified",
    "generator_packages",
    "workloads",
    "reference",
)
"""What must not have changed for a run to be continued."""

MOST_TRIES = 2
"""Of one measurement. A machine that spoils the second one too is not one to wait for."""

KEPT_DIGITS = 2
"""Of the merged distributions: one percent is finer than a chart shows, and a sixth of the size of three digits. Each
round's percentiles are of the full histogram."""


class ResumeError(RtsiteError):
    """A run cannot be continued."""


class SaveError(RtsiteError):
    """A result could not be written."""


class Observer(Protocol):
    """Told what happens, in order; decides nothing."""

    def preparing(self, framework: Framework, variant: str) -> None: ...

    def measuring(self, cells: Sequence[Cell], round_number: int, done: int, plan: Plan) -> None: ...

    def under_way(self, text: str) -> None: ...

    def measured(self, cell: Cell, measurement: Measurement, done: int, plan: Plan) -> None: ...


@dataclass(frozen=True)
class RunSummary:
    """What a run came to: a measurement per cell and round, and how many had to be made again for it."""

    path: Path
    measurements: int
    failed: int
    invalid: int
    again: int

    @classmethod
    def of(cls, path: Path, cells: Sequence[Sequence[Measurement]]) -> RunSummary:
        """Of all measurements of every cell."""
        counting = [one for measurements in cells for one in decisive(measurements)]
        return cls(
            path,
            measurements=len(counting),
            failed=sum(one.failure is not None for one in counting),
            invalid=sum(one.failure is None and not one.valid for one in counting),
            again=sum(map(len, cells)) - len(counting),
        )

    def __str__(self) -> str:
        again = f", {self.again} made again" if self.again else ""
        return f"{self.measurements} measurements, {self.failed} failed, {self.invalid} invalid{again}"


@dataclass
class _CellBook:
    """What is known of a cell so far."""

    measurements: list[Measurement] = field(default_factory=list)
    merged: dict[str, Histogram] = field(default_factory=dict)
    timeline: Timeline | None = None
    """Of the first valid round."""

    def enter(self, outcome: MeasurementResult) -> None:
        self.measurements.append(outcome.measurement)
        if not outcome.measurement.valid:
            return
        self.timeline = self.timeline or outcome.timeline
        for name, histogram in outcome.histograms.items():
            known, kept = self.merged.get(name), histogram.thinned(KEPT_DIGITS)
            self.merged[name] = kept if known is None else known.merge(kept)

    def has(self, round_number: int) -> bool:
        return any(measurement.round == round_number for measurement in self.measurements)

    def should_be_made_again(self, round_number: int) -> bool:
        """Whether the machine spoilt it in this round, and not for the second time."""
        tries = [measurement for measurement in self.measurements if measurement.round == round_number]
        return 0 < len(tries) < MOST_TRIES and thresholds.is_disturbed(tries[-1])

    @property
    def again(self) -> int:
        """How many of its measurements were made again."""
        return len(self.measurements) - len(decisive(self.measurements))

    def restore(self, record: CellRecord) -> None:
        """Take over what an earlier invocation wrote."""
        self.measurements = list(record.measurements)
        self.timeline = record.timeline
        distributions = {
            "latency": record.latency,
            "latency_from_send": record.latency_from_send,
            "last_delivery": record.last_delivery,
            "push_lateness": record.push_lateness,
        }
        self.merged = {name: Histogram.decode(known.histogram) for name, known in distributions.items() if known}

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
            parameters=cell.scenario.parameters,
            latency_kind=cell.scenario.latency_kind,
            measurements=self.measurements,
            latency=distributions.get("latency"),
            latency_from_send=distributions.get("latency_from_send"),
            last_delivery=distributions.get("last_delivery"),
            push_lateness=distributions.get("push_lateness"),
            timeline=self.timeline,
        )


class RunExecution:
    """One run on disk: ``run.yml`` and a file per framework below ``results/<campaign>/<run>/``."""

    def __init__(self, plan: Plan, path: Path, document: RunDocument) -> None:
        self.plan = plan
        self.path = path
        self.id, self.campaign = document.id, document.campaign
        self._document = document
        self._books = [_CellBook() for _ in plan.cells]
        self._cores = machine.physical_cores()
        self._variants: dict[str, list[VariantFacts]] = {}
        self._known_variants: dict[str, list[VariantFacts]] = {}
        """Of an interrupted run: what its files say was measured."""
        self._broker: BrokerFacts | None = None

    @classmethod
    def begin(cls, plan: Plan, results: Path, campaign: str | None, *, label: str = "") -> RunExecution:
        """A new run in a folder of its own, ``label`` in its id; raises `SaveError`."""
        started = measurement.now()
        campaign = campaign or f"local-{started[:10]}"
        name, path = _fresh_folder(results / campaign, started, label)
        return cls(plan, path, _describe(plan, name, campaign, started))

    @classmethod
    def resume(cls, path: Path, frameworks: Sequence[Framework]) -> RunExecution:
        """An interrupted run, to be continued by its own plan.

        Raises `RecordError` where its files are broken, and `ResumeError` where it is finished or where
        the machine, the measuring code or what it measures is no longer the same.
        """
        document = load_run(path / "run.yml")
        if document.finished is not None:
            raise ResumeError(f"{path}: this run is finished; there is nothing to resume")
        plan = _plan_of(document, frameworks)
        now = _describe(plan, document.id, document.campaign, document.started)
        differing = [name for name in _SAME if getattr(now, name) != getattr(document, name)]
        if differing:
            told = "; ".join(f"{name}: {getattr(document, name)} then, {getattr(now, name)} now" for name in differing)
            raise ResumeError(f"{path}: cannot be resumed, because something is no longer the same: {told[:1500]}")
        run = cls(plan, path, document)
        run._restore()
        return run

    def _restore(self) -> None:
        """Fill the books from the framework files; raises `RecordError` or `ResumeError`."""
        places = {key: index for index, key in enumerate(self._document.cells)}
        for framework in {cell.framework.slug: cell.framework for cell in self.plan.cells}.values():
            file = self.path / f"{framework.slug}.yml"
            if not file.exists():
                continue
            found = load_framework(file)
            if found.framework.sources != framework.sources:
                raise ResumeError(f"{framework.folder}: changed since {self.path} was begun; start a new run")
            self._known_variants[framework.slug] = found.variants
            for cell in found.cells:
                key = cell_key(framework.slug, cell.variant, cell.workload, cell.parameters)
                self._books[places[key]].restore(cell)

    @property
    def summary(self) -> RunSummary:
        """What it has come to so far."""
        return RunSummary.of(self.path, [book.measurements for book in self._books])

    def execute(self, observer: Observer) -> RunSummary:
        """Measure everything; raises `SaveError`, `ResumeError`, and
        `KeyboardInterrupt` with all so far on disk.
        """
        self._save(self._document, "run.yml")
        self._prepare(observer)
        for slug, known in self._known_variants.items():
            if known != self._variants[slug]:
                raise ResumeError(f"{slug}: other packages are installed than when {self.path} was begun")
        home = machine.usable_cpus()
        try:
            for number, turn in enumerate(self.plan.order, start=1):
                with Deployments(shared=self.plan.profile.shares_servers) as deployments:
                    for group in self.plan.groups(turn):
                        left = [index for index in group if not self._books[index].has(number)]
                        self._measure(left, self._with_company(left, group), number, deployments, observer)
                    for group in self.plan.groups(turn):
                        left = [index for index in group if self._books[index].should_be_made_again(number)]
                        if self._expected_s(left) <= self._spare_s(number):
                            self._measure(left, left, number, deployments, observer)
                self._relate_to_ceiling(number)
        finally:
            machine.confine(sorted(home))
        self._save(self._document.model_copy(update={"finished": measurement.now()}), "run.yml")
        return self.summary

    def _with_company(self, left: list[int], group: Sequence[int]) -> list[int]:
        """Those left of a group; where a run was cut off between saving them, not without the reference beside them."""
        reference = [index for index in group if self.plan.cells[index].framework.reference]
        return left if len(left) == len(group) else [*left, *(index for index in reference if index not in left)]

    def _expected_s(self, indexes: Iterable[int]) -> float:
        return sum(self.plan.profile.expected_s(self.plan.cells[index].scenario) for index in indexes)

    def _spare_s(self, number: int) -> float:
        """What is left of the time for making measurements again, up to this round."""
        spent_s = sum(book.again * self._expected_s([index]) for index, book in enumerate(self._books))
        return self.plan.spare_s(number) - spent_s

    def _measure(
        self, wanted: Sequence[int], company: Sequence[int], number: int, deployments: Deployments, observer: Observer
    ) -> None:
        """Measure the wanted cells of the plan in this round, in company of all these."""
        if not wanted:
            return
        plan = self.plan
        observer.measuring([plan.cells[index] for index in wanted], number, self.summary.measurements, plan)
        cells = [plan.cells[index] for index in company]
        cores = measurement.cores_for(cells[0].scenario, self._cores)
        machine.confine(cores.harness)
        conditions = [self._conditions(index, cores, number) for index in company]
        outcomes = measurement.measure_cells(cells, conditions, deployments, on_progress=observer.under_way)
        for index, outcome in zip(company, outcomes, strict=True):
            if index in wanted:
                self._books[index].enter(outcome)
                self._write(plan.cells[index].framework)
                observer.measured(plan.cells[index], outcome.measurement, self.summary.measurements, plan)

    def _conditions(self, index: int, cores: machine.CoreShare, number: int) -> Conditions:
        """Of a cell in this round: its place, beyond all places if it is measured again, and its seed."""
        turn = self.plan.order[number - 1]
        place = turn.index(index) + (len(turn) if self._books[index].has(number) else 0)
        return Conditions(self.plan.profile, cores, number, place, self.plan.seed + 1000 * number + index)

    def _prepare(self, observer: Observer) -> None:
        """Make the environments before anything is timed; what cannot be made fails again when measured."""
        for cell in self.plan.cells:
            slug = cell.framework.slug
            facts = self._variants.setdefault(slug, [])
            if any(known.slug == cell.variant.slug for known in facts):
                continue
            observer.preparing(cell.framework, cell.variant.slug)
            try:
                installed: environment.Environment | None = environment.prepare_environment(
                    cell.framework, cell.variant
                )
            except RtsiteError:
                installed = None
            facts.append(measurement.variant_facts(cell.variant, installed))
        if any(cell.variant.broker == "redis" for cell in self.plan.cells):
            try:
                self._broker = broker.find_broker().facts()
            except RtsiteError:
                self._broker = None

    def _relate_to_ceiling(self, round_number: int) -> None:
        """Once a round is complete, set each closed loop beside the reference's in the same round."""
        ceilings: dict[str, float] = {}
        for cell, book in zip(self.plan.cells, self._books, strict=True):
            if cell.framework.reference and cell.scenario.mode == "closed":
                last = book.measurements[-1]
                if last.round == round_number and last.messages_per_s:
                    ceilings[comparison_key(cell)] = last.messages_per_s
        for cell, book in zip(self.plan.cells, self._books, strict=True):
            ceiling = ceilings.get(comparison_key(cell))
            if ceiling and cell.scenario.mode == "closed":
                book.measurements[-1] = measurement.with_share_of_ceiling(book.measurements[-1], ceiling)
        for framework in {cell.framework.slug: cell.framework for cell in self.plan.cells}.values():
            self._write(framework)

    def _write(self, framework: Framework) -> None:
        uses_broker = any(variant.broker == "redis" for variant in framework.variants)
        document = FrameworkDocument(
            schema_version=SCHEMA_VERSION,
            kind="framework",
            run=self.id,
            campaign=self.campaign,
            framework=measurement.framework_facts(framework),
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


def _describe(plan: Plan, name: str, campaign: str, started: str) -> RunDocument:
    """The run's document as this machine and this checkout would begin it."""
    cells = plan.cells
    state = revision.describe_revision()
    most_cores = max(cell.scenario.server_cores for cell in cells)
    asked = {cell.workload.slug: cell.workload for cell in cells}
    return RunDocument(
        schema_version=SCHEMA_VERSION,
        kind="run",
        id=name,
        campaign=campaign,
        started=started,
        profile=plan.profile.slug,
        rounds=len(plan.order),
        seed=plan.seed,
        rtsite_version=version("rtsite"),
        rtsite_commit=state.commit,
        rtsite_modified=state.modified,
        origin=_origin(),
        machine=machine.describe_machine(),
        pinning=machine.share_cores(most_cores, machine.physical_cores(), pinnable=machine.can_pin()).pinning(),
        generator_packages={name: version(name) for name in _GENERATOR_PACKAGES},
        reference=next((cell.framework.slug for cell in cells if cell.framework.reference), None),
        workloads=[workload.facts() for workload in asked.values()],
        workload_rounds={
            cell.workload.slug: rounds
            for cell in cells
            if (rounds := plan.profile.rounds_of(cell.scenario)) < plan.profile.rounds
        },
        cells=[
            cell_key(cell.framework.slug, cell.variant.slug, cell.workload.slug, cell.scenario.parameters)
            for cell in cells
        ],
        order=[list(turn) for turn in plan.order],
    )


def _origin() -> Origin:
    """Where this is started, by what hosted runners tell."""
    run_id, server, repository = (
        os.environ.get(f"GITHUB_{name}", "") for name in ("RUN_ID", "SERVER_URL", "REPOSITORY")
    )
    if os.environ.get("GITHUB_ACTIONS") != "true" or not run_id:
        return Origin(kind="local")
    url = f"{server}/{repository}/actions/runs/{run_id}" if server.startswith("https://") and repository else None
    return Origin(kind="github-actions", workflow_run_id=run_id, url=url)


def _plan_of(document: RunDocument, frameworks: Sequence[Framework]) -> Plan:
    """The plan a run was begun with; raises `ResumeError` where a cell of it is no longer there."""
    known = {
        cell_key(framework.slug, variant.slug, workload.slug, scenario.parameters): Cell(
            framework, variant, workload, scenario
        )
        for framework in frameworks
        for variant in framework.variants
        for workload in workloads.WORKLOADS.values()
        for scenario in workload.scenarios
    }
    missing = [key for key in document.cells if key not in known]
    if missing:
        raise ResumeError(f"the cell {missing[0]!r} is not there any more; a folder outside needs --framework PATH")
    profile = profiles.with_rounds(profiles.choose_profile(document.profile), rounds=document.rounds)
    order = tuple(tuple(turn) for turn in document.order)
    return Plan(tuple(known[key] for key in document.cells), order, profile, document.seed)


def _fresh_folder(parent: Path, started: str, label: str) -> tuple[str, Path]:
    """An id that no other run in this folder has, made of the time it started."""
    moment = dt.datetime.fromisoformat(started)
    while True:
        name = moment.strftime("%Y%m%dT%H%M%SZ") + (f"-{label}" if label else "")
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
