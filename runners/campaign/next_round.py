"""The rounds of an adaptive run after those of everything: which cells each measures, and when there is no further one.

Pure. What is undecided comes from an adviser (`runners.record.Advice`), so nothing here knows statistics.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from runners.campaign.planning import Limits, Plan, comparison_key, group_key, searches_first
from runners.campaign.run_document import key_of
from runners.record import Advice, Ending, Look, PartLook, Undecided, scenario_of


@dataclass(frozen=True)
class _Candidate:
    """The undecided cells of one scenario, with its reference, as far as they are measured in the next round."""

    cells: frozenset[int]
    reference: frozenset[int]
    undecided: tuple[tuple[frozenset[int], Undecided], ...]
    """Each with the indexes of its cells."""

    @property
    def turn(self) -> tuple[int, ...]:
        return tuple(sorted(self.cells | self.reference))

    @property
    def gain(self) -> float:
        return math.fsum(one.gain for _, one in self.undecided)

    @property
    def rounds(self) -> float:
        """The number of rounds that its cells need on average, each for what needs most."""
        needed: Counter[int] = Counter()
        for cells, one in self.undecided:
            for index in cells:
                needed[index] = max(needed[index], one.rounds)
        return sum(needed.values()) / len(needed)

    def only(self, cells: Collection[int]) -> _Candidate:
        """What remains of it if only these cells are measured."""
        undecided = tuple((own, one) for own, one in self.undecided if own <= frozenset(cells))
        return _Candidate(frozenset().union(*(own for own, _ in undecided)), self.reference, undecided)

    def without_least(self) -> _Candidate:
        """What remains of it without the cell for which least would become decided."""
        gains = {index: math.fsum(one.gain for own, one in self.undecided if index in own) for index in self.cells}
        least = min(sorted(gains), key=gains.__getitem__)
        return self.only(self.cells - {least})


def next_round(plan: Plan, advice: Advice, seconds: float = math.inf) -> tuple[int, ...]:
    """The cells of the next round, in the order of measuring; none if nothing is undecided, or nothing fits.

    ``seconds``: left for this round and all later ones. Where they do not suffice for everything that is undecided,
    the scenario in which most becomes decided per second comes first. It keeps the seconds of all rounds that it still
    needs, and the others get what is left. In each scenario the reference is measured too. The order is random, and
    determined by the seed and the number of the round alone.
    """
    chosen = []
    left_s = seconds
    for candidate in sorted(_candidates(plan, advice), key=lambda one: _most_per_second_first(plan, one)):
        fitting = _fitting(plan, candidate, left_s)
        if fitting is not None:
            chosen.append(fitting)
            left_s -= plan.round_s(fitting.turn) * max(1.0, fitting.rounds)
    return _shuffled(plan, chosen)


def _candidates(plan: Plan, advice: Advice) -> list[_Candidate]:
    """One per scenario that has something undecided, in the order of the plan's cells."""
    index_of = {key_of(cell): index for index, cell in enumerate(plan.cells)}
    undecided: dict[str, list[tuple[frozenset[int], Undecided]]] = {}
    for one in advice.undecided:
        if all(key in index_of for key in one.cells):
            cells = frozenset(index_of[key] for key in one.cells)
            undecided.setdefault(comparison_key(plan.cells[min(cells)]), []).append((cells, one))
    references: dict[str, set[int]] = {}
    for index, cell in enumerate(plan.cells):
        if cell.framework.reference:
            references.setdefault(comparison_key(cell), set()).add(index)
    return [
        _Candidate(frozenset().union(*(cells for cells, _ in found)), frozenset(references.get(key, ())), tuple(found))
        for key, found in undecided.items()
    ]


def _most_per_second_first(plan: Plan, candidate: _Candidate) -> tuple[float, int]:
    """Sort key. Of several alike, the first one of the plan comes first."""
    return -candidate.gain / plan.round_s(candidate.turn), min(candidate.cells)


def _fitting(plan: Plan, candidate: _Candidate, seconds: float) -> _Candidate | None:
    """As much of the candidate as one round of it has the seconds for; ``None`` if that is nothing."""
    while candidate.undecided and plan.round_s(candidate.turn) > seconds:
        candidate = candidate.without_least()
    return candidate if candidate.undecided else None


