"""The runs of ``results/<campaign>/<run>/*.yml``, and which of them pages show."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

from generator.dataset.collected_evidence import Evidence
from generator.dataset.machine_class import MachineClass
from generator.dataset.todays_workloads import Definition
from runners.record import (
    FLAME_SUFFIX,
    SETTING_PARAMETERS,
    USUAL_TOPOLOGY,
    FlameDocument,
    FrameworkDocument,
    RunDocument,
    Topology,
    cell_key,
    scenario_of,
    setting_of,
    setting_parameters,
    without_setting,
)

Parameters = dict[str, int | float | str]
"""The parameters of a cell, in the schema's form."""
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class FrameworkResult:
    """One ``<framework>.yml`` and its path."""

    path: Path
    document: FrameworkDocument
    flames: FlameDocument | None = None
    """The content of ``<framework>.flame.yml`` in the same folder, if it exists."""

    @property
    def raw(self) -> str:
        """The path of this file on the site, below ``data/``; made of validated names, not of the path read."""
        return f"{self.document.campaign}/{self.document.run}/{self.document.framework.slug}.yml"

    @property
    def flames_path(self) -> Path:
        return self.path.with_suffix(FLAME_SUFFIX)

    @property
    def flames_raw(self) -> str:
        return self.raw.removesuffix(".yml") + FLAME_SUFFIX


class LaterResults(Sequence[FrameworkResult]):
    """Results that are read when one of them is needed: pages show those of a few of all runs."""

    def __init__(self, read: Callable[[], Iterable[FrameworkResult]]) -> None:
        self._read = read

    @cached_property
    def _all(self) -> tuple[FrameworkResult, ...]:
        return tuple(self._read())

    @overload
    def __getitem__(self, index: int) -> FrameworkResult: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FrameworkResult]: ...
    def __getitem__(self, index: int | slice) -> FrameworkResult | Sequence[FrameworkResult]:
        return self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[FrameworkResult]:
        return iter(self._all)

    def __eq__(self, other: object) -> bool:
        return self._all == (other._all if isinstance(other, LaterResults) else other)


class FrameworkName(NamedTuple):
    """A framework that a run measured."""

    slug: str
    title: str
    is_reference: bool


@dataclass(frozen=True)
class RunFacts:
    """What pages say about every run, also about one whose measurements they do not show."""

    frameworks: tuple[FrameworkName, ...]
    flamed: tuple[str, ...]
    """Slugs of those with flame graphs."""
    headlines: Mapping[str, str]
    """The slug of the recorded headline variant of each framework that has one."""
    counts: Mapping[str, int]
    """Number of measurements: ``planned``; the last one of each cell and round (``measurements``), and those made
    before it (``repeated``); of the last ones ``valid``, ``invalid`` and ``failed``."""
    left_out: tuple[tuple[str, str, int], ...]
    """Values that were not known well enough: the field, why, and in how many measurements."""


