"""How often the method was right about twins whose difference is known: the document that proves it.

``benchmarks/power.py`` makes it from recorded rounds, the methodology page shows it. No number in it is typed by hand.
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
    """A run of the twins: ``path`` below the folder of their results, ``rounds`` with valid values of all twins."""

    path: str
    profile: str
    started: str
    cpu_model: str
    rounds: int


class Difference(_Part):
    """One metric of a twin relative to the first twin, over all rounds of a profile: the best estimate of the truth.

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
    """How often a comparison of so many rounds had the right outcome for a twin and the first.

    ``figures``: the metrics tested together, with ``other_figures`` more in which the two were equal. ``low`` to
    ``high``: the 95 % interval of ``rate``. ``disjoint``: how many comparisons the rounds hold that share none.
    ``target``: what the method promises, if it promises anything here.
    """

    twin: str
    expected: Literal["same", "dearer"]
    profile: str
    rounds: Count
    figures: list[str]
    other_figures: Annotated[int, Field(ge=0)]
    comparisons: Count
    disjoint: Count
    right: Annotated[int, Field(ge=0)]
    rate: Share
    low: Share
    high: Share
    target: Share | None = None


class Rates(_Part):
    """The whole document. ``rounds`` are all that were recorded; comparisons draw from those of their profile."""

    schema_version: Literal[1] = 1
    seed: int
    decision_level: Share
    smallest_relevant_ratio: Annotated[float, Field(ge=1)]
    workload: str
    rounds: Count
    runs: Annotated[list[Recorded], Field(min_length=1)]
    differences: list[Difference]
    rates: list[Rate]

    @property
    def cpu_models(self) -> list[str]:
        return sorted({run.cpu_model for run in self.runs})


def load_rates(path: Path) -> Rates | None:
    """The document at ``path``, ``None`` where there is none; raises `RatesError` for one that is not as it must be."""
    if not path.is_file():
        return None
    try:
        return Rates.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the document"
        raise RatesError(
            f"{path}: {place}: {first['msg']}; make it again with `python -m benchmarks.power --json`"
        ) from None