def _shuffled(plan: Plan, chosen: Iterable[_Candidate]) -> tuple[int, ...]:
    """The cells in random order. Cells that are measured together stay together, and as far as few are, those that are
    compared are neighbours.
    """
    shuffler = random.Random(f"{plan.seed} {len(plan.order) + 1}")
    groups: list[list[int]] = []
    for candidate in chosen:
        together: dict[object, list[int]] = {}
        for index in candidate.turn:
            together.setdefault(group_key(plan.cells[index], index), []).append(index)
        for group in together.values():
            shuffler.shuffle(group)
            groups.append(_with_neighbours(plan, group, candidate))
    shuffler.shuffle(groups)
    return tuple(chain.from_iterable(searches_first(groups, plan.cells)))


def _with_neighbours(plan: Plan, group: Sequence[int], candidate: _Candidate) -> list[int]:
    """The group in such an order that `Plan.groups` puts cells together of which most would become decided.

    Each of these groups begins with one cell, and gets those that have most to decide with the cells in it.
    """
    most = plan.cells[group[0]].scenario.most_together
    if most is None or len(group) <= most:
        return list(group)
    gains: defaultdict[frozenset[int], float] = defaultdict(float)
    for cells, one in candidate.undecided:
        gains[cells] += one.gain
    reference = [index for index in group if index in candidate.reference]
    waiting = [index for index in group if index not in candidate.reference]
    ordered: list[int] = []

    def gain_with(index: int, others: Iterable[int]) -> float:
        return math.fsum(gains[frozenset((index, other))] for other in others if other != index)

    while waiting:
        own = [next((index for index in waiting if gain_with(index, waiting)), waiting[0])]
        waiting.remove(own[0])
        while waiting and len(own) < max(1, most - len(reference)):
            # What has nothing to decide with these goes to the group of whatever it has to decide something with.
            best = max(waiting, key=lambda index: (gain_with(index, own), -gain_with(index, waiting)))
            waiting.remove(best)
            own.append(best)
        ordered += own
    return [*reference, *ordered]


def look_at(plan: Plan, advice: Advice, turn: Collection[int], spent_s: float) -> Look:
    """The look after the plan's last round, which chose these cells for the next one.

    ``spent_s``: seconds of measuring so far.
    """
    names = {scenario_of(key_of(cell)): f"{cell.workload.slug}/{cell.scenario.kind}" for cell in plan.cells}
    parts: dict[str, PartLook] = {}
    for scenario, name in names.items():  # several have one name, if the run varies Python or topology
        if (found := advice.scenarios.get(scenario)) is not None:
            parts[name] = _sum(parts[name], found) if name in parts else found
    return Look(
        after_round=len(plan.order),
        spent_s=round(spent_s, 1),
        decided=sum(part.decided for part in parts.values()),
        deciding=sum(part.deciding for part in parts.values()),
        parts=parts,
        cells=sorted(turn),
    )


def _sum(one: PartLook, other: PartLook) -> PartLook:
    return PartLook(**{name: getattr(one, name) + getattr(other, name) for name in PartLook.model_fields})


def is_target_reached(limits: Limits, advice: Advice) -> bool:
    """Whether enough comparisons are decided, enough intervals are narrow, and no row needs more rounds to count.

    Without any comparison and any value, there is nothing of which that could be enough.
    """
    decided, deciding, wide, values = (
        sum(getattr(part, name) for part in advice.scenarios.values())
        for name in ("decided", "deciding", "wide", "values")
    )
    share = limits.target_decided_percent / 100
    is_complete = not any(one.reason == "short" for one in advice.undecided)
    is_any = deciding + values > 0
    return is_any and is_complete and decided >= share * deciding and values - wide >= share * values


def further_round(plan: Plan, limits: Limits, advice: Advice, seconds: float) -> tuple[tuple[int, ...], Ending | None]:
    """The cells of the next round, or none and why the run ends. ``seconds``: as in `next_round`."""
    if is_target_reached(limits, advice):
        return (), "target reached"
    if len(plan.order) >= limits.most_rounds:
        return (), "all rounds measured"
    if not _candidates(plan, advice):
        return (), "more rounds would not decide"
    turn = next_round(plan, advice, seconds)
    return turn, None if turn else "time is up"