@dataclass(frozen=True)
class Run:
    """One run: ``run.yml`` and the framework files in its folder, ordered by slug."""

    path: Path
    document: RunDocument
    frameworks: Sequence[FrameworkResult]
    python: str = ""
    """Of a part (`by_setting`): the version of Python that ran its servers, if it was not the one of the harness."""
    topology: Topology = USUAL_TOPOLOGY
    """Of a part: what was between its servers and the clients."""
    memory: dict[str, bytes] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What functions made of the files of this run, pickled, by their names (`maker_name`). It is not that of a changed
    copy, such as a part."""
    _made: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def kept(self, make: Callable[[Run], Kept]) -> Kept:
        """What ``make`` makes of this run. It is called once, and not if the memory has it."""
        name = maker_name(make)
        if name not in self._made:
            found = self.memory.get(name)
            self._made[name] = make(self) if found is None else pickle.loads(found)  # noqa: S301 - our own
        made: Kept = self._made[name]
        return made

    @property
    def facts(self) -> RunFacts:
        return self.kept(facts_of)

    @property
    def files(self) -> Iterator[tuple[str, Path]]:
        """Its result files: path on the site below ``data/``, and path."""
        yield self.raw, self.path
        names = [f"{one.slug}.yml" for one in self.facts.frameworks]
        for name in [*names, *(f"{slug}{FLAME_SUFFIX}" for slug in self.facts.flamed)]:
            yield f"{self.document.campaign}/{self.document.id}/{name}", self.path.with_name(name)

    @property
    def raw(self) -> str:
        return f"{self.document.campaign}/{self.document.id}/run.yml"

    @property
    def age(self) -> tuple[int, str]:
        """Sort key for newest first; timestamps have a fixed width. The id orders runs with the same timestamp."""
        digits = "".join(character for character in self.document.started if character.isdigit())
        return -int(digits), self.document.id

    @property
    def rounds(self) -> int:
        """The number of measured rounds; a workload with a capacity search has fewer than the profile."""
        document = self.document
        if document.adaptive is not None:
            return document.rounds
        rounds = (document.workload_rounds.get(one.slug, document.rounds) for one in document.workloads)
        return max(rounds, default=document.rounds)

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Keys of the planned cells without a measurement, as after an interruption."""
        measured = {
            cell_key(item.document.framework.slug, cell.variant, cell.workload, cell.parameters)
            for item in self.frameworks
            for cell in item.document.cells
            if cell.measurements
        }
        return tuple(key for key in self.document.cells if key not in measured)

    @property
    def scenarios(self) -> Counter[str]:
        """The number of variants of each scenario, named by workload and parameters as in a cell key."""
        return Counter(map(scenario_of, self.document.cells))

    def only(self, scenarios: Set[str]) -> Run:
        """The run with only these scenarios."""
        if scenarios >= self.scenarios.keys():
            return self
        slugs = {scenario.split(" ", 1)[0] for scenario in scenarios}
        planned = [workload for workload in self.document.workloads if workload.slug in slugs]

        def cut() -> Iterator[FrameworkResult]:
            kept = (replace(item, document=_cut(item.document, scenarios)) for item in self.frameworks)
            return (item for item in kept if item.document.cells)

        return replace(
            self,
            document=_with_cells(self.document, scenarios).model_copy(update={"workloads": planned}),
            frameworks=LaterResults(cut),
        )

    @cached_property
    def machine_class(self) -> MachineClass:
        """Runs are put together only within one class."""
        return MachineClass.of(self.document.machine, self.python, self.topology, self.document.load_hosts)

    @property
    def servers_python(self) -> str:
        """The version of Python that ran its servers, as exactly as it is known."""
        return self.python or self.document.machine.python

    @cached_property
    def by_setting(self) -> tuple[Run, ...]:
        """Its parts, one per version of Python that ran the servers and per topology, in the order of the plan.

        The cells of a part do not name these, so they are compared with those of other runs under the same.
        """
        settings: dict[tuple[str, Topology], set[str]] = {}
        for scenario in self.scenarios:
            settings.setdefault(setting_of(scenario), set()).add(scenario)
        if settings.keys() <= {("", USUAL_TOPOLOGY)}:  # none is named
            return (self,)
        return tuple(_under(self.only(scenarios), *setting) for setting, scenarios in settings.items())

    @property
    def setting(self) -> Parameters:
        """Of a part: the parameters that its cells do not name any more."""
        return setting_parameters(self.python, self.topology)

    @property
    def usual(self) -> Run:
        """The part that is followed over time: directly and on the harness's version of Python, or else the first."""
        return min(self.by_setting, key=lambda part: (part.topology != USUAL_TOPOLOGY, bool(part.python)))

    def framework(self, slug: str) -> FrameworkResult | None:
        return next((item for item in self.frameworks if item.document.framework.slug == slug), None)


