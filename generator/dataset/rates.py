"""The document on how often the method was right about twins with a known difference.

``benchmarks/power.py`` computes it from recorded rounds; the methodology page shows it. No number is entered by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runners.record import InvalidError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class RatesError(InvalidError):
    """The document cannot be used."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Recorded(_Part):
    """A run of the twins. ``path``: below the results folder. ``rounds``: those with valid values of all twins."""

    path: str
    profile: str
    started: str
    cpu_model: str
    rounds: int


class Difference(_Part):
    """One metric of a twin relative to the first twin, over all rounds of a profile: our best estimate of it.

    ``spread_percent``: the standard deviation of a round's log ratio, times 100.
    """

    twin: str
    profile: str
    figure: str
    ratio: Positive
    low: Positive
    high: Positive
    spread_percent: Annotated[float, Field(ge=0)]


class Rate(_Part):
    """The share of comparisons of ``rounds`` rounds with the right outcome for a twin and the first twin.

    ``expected``: ``not different``: the two do not differ by more than the margin. ``no order``: neither is called
    better, not even by less than the margin. ``equal``: they are practically equal. ``worse``: the twin is called
    worse, even if it is by less than the margin. ``figure``: the metric. ``low`` to ``high``: the 95 % interval of
    ``rate``. ``disjoint``: the number of comparisons that share no rounds. ``target``: the promised rate, if there is
    one.
    """

    twin: str
    expected: Literal["not different", "no order", "equal", "worse"]
    profile: str
    rounds: Count
    figure: str
    comparisons: Count
    disjoint: Count
    right: Annotated[int, Field(ge=0)]
    rate: Share
    low: Share
    high: Share
    target: Share | None = None


class Simulated(_Part):
    """How often the rule is right about simulated tables of twins: rows in equal pairs, each slower than the one
    before.

    ``noisy_rows``: rows four times as noisy as the others, whose logarithms have a standard deviation of
    ``spread_percent`` / 100 in a round. ``step``: ratio of a pair to the one before. ``margin``: of the metric. Shares:
    of all equal pairs, ``not_different``: not called different, ``no_order``: neither called better. Of the pairs of
    quiet rows, ``equal``: equal ones that are called practically equal, ``found``: those a step apart of which the
    slower is called worse. Of all pairs, ``covered``: the 95 % interval contains the truth. ``false_share``: of all
    that is called better or worse, what is not. ``paired_…``: the same by a paired t-test of each pair alone.
    """

    rows: Count
    rounds: Count
    noisy_rows: Annotated[int, Field(ge=0)]
    spread_percent: Positive
    step: Positive
    margin: Positive
    tables: Count
    not_different: Share
    no_order: Share
    equal: Share
    found: Share
    covered: Share
    false_share: Share
    paired_no_order: Share
    paired_found: Share


class Rates(_Part):
    """The whole document. ``rounds``: all recorded rounds; comparisons draw from those of their profile."""

    schema_version: Literal[2] = 2
    seed: int
    decision_level: Share
    smallest_relevant_ratio: Annotated[float, Field(ge=1)]
    workload: str
    rounds: Count
    runs: Annotated[list[Recorded], Field(min_length=1)]
    differences: list[Difference]
    rates: list[Rate]
    simulated: list[Simulated]

    @property
    def cpu_models(self) -> list[str]:
        return sorted({run.cpu_model for run in self.runs})


def load_rates(path: Path) -> Rates | None:
    """Read the document; ``None`` if it does not exist. Raises `RatesError` for an invalid one."""
    if not path.is_file():
        return None
    try:
        return Rates.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the document"
        raise RatesError(
            f"{path}: {place}: {first['msg']}; generate it with `python -m benchmarks.power --json`"
        ) from None
