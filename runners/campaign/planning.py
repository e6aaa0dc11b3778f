"""The plan of a run: what it measures, in which order, and how long that takes."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

from runners.measurement import Cell
from runners.record import NothingToDoError, UsageError, cell_key
from runners.subjects import catalog, matching
from runners.subjects.catalog import Framework
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Workload

JOB_S = 4 * 3600.0
"""Maximum planned seconds of one job. Hosted runners end a job after six hours. Installation and repeated measurements
need additional time, the latter up to a third (`Profile.spare`)."""


@dataclass(frozen=True)
class PlanPart:
    """The cells of a plan that share a scenario, counted. Seconds are sums over all rounds."""

    workload: str
    kind: str
    variants: int
    measurements: int
    expected_s: float
    load_s: float
    rounds: int
    """The number of rounds that measure it."""

    @property
    def name(self) -> str:
        """The name that `rtsite run --workload` accepts."""
        return f"{self.workload}/{self.kind}"


@dataclass(frozen=True)
class Plan:
    """The cells that are measured, and their order in each round (indexes into ``cells``)."""

    cells: tuple[Cell, ...]
    order: tuple[tuple[int, ...], ...]
    profile: Profile
    seed: int

    @property
    def measurements(self) -> int:
        return sum(map(len, self.order))

    def expected_s(self, after: int = 0) -> float:
        """Expected seconds after this number of measurements, without installation."""
        scenarios = [self.cells[index].scenario for index in chain.from_iterable(self.order)]
        return sum(self.profile.expected_s(scenario) for scenario in scenarios[after:])

    def load_s(self, after: int = 0) -> float:
        """Seconds of that time in which servers are loaded."""
        scenarios = [self.cells[index].scenario for index in chain.from_iterable(self.order)]
        return sum(self.profile.load_s(scenario) for scenario in scenarios[after:])

    def spare_s(self, rounds: int) -> float:
        """Seconds that the first rounds may additionally take to repeat disturbed measurements.

        It is counted by rounds, so that one bad hour does not use up the time of later rounds.
        """
        planned = chain.from_iterable(self.order[:rounds])
        return self.profile.spare * sum(self.profile.expected_s(self.cells[index].scenario) for index in planned)

    def groups(self, turn: Sequence[int]) -> list[tuple[int, ...]]:
        """A round's cells in order; cells that are measured together form one group."""
        return [tuple(group) for _, group in groupby(turn, key=lambda index: _group_key(self.cells[index], index))]

    def parts(self) -> list[PlanPart]:
        """The plan by workload and scenario, in the order of its cells."""
        found: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.cells:
            found.setdefault((cell.workload.slug, cell.scenario.kind), []).append(cell)
        return [
            PlanPart(
                workload=slug,
                kind=kind,
                variants=len(cells),
                measurements=sum(self.profile.rounds_of(cell.scenario) for cell in cells),
                expected_s=sum(
                    self.profile.rounds_of(cell.scenario) * self.profile.expected_s(cell.scenario) for cell in cells
                ),
                load_s=sum(
                    self.profile.rounds_of(cell.scenario) * self.profile.load_s(cell.scenario) for cell in cells
                ),
                rounds=max(self.profile.rounds_of(cell.scenario) for cell in cells),
            )
            for (slug, kind), cells in found.items()
        ]


def split_into_lots(parts: Sequence[PlanPart], limit_s: float = JOB_S) -> list[list[PlanPart]]:
    """The parts in as few lots as possible. No lot is longer than the limit, unless it is a single part.

    A workload stays in one lot if it fits, because its cells are compared with each other. The method is first fit,
    longest first. It needs at most 11/9 of the fewest possible lots, plus one (Johnson 1973).
    """
    by_workload = [list(group) for _, group in groupby(parts, key=lambda part: part.workload)]
    pieces = chain.from_iterable(
        [whole] if _seconds(whole) <= limit_s else [[part] for part in whole] for whole in by_workload
    )
    lots: list[list[PlanPart]] = []
    for piece in sorted(pieces, key=_seconds, reverse=True):
        roomy = (lot for lot in lots if _seconds(lot) + _seconds(piece) <= limit_s)
        if (lot := next(roomy, None)) is not None:
            lot += piece
        else:
            lots.append(list(piece))
    return lots