@dataclass(frozen=True)
class Dataset:
    """All runs and all evidence, newest first."""

    runs: tuple[Run, ...]
    evidence: tuple[Evidence, ...] = ()
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    """Workloads as they are defined today, by slug."""

    def with_abilities(self, cannot: Mapping[str, Mapping[str, str]]) -> Dataset:
        """The same results, of frameworks that do not support these workloads: by slug, the reasons by workload.

        An application can do more today than when it was measured. What it cannot do is a fact about it, not a result.
        """

        def today(run: Run) -> Run:
            found = replace(
                run, frameworks=LaterResults(lambda: (_with_abilities(one, cannot) for one in run.frameworks))
            )
            found.memory.update(run.memory)  # nothing in it depends on abilities
            return found

        return replace(self, runs=tuple(map(today, self.runs)))

    @cached_property
    def parts(self) -> tuple[Run, ...]:
        """What pages put together and compare: each run, divided by what ran the servers and what was between them and
        the clients.
        """
        return tuple(part for run in self.runs for part in run.by_setting)

    @property
    def newest_evidence(self) -> dict[str, Evidence]:
        """The newest evidence of each framework, by slug."""
        return {one.document.framework.slug: one for one in reversed(self.evidence)}

    @cached_property
    def headline(self) -> tuple[Run, ...]:
        """The runs whose results the pages show, each with only the scenarios shown from it; empty before the first
        measurement. Those of the leading machine class are first, then the others, newest first.

        The class that measured most cells of the newest campaign leads. A scenario is shown from the leading class, or
        where that has too little, from the newest campaign on another one. Enough are half as many frameworks as any
        campaign measured, and half as many variants as any by the same definition of the workload. So neither a
        campaign of a few variants nor one on another machine empties the site, and one of all headline variants
        replaces what an older definition measured. A scenario that its workload does not have any more is shown until
        one that it has today is. An interrupted run counts only if no run is finished.
        """
        taking_part = _taking_part(_usual_topology(self.parts))
        leading = _leading_class(taking_part)
        return self._answers(sorted(taking_part, key=lambda run: run.machine_class != leading))

    @cached_property
    def published(self) -> tuple[tuple[Run, ...], ...]:
        """Per machine class the runs that pages of that class alone would show, the leading class first."""
        leading = _leading_class(_taking_part(_usual_topology(self.parts)))
        answers = [self._answers(_taking_part(runs)) for runs in self._classes.values()]
        return tuple(sorted(filter(None, answers), key=lambda runs: (runs[0].machine_class != leading, runs[0].age)))

    @cached_property
    def current(self) -> tuple[Run, ...]:
        """The complete runs behind the published ones, and the runs of each machine class's newest campaign."""
        answering = {run.raw for runs in (self.headline, *self.published) for run in runs}
        newest = {(cpus, _taking_part(runs)[0].document.campaign) for cpus, runs in self._classes.items()}
        return tuple(
            run
            for run in self.runs
            if run.raw in answering
            or (
                run.document.finished
                and any((part.machine_class, part.document.campaign) in newest for part in run.by_setting)
            )
        )

    def _answers(self, runs: Sequence[Run]) -> tuple[Run, ...]:
        """The published parts of runs. ``runs``: the preferred ones first."""
        measured: dict[str, list[_Coverage]] = {}
        for run in runs:
            for scenario, found in _coverage(run).items():
                measured.setdefault(scenario, []).append(found)
        answering = {scenario: _answering(found) for scenario, found in measured.items()}
        given_up = self._given_up(answering)
        answers = (
            (run, {one for one in run.scenarios if one not in given_up and answering[one].origin == _origin(run)})
            for run in runs
        )
        return tuple(run.only(scenarios) for run, scenarios in answers if scenarios)

    def _given_up(self, answering: Mapping[str, _Coverage]) -> set[str]:
        """The scenarios that their workload does not have any more, where it is measured as it is defined today."""
        slugs = {scenario: scenario.split(" ", 1)[0] for scenario in answering}
        todays = {one for definition in self.definitions.values() for one in definition.scenarios}
        replaced = {
            slugs[scenario]
            for scenario in todays & answering.keys()
            if answering[scenario].version == self.definitions[slugs[scenario]].version
        }
        return {scenario for scenario, slug in slugs.items() if slug in replaced and scenario not in todays}

    @property
    def _classes(self) -> dict[MachineClass, list[Run]]:
        classes: dict[MachineClass, list[Run]] = {}
        for run in self.parts:
            classes.setdefault(run.machine_class, []).append(run)
        return classes


