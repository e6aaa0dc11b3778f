"""What a described load takes of each framework, in words: the rows that a page begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generator.charts.wording import significant
from generator.comparison import LoadCosts, LoadModel, UnitCost, estimate_load
from generator.pages.view import View


@dataclass(frozen=True)
class LoadRow:
    """One framework. ``cores``: for the length of its bar. The texts are those of the page's script."""

    slug: str
    cores: float
    cpu: str
    interval: str
    memory: str
    cost: UnitCost
    is_far: bool
    is_flagged: bool


def load_rows(
    view: View, model: LoadModel, found: Sequence[LoadCosts], values: Mapping[str, float]
) -> tuple[LoadRow, ...]:
    """The rows for these values of the dials: who takes least first, flagged frameworks last."""
    barred = view.conclusions.basis.barred
    rows = []
    for one in found:
        estimate = estimate_load(model, one, values)
        rows.append(
            LoadRow(
                one.framework,
                estimate.cores,
                cores_in_words(estimate.cores),
                interval_in_words(estimate.low, estimate.high),
                memory_in_words(estimate.mb),
                estimate.cost,
                estimate.is_far,
                one.framework in barred,
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.is_flagged, row.cores)))


def cores_in_words(cores: float) -> str:
    """Up to a core in percent of it."""
    if cores < 1:
        return f"{significant(100 * cores, 2)}\u00a0% of a core"
    return f"{significant(cores, 2)}\u00a0cores"


def interval_in_words(low: float | None, high: float | None) -> str:
    """Both ends, with one unit if they have the same."""
    if low is None or high is None:
        return "–"
    first, last = cores_in_words(low), cores_in_words(high)
    number, _, unit = first.partition("\u00a0")
    return f"{number} to {last}" if last.endswith(f"\u00a0{unit}") else f"{first} to {last}"


def memory_in_words(mb: float | None) -> str:
    """In MB, or GB from a thousand of them."""
    if mb is None:
        return "–"
    return f"{significant(mb, 2)}\u00a0MB" if mb < 1000 else f"{significant(mb / 1000, 2)}\u00a0GB"