def _seconds(parts: Sequence[PlanPart]) -> float:
    return sum(part.expected_s for part in parts)


def plan_run(frameworks: Sequence[Framework], workloads: Sequence[Workload], profile: Profile, seed: int) -> Plan:
    """The plan for all cells of the frameworks under the workloads. Each round has a random order, determined by the
    seed.

    The order is random so that a slow drift of the machine does not always affect the same cell. Cells that are
    measured together stay together. Raises `NothingToDoError` if no framework implements any of the workloads.
    """
    cells = tuple(_cells(frameworks, workloads))
    if not cells:
        raise NothingToDoError("none of these frameworks implements any of these workloads; nothing was measured")
    shuffler = random.Random(seed)
    order = []
    for number in range(1, profile.rounds + 1):
        groups: dict[Hashable, list[int]] = {}
        for index, cell in enumerate(cells):
            if number <= profile.rounds_of(cell.scenario):
                groups.setdefault(_group_key(cell, index), []).append(index)
        turn = list(groups.values())
        shuffler.shuffle(turn)
        for group in turn:
            shuffler.shuffle(group)
        order.append(tuple(chain.from_iterable(turn)))
    return Plan(cells, tuple(order), profile, seed)


def _cells(frameworks: Sequence[Framework], workloads: Sequence[Workload]) -> Iterator[Cell]:
    for framework in frameworks:
        for variant in framework.variants:
            for workload in workloads:
                for scenario in matching.scenarios_for(workload, framework, variant):
                    yield Cell(framework, variant, workload, scenario)


def comparison_key(cell: Cell) -> str:
    """The key that is equal for cells that are compared: those of one scenario."""
    return cell_key("", "", cell.workload.slug, cell.scenario.parameters)


def _group_key(cell: Cell, index: int) -> Hashable:
    """The key that is equal for cells that are measured together."""
    return comparison_key(cell) if cell.scenario.slice_s or cell.scenario.target else index


def choose_with_reference(wanted: Sequence[str]) -> list[Framework]:
    """The frameworks to measure by name or path, and the reference."""
    known = catalog.discover()
    return with_reference(catalog.choose_frameworks(wanted, known), known)


def with_reference(chosen: Sequence[Framework], known: Sequence[Framework]) -> list[Framework]:
    """The chosen frameworks and the reference, which is measured in every round of every run.

    Raises `UsageError` if one of them would be taken for the reference.
    """
    references = {framework.slug: framework for framework in known if framework.reference}
    for framework in chosen:
        own = references.get(framework.slug)
        if (own is not None and own.folder != framework.folder) or (own is None and framework.reference):
            raise UsageError(
                f"{framework.folder}: every run is compared with the reference {', '.join(references)}, which no other"
                " folder can replace; rename the folder, and set reference = false in its pyproject.toml"
            )
    present = {framework.slug for framework in chosen}
    return [*chosen, *(framework for slug, framework in references.items() if slug not in present)]


def check_complete(plan: Plan, frameworks: Sequence[str], workload_names: Sequence[str]) -> None:
    """Raise `UsageError` if one of these names has no cell in the plan, so that it would be left out.

    ``frameworks``: slugs, slugs/variants or paths. ``workload_names``: workloads or their scenarios.
    """
    subjects = {name: catalog.choose_frameworks([name])[0] for name in frameworks}
    for name, framework in subjects.items():
        slugs = {variant.slug for variant in framework.variants}
        if not any(cell.framework.slug == framework.slug and cell.variant.slug in slugs for cell in plan.cells):
            wanted = ", ".join(workload_names) or f"those of the profile {plan.profile.slug}"
            reason = next((f" ({why})" for slug, why in framework.cannot.items() if slug in workload_names), "")
            raise UsageError(
                f"{name} can run none of these workloads: {wanted}{reason}; it can run"
                f" {', '.join(matching.runnable_workloads(framework))}"
            )
    slugs = {framework.slug for framework in subjects.values()}
    for name in workload_names:
        slug, _, kind = name.partition("/")
        if not any(
            cell.workload.slug == slug
            and kind in ("", cell.scenario.kind)
            and (not slugs or cell.framework.slug in slugs)
            for cell in plan.cells
        ):
            raise UsageError(f"no variant of {', '.join(sorted(slugs))} can run {name}; remove one of them")