def _usual_topology(parts: Sequence[Run]) -> Sequence[Run]:
    """The parts in the usual topology, which pages show; all of them if none is."""
    return [part for part in parts if part.topology == USUAL_TOPOLOGY] or parts


def _taking_part(runs: Sequence[Run]) -> Sequence[Run]:
    """The finished runs; all of them if none is finished."""
    return [run for run in runs if run.document.finished is not None] or runs


def _leading_class(runs: Sequence[Run]) -> MachineClass | None:
    """The class that measured most cells of the newest campaign; of several, the one with the newest Python, or else
    the one that measured last.

    ``runs``: newest first. ``None`` without runs.
    """
    cells: dict[MachineClass, set[str]] = {}
    for run in runs:
        if run.document.campaign == runs[0].document.campaign:
            cells.setdefault(run.machine_class, set()).update(set(run.document.cells).difference(run.unmeasured))
    return max(cells, key=lambda machine: (len(cells[machine]), python_order(machine.python)), default=None)


def python_order(python: str) -> tuple[int, ...]:
    """A key that sorts versions: the numbers, after whether it is the usual build. One without the GIL comes before all
    others.
    """
    return (0 if python.endswith("t") else 1, *map(int, python.rstrip("t").split(".")))


_Origin = tuple[MachineClass, str]
"""A machine class, and a campaign on it."""


def _origin(run: Run) -> _Origin:
    return run.machine_class, run.document.campaign


class _Coverage(NamedTuple):
    """What a run measured of a scenario: how many variants of how many frameworks, by which definition."""

    origin: _Origin
    version: str
    variants: int
    frameworks: int


def _coverage(run: Run) -> dict[str, _Coverage]:
    versions = {workload.slug: workload.version for workload in run.document.workloads}
    frameworks: dict[str, set[str]] = {}
    for key in run.document.cells:
        frameworks.setdefault(scenario_of(key), set()).add(key.split("/", 1)[0])
    return {
        scenario: _Coverage(_origin(run), versions[scenario.split(" ", 1)[0]], variants, len(frameworks[scenario]))
        for scenario, variants in run.scenarios.items()
    }


def _answering(measured: Sequence[_Coverage]) -> _Coverage:
    """Where a scenario is shown from. ``measured``: the preferred ones first."""
    frameworks = max(one.frameworks for one in measured)
    variants: dict[str, int] = {}
    for one in measured:
        variants[one.version] = max(one.variants, variants.get(one.version, 0))
    enough = (one for one in measured if 2 * one.frameworks >= frameworks and 2 * one.variants >= variants[one.version])
    return next(enough, max(measured, key=lambda one: one.variants))


def maker_name(make: Callable[[Run], object]) -> str:
    """Where `Run.kept` keeps what a function makes of a run."""
    return f"{make.__module__}.{make.__qualname__}"


