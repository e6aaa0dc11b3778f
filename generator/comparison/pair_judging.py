"""One metric over all rows of a table: which rows differ, which are practically equal, and what is inconclusive.

The model, the judgements and the correction are those of the whole table. So the outcome of two rows is the same on
every page, whatever the page leaves out.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from types import MappingProxyType
from typing import Generic, Literal, TypeVar

from generator.comparison.metrics import Metric
from generator.statistics import Contrast, Estimate, RankRange, RoundsModel, Stage, fit_rounds, judge, rank_ranges
from generator.statistics import Reason as OpenReason

Direction = Literal["better", "worse"]
Outcome = Literal["better", "worse", "same", "unknown"]
"""``better``, ``worse``: differs by more than the margin. ``same``: practically equal. ``unknown``: inconclusive."""
Reason = OpenReason | Literal["floor"]
"""Why an outcome is inconclusive, or ``floor``: practically equal because nobody notices values so low."""
Key = TypeVar("Key", bound=Hashable)

_OPPOSITE: Mapping[Direction, Direction] = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class Judged:
    """The outcome for the first of two.

    ``direction``: whether the first is better or worse, if that is certain, even if it is by less than the margin.
    ``reason``: why the outcome is ``unknown``, or why it is ``same`` although the values differ by more than the
    margin.
    """

    contrast: Contrast | None
    outcome: Outcome
    direction: Direction | None = None
    reason: Reason | None = None

    @property
    def swapped(self) -> Judged:
        """The outcome for the second."""
        direction = _OPPOSITE[self.direction] if self.direction else None
        outcome = _OPPOSITE[self.outcome] if self.outcome in ("better", "worse") else self.outcome
        return Judged(self.contrast and self.contrast.swapped, outcome, direction, self.reason)


@dataclass(frozen=True)
class ComparedValues:
    """Two values of a metric to be judged. ``barred``: why they cannot decide, if so. ``highest``: the highest end of
    their 95 % intervals; ``None`` if one has no interval.
    """

    metric: Metric
    contrast: Contrast | None
    first_mean: float
    second_mean: float
    barred: Reason | None = None
    highest: float | None = None

    @property
    def is_negligible(self) -> bool:
        """Whether both are surely below the metric's floor."""
        return self.highest is not None and self.metric.is_negligible(self.highest, self.highest)

    @property
    def width(self) -> float:
        return self.metric.width(self.first_mean, self.second_mean)


def judge_all(compared: Mapping[Key, ComparedValues]) -> dict[Key, Judged]:
    """Judge all comparisons together, corrected for their number (`generator.statistics.judge`).

    Two values whose intervals end below the metric's floor are practically equal in any case.
    """
    known = {key: one.contrast for key, one in compared.items() if one.contrast is not None and one.barred is None}
    judgements = judge(known, lambda key: compared[key].width)
    found = {}
    for key, one in compared.items():
        judgement = judgements.get(key)
        if judgement is None:
            found[key] = Judged(one.contrast, "unknown", reason=one.barred or "not enough data")
            continue
        is_good = (judgement.side == "above") == (one.metric.direction == "higher")
        direction: Direction | None = None if judgement.side is None else "better" if is_good else "worse"
        if judgement.outcome == "same":
            found[key] = Judged(one.contrast, "same", direction)
        elif one.is_negligible:
            found[key] = Judged(one.contrast, "same", direction, "floor")
        elif judgement.outcome == "unknown" or direction is None:
            found[key] = Judged(one.contrast, "unknown", direction, judgement.reason)
        else:
            found[key] = Judged(one.contrast, direction, direction)
    return found


def highest_end(estimates: Iterable[Estimate | None]) -> float | None:
    """The highest upper end of these values' intervals; ``None`` if one has none."""
    ends = [one.interval.high if one and one.interval else None for one in estimates]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


class MetricComparison(Generic[Key]):
    """One metric of a table.

    ``values``: of each row, by repeat. ``barred``: rows that have no rank and decide nothing, with the reason.
    ``aside``: further rows that have no rank: the reference. ``is_pooled``: whether the repeats are runs, which show
    themselves how values vary between runs. ``stages``: how far each row has come that was looked at repeatedly.
    """

    def __init__(
        self,
        metric: Metric,
        values: Mapping[Key, Mapping[int, float]],
        *,
        barred: Mapping[Key, Reason],
        aside: Collection[Key] = (),
        is_pooled: bool = False,
        stages: Mapping[Key, Stage] = MappingProxyType({}),
    ) -> None:
        self.metric = metric
        self._values = values
        self._barred = barred
        self._is_pooled = is_pooled
        self._stages = stages
        self._between = 0.0 if is_pooled else metric.between_runs**2
        self.contenders = tuple(key for key in values if key not in barred and key not in aside)

    @cached_property
    def model(self) -> RoundsModel[Key]:
        return fit_rounds(self._values, is_ratio=self.metric.is_ratio, between=self._between, stages=self._stages)

    def judged(self, first: Key, second: Key) -> Judged:
        """The outcome for the first row."""
        if (first, second) in self._family:
            return self._family[first, second]
        if (second, first) in self._family:
            return self._family[second, first].swapped
        # A row without a rank: the reference, whose comparison is a family of its own, or a barred one.
        pair = (first, second)
        return judge_all({pair: self._compared(pair, self.model.contrast(first, second))})[pair]

    def estimate(self, key: Key) -> Estimate | None:
        """The mean of a row's own values, with its interval."""
        return self._estimates[key]

    @cached_property
    def _estimates(self) -> dict[Key, Estimate | None]:
        return {
            key: self.metric.estimate(list(own.values()), is_of_runs=self._is_pooled, stage=self._stages.get(key))
            for key, own in self._values.items()
        }

    def ranks(self, rows: Collection[Key]) -> dict[Key, RankRange]:
        """The rank ranges of the contenders among these rows; none without a second one."""
        among = set(rows)
        ranked = [key for key in self.contenders if key in among]
        if len(ranked) < 2:
            return {}
        outcomes = {pair: self._family[pair].outcome for pair in combinations(ranked, 2)}
        better = [
            pair if outcome == "better" else pair[::-1] for pair, outcome in outcomes.items() if outcome in _OPPOSITE
        ]
        return rank_ranges(ranked, better)

    @cached_property
    def _family(self) -> dict[tuple[Key, Key], Judged]:
        """The judgements of all pairs of contenders, corrected for their number."""
        contrasts = self.model.contrasts(list(combinations(self.contenders, 2)))
        return judge_all({pair: self._compared(pair, contrast) for pair, contrast in contrasts.items()})

    def _compared(self, pair: tuple[Key, Key], contrast: Contrast | None) -> ComparedValues:
        barred = next((self._barred[key] for key in pair if key in self._barred), None)
        first, second = (self.model.mean(key) for key in pair)
        if first is None or second is None:
            return ComparedValues(self.metric, contrast, 0.0, 0.0, barred or "not enough data")
        return ComparedValues(self.metric, contrast, first, second, barred, self._highest(pair))

    def _highest(self, pair: tuple[Key, Key]) -> float | None:
        return highest_end(self.estimate(key) for key in pair)
