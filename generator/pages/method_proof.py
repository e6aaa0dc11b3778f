"""The methodology page's section on how often the method was right about twins with a known difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generator.comparison import METRICS
from generator.dataset import Rate, Rates
from generator.pages.markup import Renderer, make_environment

PROOF_MARKER = "<!-- proof -->"
"""The line of ``site/methodology.md`` that the rates replace."""


@dataclass(frozen=True)
class _Line:
    """A promise and how often it was kept, for each metric."""

    first: Rate
    rates: Sequence[Rate]


def make_proof(rates: Rates | None) -> str:
    """The section as a finished block of HTML; without ``rates`` it reports that nothing was measured yet."""
    html = Renderer(make_environment(), "methodology.md").html(
        "proof.html",
        rates=rates,
        lines=_lines(rates) if rates else (),
        figures=_figures(rates) if rates else (),
        metrics=METRICS,
    )
    return f'<div class="rt">\n{html.strip()}\n</div>'


def _figures(rates: Rates) -> list[str]:
    return list(dict.fromkeys(rate.figure for rate in rates.rates))


def _lines(rates: Rates) -> list[_Line]:
    """One line per twin, profile and outcome, with its rates in the order of the metrics."""
    grouped: dict[tuple[str, str, str], list[Rate]] = {}
    for rate in rates.rates:
        grouped.setdefault((rate.twin, rate.profile, rate.expected), []).append(rate)
    order = _figures(rates)
    return [
        _Line(members[0], sorted(members, key=lambda rate: order.index(rate.figure))) for members in grouped.values()
    ]