def facts_of(run: Run) -> RunFacts:
    """The facts of a run, from all its measurements."""
    documents = [item.document for item in run.frameworks]
    cells = [cell for document in documents for cell in document.cells]
    counting = [measurement for cell in cells for measurement in cell.decisive]
    headlines = {
        document.framework.slug: variant.slug
        for document in documents
        for variant in reversed(document.variants)
        if variant.headline
    }
    return RunFacts(
        frameworks=tuple(
            FrameworkName(document.framework.slug, document.framework.title, document.framework.is_reference)
            for document in documents
        ),
        flamed=tuple(item.document.framework.slug for item in run.frameworks if item.flames is not None),
        headlines=headlines,
        counts={
            "planned": sum(len(turn) for turn in run.document.order),
            "measurements": len(counting),
            "repeated": sum(len(cell.measurements) for cell in cells) - len(counting),
            "valid": sum(one.valid for one in counting),
            "failed": sum(one.failure is not None for one in counting),
            "invalid": sum(not one.valid and one.failure is None for one in counting),
        },
        left_out=tuple(
            (field, why, times)
            for (field, why), times in Counter(
                (field, why) for one in counting for field, why in one.left_out.items()
            ).most_common()
        ),
    )


def make_run(folder: Path, document: RunDocument, frameworks: Sequence[FrameworkDocument]) -> Run:
    """The run of documents that need not be on disk yet. ``folder``: where they will be."""
    ordered = sorted(frameworks, key=lambda one: one.framework.slug)
    return Run(
        folder / "run.yml",
        document,
        tuple(FrameworkResult(folder / f"{one.framework.slug}.yml", one) for one in ordered),
    )


def _with_cells(document: RunDocument, scenarios: Set[str]) -> RunDocument:
    """The document with only the cells of these scenarios, and their new indexes wherever cells are named."""
    kept = [index for index, key in enumerate(document.cells) if scenario_of(key) in scenarios]
    new = {index: number for number, index in enumerate(kept)}
    changes: dict[str, object] = {
        "cells": [document.cells[index] for index in kept],
        "order": [[new[index] for index in turn if index in new] for turn in document.order],
    }
    if (adaptive := document.adaptive) is not None:
        looks = [
            look.model_copy(update={"cells": [new[index] for index in look.cells if index in new]})
            for look in adaptive.looks
        ]
        changes["adaptive"] = adaptive.model_copy(update={"looks": looks})
    return document.model_copy(update=changes)


def _with_abilities(result: FrameworkResult, cannot: Mapping[str, Mapping[str, str]]) -> FrameworkResult:
    facts = result.document.framework
    today = cannot.get(facts.slug, facts.cannot)
    if today == facts.cannot:
        return result
    facts = facts.model_copy(update={"cannot": dict(today)})
    return replace(result, document=result.document.model_copy(update={"framework": facts}))


def _under(run: Run, python: str, topology: Topology) -> Run:
    """The run, whose cells are all under this setting, with cells that do not name it."""
    cells = [without_setting(key) for key in run.document.cells]
    name = python or run.document.machine.python
    frameworks = LaterResults(
        lambda: (replace(item, document=_document_on(item.document, name)) for item in run.frameworks)
    )
    document = run.document.model_copy(update={"cells": cells})
    return replace(run, document=document, frameworks=frameworks, python=python, topology=topology)


def _document_on(document: FrameworkDocument, name: str) -> FrameworkDocument:
    """``name``: as in `InstalledFacts`."""
    variants = []
    for variant in document.variants:
        facts = next((one for one in variant.further if one.name == name), variant)
        environment = {"python": facts.python, "packages": facts.packages, "further": []}
        variants.append(variant.model_copy(update=environment))
    cells = []
    for cell in document.cells:
        own = {key: value for key, value in cell.parameters.items() if key not in SETTING_PARAMETERS}
        cells.append(cell.model_copy(update={"parameters": own}))
    return document.model_copy(update={"variants": variants, "cells": cells})


def _cut(document: FrameworkDocument, scenarios: Set[str]) -> FrameworkDocument:
    """The document with only the cells of these scenarios."""
    slug = document.framework.slug
    cells = [
        cell
        for cell in document.cells
        if scenario_of(cell_key(slug, cell.variant, cell.workload, cell.parameters)) in scenarios
    ]
    return document.model_copy(update={"cells": cells})
