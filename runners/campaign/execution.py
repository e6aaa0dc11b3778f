"""The execution of a run: it follows a plan and saves each measurement at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from runners import idle_cpus, machine, measurement
from runners.campaign.cell_journal import CellJournal
from runners.campaign.next_round import further_round, look_at
from runners.campaign.observer import RunObserver, RunSummary
from runners.campaign.planning import Limits, Plan, comparison_key
from runners.campaign.run_document import ResumeError, check_unchanged, describe_run, key_of, plan_of, with_look
from runners.campaign.run_files import RunFiles
from runners.campaign.shares import load_of, search_key
from runners.loading.load_place import THIS_MACHINE, LoadPlace
from runners.measurement import Conditions, MeasurementResult
from runners.record import (
    SCHEMA_VERSION,
    Advice,
    BrokerFacts,
    Failure,
    FrameworkDocument,
    Measurement,
    ProxyFacts,
    RtsiteError,
    RunDocument,
    VariantFacts,
    cell_key,
    decisive,
)
from runners.record.schema import BrokerName
from runners.serving import broker, environment, proxy
from runners.serving.deployment import Deployments
from runners.subjects.catalog import Framework
from runners.subjects.topologies import TOPOLOGIES


class Adviser(Protocol):
    """Knows what further rounds of a run would decide. It is called after each round, while nothing is measured."""

    def __call__(self, run: RunDocument, frameworks: Sequence[FrameworkDocument], folder: Path, /) -> Advice:
        """``run``, ``frameworks``: the documents of the run so far. ``folder``: that of the run. Beside it are other
        runs of the campaign.
        """


class RunExecution:
    """One run on disk. Cells are identified by their index in the plan.

    The plan of an adaptive run grows by a round after each look. ``adviser``: of an adaptive run. ``clock``: of seconds
    that never go back. ``place``: where the load comes from.
    """

    def __init__(
        self,
        plan: Plan,
        files: RunFiles,
        document: RunDocument,
        adviser: Adviser | None = None,
        clock: Callable[[], float] = time.monotonic,
        place: LoadPlace = THIS_MACHINE,
    ) -> None:
        if plan.limits is not None and adviser is None:
            raise ValueError("an adaptive run needs an adviser")
        self.plan = plan
        self._adviser = adviser
        self._clock = clock
        self._place = place
        self._began = 0.0
        """The clock when this invocation began to measure."""
        self._spent_before_s = 0.0
        """Seconds of measuring in earlier invocations."""
        self._files = files
        self._document = document
        self._journals = [CellJournal(cell) for cell in plan.cells]
        self._cores = machine.physical_cores()
        self._variants: dict[str, list[VariantFacts]] = {}
        self._proxies: dict[str, ProxyFacts] = {}
        """Variants with their installed packages, by framework."""
        self._resumed_variants: dict[str, list[VariantFacts]] = {}
        """The same from the files of an interrupted run."""
        self._brokers: dict[BrokerName, BrokerFacts] = {}

    @classmethod
    def begin(
        cls,
        plan: Plan,
        results: Path,
        campaign: str | None,
        *,
        label: str = "",
        adviser: Adviser | None = None,
        clock: Callable[[], float] = time.monotonic,
        place: LoadPlace = THIS_MACHINE,
    ) -> RunExecution:
        """Start a new run in a new folder, with ``label`` in its ID; raises `SaveError`."""
        started = measurement.now()
        campaign = campaign or f"local-{started[:10]}"
        files = RunFiles.create(results / campaign, started, label)
        described = describe_run(plan, files.path.name, campaign, started, place.hosts)
        document = described.model_copy(update={"idle_wake_us": idle_cpus.wake_up_us()})
        return cls(plan, files, document, adviser, clock, place)

    @classmethod
    def resume(
        cls,
        path: Path,
        frameworks: Sequence[Framework],
        *,
        adviser: Adviser | None = None,
        clock: Callable[[], float] = time.monotonic,
        place: LoadPlace = THIS_MACHINE,
    ) -> RunExecution:
        """Continue an interrupted run with its own plan. Looks that were written are not repeated.

        Raises `RecordError` if its files are broken, and `ResumeError` if it is finished, or if the machine, the
        measuring code or a framework has changed.
        """
        files = RunFiles(path)
        document = files.load_run()
        if document.finished is not None:
            raise ResumeError(f"{path}: this run is finished; there is nothing to resume")
        plan = plan_of(document, frameworks)
        check_unchanged(document, plan, path, place.hosts)
        run = cls(plan, files, document, adviser, clock, place)
        run._restore()
        run._spent_before_s = run._spent_before()
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

        Raises `SaveError`, `ResumeError`, `HostLostError` and `KeyboardInterrupt`. Everything measured so far is then
        on disk.
        """
        observer.started(self.path, self.summary.measurements, self.plan)
        self._files.save_run(self._document)
        self._prepare_environments(observer)
        usable_cpus = machine.usable_cpus()
        self._began = self._clock()
        number = 0
        try:
            while number < len(self.plan.order) or self._adds_round(observer):
                number += 1
                self._execute_round(number, self.plan.order[number - 1], observer)
        finally:
            machine.confine(sorted(usable_cpus))
        self._files.save_run(self._document.model_copy(update={"finished": measurement.now()}))
        observer.finished(self.summary, self.plan)
        return self.summary

    def _adds_round(self, observer: RunObserver) -> bool:
        """Look at the results, and add a round to the plan if it would decide something. Both are on disk afterwards.

        A look that was written before an interruption has its round in the plan, or was the last one.
        """
        limits, adaptive = self.plan.limits, self._document.adaptive
        if limits is None or self._adviser is None or adaptive is None or adaptive.ended is not None:
            return False
        documents = [self._framework_document(framework) for framework in self._frameworks()]
        advice = self._adviser(self._document, documents, self.path)
        spent_s = self._spent_s
        turn, ended = further_round(self.plan, limits, advice, self._seconds_left(limits, spent_s))
        look = look_at(self.plan, advice, turn, spent_s)
        self._document = with_look(self._document, look, turn, ended)
        self._files.save_run(self._document)
        if turn:
            self.plan = replace(self.plan, order=(*self.plan.order, turn))
        observer.looked(look, ended, self.plan)
        return bool(turn)

    @property
    def _spent_s(self) -> float:
        """Seconds of measuring so far, without installation and interruptions."""
        return self._spent_before_s + self._clock() - self._began

    def _spent_before(self) -> float:
        """Seconds of measuring before an interruption: until the last look as it says, and since then as planned."""
        looks = self._document.adaptive.looks if self._document.adaptive else []
        after = looks[-1].after_round if looks else 0
        since = [
            index for index, journal in enumerate(self._journals) for one in journal.measurements if one.round > after
        ]
        return (looks[-1].spent_s if looks else 0.0) + self._expected_s(since)

    def _seconds_left(self, limits: Limits, spent_s: float) -> float:
        """Planned seconds for which there is time, at the pace so far. It includes repeated measurements."""
        return (limits.budget_s - spent_s) * self.plan.expected_s() / max(spent_s, 1e-9)

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
        on_pythons: dict[tuple[str, str], dict[str, measurement.Cell]] = {}
        for cell in self.plan.cells:
            on_pythons.setdefault((cell.framework.slug, cell.variant.slug), {}).setdefault(cell.variant.python, cell)
        for (slug, variant), cells in on_pythons.items():
            first, *_ = cells.values()
            observer.preparing(first.framework, variant)
            main, *others = (self._environment_of(cell) for cell in cells.values())
            further = dict(zip(list(cells)[1:], others, strict=True))
            self._variants.setdefault(slug, []).append(measurement.variant_facts(first.variant, main, further))
        for name in {cell.variant.broker for cell in self.plan.cells if cell.variant.uses_broker}:
            with contextlib.suppress(RtsiteError):  # it is recorded when a cell is measured
                self._brokers[name] = broker.find_broker(name).facts()
        for topology in {one for cell in self.plan.cells if TOPOLOGIES[one := cell.variant.topology].is_proxy}:
            with contextlib.suppress(RtsiteError):  # it is recorded when a cell is measured
                is_sticky = any(
                    cell.variant.topology == topology
                    and proxy.needs_sticky_sessions(cell.framework, cell.variant, cell.scenario.workers)
                    for cell in self.plan.cells
                )
                self._proxies[topology] = proxy.find_proxy(topology).facts(is_sticky=is_sticky)
        for slug, variants in self._resumed_variants.items():
            if variants != self._variants[slug]:
                raise ResumeError(f"{slug}: the installed packages have changed since {self.path} was started")

    def _environment_of(self, cell: measurement.Cell) -> environment.Environment | None:
        try:
            return environment.prepare_environment(cell.framework, cell.variant)
        except RtsiteError:
            return None

    def _execute_round(self, number: int, turn: Sequence[int], observer: RunObserver) -> None:
        """Measure every cell of the round, then repeat the disturbed measurements while there is time."""
        groups = self.plan.groups(turn)
        with Deployments(shared=self.plan.profile.shares_servers, address=self._place.address) as deployments:
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
        cores = measurement.cores_for(plan.cells[together[0]].scenario, self._cores)
        machine.confine(cores.harness)
        conditions = {index: self._conditions(index, cores, number) for index in together}
        cells, results = self._with_rates(together, conditions)
        if cells:
            measured = measurement.measure_cells(
                list(cells.values()),
                [conditions[index] for index in cells],
                deployments,
                on_progress=observer.progress,
            )
            results |= dict(zip(cells, measured, strict=True))
        for index in together:
            if index in wanted:
                self._journals[index].add(results[index])
                self._save_framework(plan.cells[index].framework)
                observer.measured(plan.cells[index], results[index].measurement, self.summary.measurements, plan)

    def _with_rates(
        self, together: Sequence[int], conditions: Mapping[int, Conditions]
    ) -> tuple[dict[int, measurement.Cell], dict[int, MeasurementResult]]:
        """The cells to measure, each with its rate, by index; and the results of those whose rate is not known."""
        cells: dict[int, measurement.Cell] = {}
        failed: dict[int, MeasurementResult] = {}
        for index in together:
            cell = self.plan.cells[index]
            if (share := cell.scenario.share) is None:
                cells[index] = cell
                continue
            load = load_of(share.percent, self._searches_of(cell))
            if isinstance(load, Failure):
                failed[index] = measurement.unmeasured(conditions[index], load)
            else:
                cells[index] = replace(cell, load=load, scenario=cell.scenario.at_rate(load.rate_per_s))
        return cells, failed

    def _searches_of(self, cell: measurement.Cell) -> list[Measurement]:
        """What this run has measured so far of the search on which the cell's rate depends."""
        key = search_key(cell)
        return [
            one for journal in self._journals if key_of(journal.cell) == key for one in decisive(journal.measurements)
        ]

    def _conditions(self, index: int, cores: machine.CoreShare, number: int) -> Conditions:
        """The conditions of a cell in a round. A repeated measurement has a position after all others."""
        turn = self.plan.order[number - 1]
        position = turn.index(index) + (len(turn) if self._journals[index].is_measured_in(number) else 0)
        seed = self.plan.seed + 1000 * number + index
        earlier = tuple(one for one in self._journals[index].measurements if one.round < number)
        return Conditions(self.plan.profile, cores, number, position, seed, earlier, self._place)

    def _relate_to_ceiling(self, round_number: int) -> None:
        """After a round, relate each closed loop to the reference's closed loop in the same round."""
        closed = [journal for journal in self._journals if journal.cell.scenario.mode == "closed"]
        ceilings: dict[str, float] = {}
        for journal in closed:
            if not journal.cell.framework.reference or not journal.is_last_in(round_number):
                continue
            if messages_per_s := journal.measurements[-1].messages_per_s:
                ceilings[comparison_key(journal.cell)] = messages_per_s
        for journal in closed:
            ceiling = ceilings.get(comparison_key(journal.cell))
            if ceiling and journal.is_last_in(round_number):
                journal.relate_to_ceiling(ceiling)
        for framework in self._frameworks():
            self._save_framework(framework)

    def _save_framework(self, framework: Framework) -> None:
        self._files.save_framework(self._framework_document(framework))

    def _framework_document(self, framework: Framework) -> FrameworkDocument:
        used = {variant.broker for variant in framework.variants}
        brokers = {name: facts for name, facts in sorted(self._brokers.items()) if name in used}
        return FrameworkDocument(
            schema_version=SCHEMA_VERSION,
            kind="framework",
            run=self._document.id,
            campaign=self._document.campaign,
            framework=measurement.framework_facts(framework),
            broker=brokers.pop("redis", None),
            brokers=dict(brokers.items()),
            proxies=self._proxies,
            variants=self._variants[framework.slug],
            cells=[
                journal.to_record()
                for journal in self._journals
                if journal.cell.framework.slug == framework.slug and journal.measurements
            ],
        )
