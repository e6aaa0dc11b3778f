"""The plan of a run: what it measures, in which order, and how long that takes."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, groupby

from runners.measurement import Cell
from runners.record import MOST_SEARCHES, NothingToDoError, UsageError, cell_key, compared_variants
from runners.record.schema import USUAL_TOPOLOGY, Parameters, Topology
from runners.subjects import catalog, matching
from runners.subjects.catalog import Framework, Variant
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Workload
from runners.subjects.topologies import TOPOLOGIES

JOB_S = 4 * 3600.0
"""Maximum planned seconds of one job. Hosted runners end a job after six hours. Installation and repeated measurements
need additional time, the latter up to a third (`Profile.spare`)."""


@dataclass(frozen=True)
class PlanPart:
    """The cells of a plan that share a scenario, counted. Seconds are sums over all rounds, as in `Forecast`."""

    workload: str
    kind: str
    variants: int
    """The number of variants; each is measured under every setting of the run (`Plan.settings`)."""
    measurements: int
    """Measurements in the rounds of everything."""
    expected_s: float
    load_s: float
    """Seconds of `expected_s` in which servers are loaded."""
    rounds: int
    """The number of rounds of everything that measure it."""
    first_s: float
    worst_s: float
    search: str = ""
    """The kind of the search whose run this part has to be in: its own, or that of the capacity of which it is a
    share. Empty if it needs none."""

    @property
    def name(self) -> str:
        """The name that `rtsite run --workload` accepts."""
        return f"{self.workload}/{self.kind}"


@dataclass(frozen=True)
class LeftOut:
    """A scenario that is not measured, because the server would have fewer cores than it needs."""

    workload: str
    kind: str
    needed: int
    available: int

    @property
    def name(self) -> str:
        """The name that `rtsite run --workload` accepts."""
        return f"{self.workload}/{self.kind}"

    def __str__(self) -> str:
        return (
            f"{self.name} needs a larger machine: {self.needed} cores for the server, and this one has {self.available}"
            " besides the load generator's"
        )


@dataclass(frozen=True)
class Limits:
    """When an adaptive run ends, whatever is undecided."""

    first_rounds: int
    """Number of rounds of everything."""
    most_rounds: int
    target_decided_percent: float
    """See `runners.record.Adaptive`."""
    budget_s: float = math.inf
    """Seconds of measuring, without installation, after which no round is begun."""


@dataclass(frozen=True)
class Forecast:
    """How long a run takes, in seconds without installation.

    ``first_s``: the rounds of everything. ``further_s``: one further round of everything that may be undecided; 0 if
    the run is not adaptive. ``expected_s``: the whole run. ``worst_s``: the whole run, if nothing becomes decided and
    as many measurements are disturbed as may be repeated.
    """

    first_s: float
    further_s: float
    expected_s: float
    worst_s: float


@dataclass(frozen=True)
class Plan:
    """The cells that are measured, and their order in each round (indexes into ``cells``).

    The plan of an adaptive run has ``limits``, and at first only the rounds of everything.
    """

    cells: tuple[Cell, ...]
    order: tuple[tuple[int, ...], ...]
    profile: Profile
    seed: int
    left_out: tuple[LeftOut, ...] = ()
    """What this machine has too few cores for."""
    limits: Limits | None = None
    without_tls: tuple[str, ...] = ()
    """Variants that the topology ``tls`` leaves out, because their servers have no TLS of their own."""
    only_here: tuple[str, ...] = ()
    """Parts that are left out because their load cannot come from hosts."""

    @property
    def not_measured(self) -> tuple[str, ...]:
        """A sentence, without its end, for what the plan leaves out."""
        without = (cannot_speak_tls(self.without_tls),) if self.without_tls else ()
        only_here = (_needs_this_machine(self.only_here),) if self.only_here else ()
        return *map(str, self.left_out), *without, *only_here

    def within(self, budget_s: float) -> Plan:
        """The plan with this budget, if it is adaptive."""
        return replace(self, limits=replace(self.limits, budget_s=budget_s)) if self.limits else self

    @property
    def measurements(self) -> int:
        return sum(map(len, self.order))

    @property
    def pythons(self) -> tuple[str, ...]:
        """The versions of Python that run the servers, in order, as in `Variant.python`."""
        return tuple(dict.fromkeys(cell.variant.python for cell in self.cells))

    def expected_s(self, after: int = 0) -> float:
        """Expected seconds after this number of measurements, without installation."""
        return sum(map(self._expected_s, self._steps[after:]))

    def load_s(self, after: int = 0) -> float:
        """Seconds of that time in which servers are loaded."""
        return sum(map(self._load_s, self._steps[after:]))

    def round_s(self, turn: Sequence[int]) -> float:
        """Expected seconds of one round of these cells."""
        return replace(self, order=(tuple(turn),)).expected_s()

    @property
    def comparable(self) -> tuple[int, ...]:
        """The cells of compared variants and of the reference that each further round of an adaptive run can measure,
        by scenario.

        Other variants are measured again only while they have too few valid rounds, and searches at most
        `MOST_SEARCHES` times.
        """
        kept: dict[str, list[int]] = {}
        for index in self._compared:
            if not self.cells[index].scenario.target:
                kept.setdefault(comparison_key(self.cells[index]), []).append(index)
        return tuple(chain.from_iterable(kept.values()))

    def _searches_s(self, indexes: Collection[int]) -> float:
        """Expected seconds of all further searches that an adaptive run can make of the compared among these cells."""
        rounds = self.limits.most_rounds - self.limits.first_rounds if self.limits else 0
        searched = [self.cells[index].scenario for index in self._compared if index in indexes]
        return sum(
            min(rounds, max(0, MOST_SEARCHES - self.profile.rounds_of(one))) * self.profile.expected_s(one)
            for one in searched
            if one.target
        )

    @property
    def _compared(self) -> tuple[int, ...]:
        """The cells of compared variants and of the reference."""
        variants: dict[str, dict[str, Variant]] = {}
        for cell in self.cells:
            variants.setdefault(cell.framework.slug, {})[cell.variant.slug] = cell.variant
        compared = {slug: compared_variants(of_framework.values()) for slug, of_framework in variants.items()}
        return tuple(
            index
            for index, cell in enumerate(self.cells)
            if cell.framework.reference or cell.variant.slug in compared[cell.framework.slug]
        )

    @property
    def compared_s(self) -> float:
        """Expected seconds of the planned rounds, if only compared variants and the reference were measured."""
        return self._only(self._compared).expected_s()

    def _only(self, indexes: Collection[int]) -> Plan:
        """The plan with rounds of these cells only."""
        own = frozenset(indexes)
        return replace(self, order=tuple(tuple(index for index in turn if index in own) for turn in self.order))

    @property
    def forecast(self) -> Forecast:
        """How long a run takes that begins with this plan."""
        budget_s = self.limits.budget_s if self.limits else math.inf
        searches_s = self._searches_s(range(len(self.cells)))
        return self._forecast(self.expected_s(), self.round_s(self.comparable), searches_s, budget_s)

    def _forecast(self, first_s: float, further_s: float, searches_s: float, budget_s: float) -> Forecast:
        """``searches_s``: all further searches. ``budget_s``: what remains of it after the rounds of everything is for
        further rounds.
        """
        repeats = 1 + self.profile.spare
        if self.limits is None:
            return Forecast(first_s, 0.0, first_s, first_s * repeats)
        rounds = self.limits.most_rounds - self.limits.first_rounds
        most_s = rounds * further_s + searches_s
        usual_s = first_s + self.profile.usual_share * most_s
        worst_s = (first_s + most_s) * repeats
        return Forecast(
            first_s,
            further_s,
            min(usual_s, max(first_s, budget_s)),
            min(worst_s, max(first_s * repeats, budget_s)),
        )

    def spare_s(self, rounds: int) -> float:
        """Seconds that the first rounds may additionally take to repeat disturbed measurements.

        It is counted by rounds, so that one bad hour does not use up the time of later rounds.
        """
        planned = sum(map(len, self.order[:rounds]))
        return self.profile.spare * sum(map(self._expected_s, self._steps[:planned]))

    def groups(self, turn: Sequence[int]) -> list[tuple[int, ...]]:
        """A round's cells in order; cells that are measured together form one group.

        If a scenario limits how many that are, the reference is in each of its groups, and counts in the first.
        """
        together = (list(group) for _, group in groupby(turn, key=lambda index: group_key(self.cells[index], index)))
        return list(chain.from_iterable(map(self._split, together)))

    def _split(self, together: Sequence[int]) -> Iterator[tuple[int, ...]]:
        most = self.cells[together[0]].scenario.most_together
        if most is None or len(together) <= most:
            yield tuple(together)
            return
        reference = [index for index in together if self.cells[index].framework.reference]
        others = [index for index in together if index not in reference]
        size = max(1, most - len(reference))
        for start in range(0, len(others), size):
            yield (*reference, *others[start : start + size])

    @cached_property
    def _steps(self) -> tuple[tuple[int, ...], ...]:
        """For each measurement in order, the cells that it loads: its own, and others that are measured again for it.

        The first new measurement of a group bears those again of the reference.
        """
        steps = []
        for turn in self.order:
            seen: set[int] = set()
            for group in self.groups(turn):
                again = [index for index in group if index in seen]
                for index in group:
                    if index not in seen:
                        steps.append((index, *again))
                        again = []
                seen.update(group)
        return tuple(steps)

    def _expected_s(self, step: Sequence[int]) -> float:
        return sum(self.profile.expected_s(self.cells[index].scenario) for index in step)

    def _load_s(self, step: Sequence[int]) -> float:
        return sum(self.profile.load_s(self.cells[index].scenario) for index in step)

    @property
    def settings(self) -> tuple[Parameters, ...]:
        """The settings under which every variant is measured, each with what is not usual: versions of Python and
        topologies.
        """
        found: list[Parameters] = []
        for cell in self.cells:
            if cell.scenario.setting not in found:
                found.append(cell.scenario.setting)
        return tuple(found)

    def parts(self) -> list[PlanPart]:
        """The plan by workload and scenario, in the order of its cells."""
        cells: dict[tuple[str, str], list[int]] = {}
        for index, cell in enumerate(self.cells):
            cells.setdefault((cell.workload.slug, cell.scenario.kind), []).append(index)
        return [self._part(slug, kind, indexes) for (slug, kind), indexes in cells.items()]

    def _part(self, slug: str, kind: str, indexes: Collection[int]) -> PlanPart:
        """The part of the plan with these cells, which are all that share a scenario. It knows no budget, which is that
        of all parts.
        """
        planned = self._only(indexes)
        further = replace(self, order=(self.comparable,))._only(indexes)
        forecast = self._forecast(planned.expected_s(), further.expected_s(), self._searches_s(indexes), math.inf)
        return PlanPart(
            workload=slug,
            kind=kind,
            variants=len({(self.cells[index].framework.slug, self.cells[index].variant.slug) for index in indexes}),
            measurements=planned.measurements,
            expected_s=forecast.expected_s,
            load_s=planned.load_s() * forecast.expected_s / forecast.first_s,  # all rounds have the same scenario
            rounds=sum(map(bool, planned.order)),
            first_s=forecast.first_s,
            worst_s=forecast.worst_s,
            search=_search_of(self.cells[min(indexes)]),
        )


def split_into_lots(parts: Sequence[PlanPart], limit_s: float = JOB_S) -> list[list[PlanPart]]:
    """The parts in as few lots as possible. No lot is longer than the limit, unless it is a single part.

    A workload stays in one lot if it fits, because its cells are compared with each other. Loads at a share of a
    capacity always stay with its search. The method is first fit, longest first. It needs at most 11/9 of the fewest
    possible lots, plus one (Johnson 1973).
    """
    by_workload = [list(group) for _, group in groupby(parts, key=lambda part: part.workload)]
    pieces = chain.from_iterable(
        [whole] if _seconds(whole) <= limit_s else _inseparable(whole) for whole in by_workload
    )
    lots: list[list[PlanPart]] = []
    for piece in sorted(pieces, key=_seconds, reverse=True):
        roomy = (lot for lot in lots if _seconds(lot) + _seconds(piece) <= limit_s)
        if (lot := next(roomy, None)) is not None:
            lot += piece
        else:
            lots.append(list(piece))
    return lots


def _inseparable(parts: Sequence[PlanPart]) -> list[list[PlanPart]]:
    """The parts one by one, except that those of the same search stay together."""
    found: dict[str, list[PlanPart]] = {}
    for part in parts:
        found.setdefault(part.search or part.name, []).append(part)
    return list(found.values())


def _search_of(cell: Cell) -> str:
    """See `PlanPart.search`."""
    scenario = cell.scenario
    if scenario.share is not None:
        return scenario.share.of
    is_shared = any(one.share is not None and one.share.of == scenario.kind for one in cell.workload.scenarios)
    return scenario.kind if is_shared else ""


def _seconds(parts: Sequence[PlanPart]) -> float:
    return sum(part.expected_s for part in parts)


def plan_run(
    frameworks: Sequence[Framework],
    workloads: Sequence[Workload],
    profile: Profile,
    seed: int,
    *,
    server_cores: int | None = None,
    budget_s: float = math.inf,
    pythons: Sequence[str] = ("",),
    topologies: Sequence[Topology] = (USUAL_TOPOLOGY,),
    from_hosts: bool = False,
) -> Plan:
    """The plan for all cells of the frameworks under the workloads. Each round has a random order, determined by the
    seed.

    The order is random so that a slow drift of the machine does not always affect the same cell. Cells that are
    measured together stay together. ``server_cores``: how many the machine has for a server (default: enough);
    scenarios that need more are left out. ``budget_s``: of an adaptive run. ``pythons``: versions that run the servers
    (`Variant.python`). ``topologies``: what is between them and the clients; without those that do not concern a
    scenario's transport. ``from_hosts``: whether the load comes from other machines. Raises `NothingToDoError` if
    nothing is left to measure.
    """
    possible = list(_cells(frameworks, workloads))
    planned = [
        cell.under(python, topology)
        for cell in possible
        for python in pythons
        for topology in topologies
        if TOPOLOGIES[topology].concerns(cell.scenario.transport)
    ]
    if possible and not planned:
        raise NothingToDoError(
            f"these workloads do not use the transport that {', '.join(topologies)} concerns; nothing was measured"
        )
    found = tuple(cell for cell in planned if cell.variant.fits(cell.variant.topology))
    without_tls = tuple(
        dict.fromkeys(
            f"{cell.framework.slug}/{cell.variant.slug}"
            for cell in planned
            if not cell.variant.fits(cell.variant.topology)
        )
    )
    if not found and without_tls:
        raise NothingToDoError(cannot_speak_tls(without_tls))
    if not found:
        raise NothingToDoError("none of these frameworks implements any of these workloads; nothing was measured")
    only_here: tuple[str, ...] = ()
    if from_hosts:
        beside = [cell for cell in found if cell.scenario.needs_load_beside_server]
        only_here = tuple(dict.fromkeys(f"{cell.workload.slug}/{cell.scenario.kind}" for cell in beside))
        found = tuple(cell for cell in found if not cell.scenario.needs_load_beside_server)
        if not found:
            raise NothingToDoError(_needs_this_machine(only_here))
    available = math.inf if server_cores is None else server_cores
    cells = tuple(cell for cell in found if cell.scenario.server_cores <= available)
    too_large = {comparison_key(cell): cell for cell in found if cell.scenario.server_cores > available}
    left_out = tuple(
        LeftOut(cell.workload.slug, cell.scenario.kind, cell.scenario.server_cores, server_cores or 0)
        for cell in too_large.values()
    )
    if not cells:
        raise NothingToDoError("; ".join(map(str, left_out)))
    shuffler = random.Random(seed)
    order = []
    for number in range(1, profile.rounds + 1):
        groups: dict[Hashable, list[int]] = {}
        for index, cell in enumerate(cells):
            if number <= profile.rounds_of(cell.scenario):
                groups.setdefault(group_key(cell, index), []).append(index)
        turn = list(groups.values())
        shuffler.shuffle(turn)
        for group in turn:
            shuffler.shuffle(group)
        order.append(tuple(chain.from_iterable(searches_first(turn, cells))))
    limits = None
    if profile.most_rounds is not None:
        limits = Limits(profile.rounds, profile.most_rounds, profile.target_decided_percent, budget_s)
    return Plan(cells, tuple(order), profile, seed, left_out, limits, without_tls, only_here)


def _needs_this_machine(parts: Sequence[str]) -> str:
    """The sentence about parts whose load cannot come from hosts."""
    return (
        f"{', '.join(parts)} with load from hosts, because the process that publishes runs beside the server; measure"
        f" {'it' if len(parts) == 1 else 'them'} without --scheduler"
    )


def cannot_speak_tls(variants: Sequence[str]) -> str:
    """The sentence about variants that the topology ``tls`` leaves out."""
    many = len(variants) > 1
    return (
        f"{', '.join(variants)} over TLS: {'their servers have' if many else 'its server has'} no TLS of"
        f" {'their' if many else 'its'} own; use --topology nginx-tls"
    )


def searches_first(groups: Sequence[Sequence[int]], cells: Sequence[Cell]) -> list[Sequence[int]]:
    """The groups of a round in the same order, but loads at a share of a capacity after all others, so that their
    searches of this round are made.
    """
    return sorted(groups, key=lambda group: cells[group[0]].scenario.share is not None)


def _cells(frameworks: Sequence[Framework], workloads: Sequence[Workload]) -> Iterator[Cell]:
    for framework in frameworks:
        for variant in framework.variants:
            for workload in workloads:
                for scenario in matching.scenarios_for(workload, framework, variant):
                    yield Cell(framework, variant, workload, scenario)


def comparison_key(cell: Cell) -> str:
    """The key that is equal for cells that are compared: those of one scenario."""
    return cell_key("", "", cell.workload.slug, cell.scenario.parameters)


def group_key(cell: Cell, index: int) -> Hashable:
    """The key that is equal for cells that are measured together."""
    return comparison_key(cell) if cell.scenario.slice_s or cell.scenario.target else index


def choose_with_reference(wanted: Sequence[str]) -> list[Framework]:
    """The frameworks to measure by name or path, and the reference."""
    known = catalog.discover()
    return with_reference(catalog.choose_frameworks(wanted, known), known)


def headline_only(frameworks: Sequence[Framework], wanted: Sequence[str]) -> list[Framework]:
    """The frameworks with their headline variants only; all variants of the reference, which share its exchanges.

    ``wanted``: what the user named. Raises `UsageError` if that is another variant.
    """
    for name in wanted:
        (named,) = catalog.choose_frameworks([name])
        if named.headline is None and not named.reference:
            raise UsageError(f"{name} is not a headline variant; remove --headline, or name {named.slug} alone")
    return [
        framework
        if framework.reference or framework.headline is None
        else framework.model_copy(update={"variants": [framework.headline]})
        for framework in frameworks
    ]


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
        too_large = [one for one in plan.left_out if one.workload == slug and one.kind == kind]
        if too_large:
            raise UsageError(f"{too_large[0]}; remove --workload {name}, or measure it elsewhere")
        if not any(
            cell.workload.slug == slug
            and kind in ("", cell.scenario.kind)
            and (not slugs or cell.framework.slug in slugs)
            for cell in plan.cells
        ):
            raise UsageError(f"no variant of {', '.join(sorted(slugs))} can run {name}; remove one of them")
