"""The execution of a run: it follows a plan and saves each measurement at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from runners import machine, measurement
from runners.campaign.cell_journal import CellJournal
from runners.campaign.observer import RunObserver, RunSummary
from runners.campaign.planning import Plan, comparison_key
from runners.campaign.run_document import ResumeError, check_unchanged, describe_run, key_of, plan_of
from runners.campaign.run_files import RunFiles
from runners.measurement import Conditions
from runners.record import (
    SCHEMA_VERSION,
    BrokerFacts,
    FrameworkDocument,
    RtsiteError,
    RunDocument,
    VariantFacts,
    cell_key,
)
from runners.serving import broker, environment
from runners.serving.deployment import Deployments
from runners.subjects.catalog import Framework


class RunExecution:
    """One run on disk. Cells are identified by their index in the plan."""

    def __init__(self, plan: Plan, files: RunFiles, document: RunDocument) -> None:
        self.plan = plan
        self._files = files
        self._document = document
        self._journals = [CellJournal(cell) for cell in plan.cells]
        self._cores = machine.physical_cores()
        self._variants: dict[str, list[VariantFacts]] = {}
        """Variants with their installed packages, by framework."""
        self._resumed_variants: dict[str, list[VariantFacts]] = {}
        """The same from the files of an interrupted run."""
        self._broker: BrokerFacts | None = None

    @classmethod
    def begin(cls, plan: Plan, results: Path, campaign: str | None, *, label: str = "") -> RunExecution:
        """Start a new run in a new folder, with ``label`` in its ID; raises `SaveError`."""
        started = measurement.now()
        campaign = campaign or f"local-{started[:10]}"
        files = RunFiles.create(results / campaign, started, label)
        return cls(plan, files, describe_run(plan, files.path.name, campaign, started))

    @classmethod
    def resume(cls, path: Path, frameworks: Sequence[Framework]) -> RunExecution:
        """Continue an interrupted run with its own plan.

        Raises `RecordError` if its files are broken, and `ResumeError` if it is finished, or if the machine, the
        measuring code or a framework has changed.
        """
        files = RunFiles(path)
        document = files.load_run()
        if document.finished is not None:
            raise ResumeError(f"{path}: this run is finished; there is nothing to resume")
        plan = plan_of(document, frameworks)
        check_unchanged(document, plan, path)
        run = cls(plan, files, document)
        run._restore()
        return run

    @property
    def path(self) -> Path:
        return self._files.path

    @property
    def summary(self) -> RunSummary:
        """The counts so far."""
        measured = [
            (f"{journal.cell.framework.slug}/{journal.cell.variant.slug}", journal.measurements)
            for journal in self._journals
        ]
        return RunSummary.of_measurements(self.path, measured)

    def execute(self, observer: RunObserver) -> RunSummary:
        """Make all remaining measurements.

        Raises `SaveError`, `ResumeError` and `KeyboardInterrupt`. Everything measured so far is then on disk.
        """
        observer.started(self.path, self.summary.measurements, self.plan)
        self._files.save_run(self._document)
        self._prepare_environments(observer)
        usable_cpus = machine.usable_cpus()
        try:
            for number, turn in enumerate(self.plan.order, start=1):
                self._execute_round(number, turn, observer)
        finally:
            machine.confine(sorted(usable_cpus))
        self._files.save_run(self._document.model_copy(update={"finished": measurement.now()}))
        observer.finished(self.summary, self.plan)
        return self.summary

    def _restore(self) -> None:
        """Fill the journals from the framework files; raises `RecordError` or `ResumeError`."""
        journals = {key_of(journal.cell): journal for journal in self._journals}
        for framework in self._frameworks():
            saved = self._files.load_framework(framework.slug)
            if saved is None:
                continue
            if saved.framework.sources != framework.sources:
                raise ResumeError(f"{framework.folder}: changed since {self.path} was started; start a new run")
            self._resumed_variants[framework.slug] = saved.variants
            for cell in saved.cells:
                journals[cell_key(framework.slug, cell.variant, cell.workload, cell.parameters)].restore(cell)

    def _frameworks(self) -> list[Framework]:
        return list({cell.framework.slug: cell.framework for cell in self.plan.cells}.values())

    def _prepare_environments(self, observer: RunObserver) -> None:
        """Install every environment before anything is timed. A failed installation is recorded when its cell is
        measured.

        Raises `ResumeError` if the installed packages differ from those at the start of the run.
        """
        for cell in {(cell.framework.slug, cell.variant.slug): cell for cell in self.plan.cells}.values():
            observer.preparing(cell.framework, cell.variant.slug)
            installed: environment.Environment | None
            try:
                installed = environment.prepare_environment(cell.framework, cell.variant)
            except RtsiteError:
                installed = None
            facts = measurement.variant_facts(cell.variant, installed)
            self._variants.setdefault(cell.framework.slug, []).append(facts)
        if any(cell.variant.uses_broker for cell in self.plan.cells):
            try:
                self._broker = broker.find_broker().facts()
            except RtsiteError:
                self._broker = None
        for slug, variants in self._resumed_variants.items():
            if variants != self._variants[slug]:
                raise ResumeError(f"{slug}: the installed packages have changed since {self.path} was started")

    def _execute_round(self, number: int, turn: Sequence[int], observer: RunObserver) -> None:
        """Measure every cell of the round, then repeat the disturbed measurements while there is time."""
        groups = self.plan.groups(turn)
        with Deployments(shared=self.plan.profile.shares_servers) as deployments:
            for group in groups:
                left = [index for index in group if not self._journals[index].is_measured_in(number)]
                self._measure(left, self._with_reference(left, group), number, deployments, observer)
            for group in groups:
                disturbed = [index for index in group if self._journals[index].needs_repetition(number)]
                again = self._with_reference(disturbed, group)
                if self._expected_s(again) <= self._spare_s(number):
                    self._measure(disturbed, again, number, deployments, observer)
        self._relate_to_ceiling(number)

    def _with_reference(self, left: list[int], group: Sequence[int]) -> list[int]:
        """The remaining cells of a group, and the reference if the group has one, even if it was measured before."""
        reference = [index for index in group if self.plan.cells[index].framework.reference]
        return [*left, *(index for index in reference if index not in left)] if left else []

    def _expected_s(self, indexes: Iterable[int]) -> float:
        return sum(self.plan.profile.expected_s(self.plan.cells[index].scenario) for index in indexes)

    def _spare_s(self, number: int) -> float:
        """Seconds left for repeating measurements, up to this round."""
        spent_s = sum(journal.repetitions * self._expected_s([index]) for index, journal in enumerate(self._journals))
        return self.plan.spare_s(number) - spent_s

    def _measure(
        self,
        wanted: Sequence[int],
        together: Sequence[int],
        number: int,
        deployments: Deployments,
        observer: RunObserver,
    ) -> None:
        """Measure all cells in ``together``, and keep the measurements of those in ``wanted``."""
        if not wanted:
            return
        plan = self.plan
        observer.measuring([plan.cells[index] for index in wanted], number, self.summary.measurements, plan)
        cells = [plan.cells[index] for index in together]
        cores = measurement.cores_for(cells[0].scenario, self._cores)
        machine.confine(cores.harness)
        conditions = [self._conditions(index, cores, number) for index in together]
        results = measurement.measure_cells(cells, conditions, deployments, on_progress=observer.progress)
        for index, result in zip(together, results, strict=True):
            if index in wanted:
                self._journals[index].add(result)
                self._save_framework(plan.cells[index].framework)
                observer.measured(plan.cells[index], result.measurement, self.summary.measurements, plan)

    def _conditions(self, index: int, cores: machine.CoreShare, number: int) -> Conditions:
        """The conditions of a cell in a round. A repeated measurement has a position after all others."""
        turn = self.plan.order[number - 1]
        position = turn.index(index) + (len(turn) if self._journals[index].is_measured_in(number) else 0)
        return Conditions(self.plan.profile, cores, number, position, self.plan.seed + 1000 * number + index)

    def _relate_to_ceiling(self, round_number: int) -> None:
        """After a round, relate each closed loop to the reference's closed loop in the same round."""
        closed = [journal for journal in self._journals if journal.cell.scenario.mode == "closed"]
        ceilings: dict[str, float] = {}
        for journal in closed:
            if not journal.cell.framework.reference:
                continue
            last = journal.measurements[-1]
            if last.round == round_number and last.messages_per_s:
                ceilings[comparison_key(journal.cell)] = last.messages_per_s
        for journal in closed:
            if ceiling := ceilings.get(comparison_key(journal.cell)):
                journal.relate_to_ceiling(ceiling)
        for framework in self._frameworks():
            self._save_framework(framework)

    def _save_framework(self, framework: Framework) -> None:
        uses_broker = any(variant.uses_broker for variant in framework.variants)
        document = FrameworkDocument(
            schema_version=SCHEMA_VERSION,
            kind="framework",
            run=self._document.id,
            campaign=self._document.campaign,
            framework=measurement.framework_facts(framework),
            broker=self._broker if uses_broker else None,
            variants=self._variants[framework.slug],
            cells=[
                journal.to_record()
                for journal in self._journals
                if journal.cell.framework.slug == framework.slug and journal.measurements
            ],
        )
        self._files.save_framework(document)
