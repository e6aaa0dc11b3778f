"""A chart as a value: the figure in Plotly's JSON form, and what a reader needs beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from generator.charts.wording import between, plain, significant
from generator.comparison import Metric, Row, Table
from generator.statistics import Summary

_ROW_PX = 34
_NARROW_ROW_PX = 38
_AXES_PX = 92

DECADES = [step * 10.0**power for power in range(-4, 7) for step in (1, 2, 5)]


def ticks(values: Iterable[float]) -> dict[str, list[float] | list[str]]:
    """Of a logarithmic axis: where, and the number in full, as Plotly's own short form writes 20 as a lone 2.

    From ten thousand on in thousands or millions: longer numbers run into each other on a phone.
    """
    shown = [float(f"{value:.3g}") for value in values]
    return {"tickvals": shown, "ticktext": [_tick_text(value) for value in shown]}


def _tick_text(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= max(size, 10_000):
            return f"{value / size:,.10g}{letter}"
    return f"{value:,.10g}"


LOG_TICKS = ticks(DECADES)


@dataclass(frozen=True)
class ChartTable:
    """What the chart shows, as text. The first column names the variant, the others are figures."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A figure with what a reader needs beside it.

    Every row of the table is a row or a line of the figure, in the same order; ``frameworks`` names the
    framework of each, so that a reader can choose among them. Heights are fixed, so that nothing moves on
    drawing.
    """

    slug: str
    title: str
    sentence: str
    direction: str
    figure: dict[str, Any]
    table: ChartTable
    frameworks: tuple[str, ...]
    by_row: bool = False
    """Whether each framework's variant has a row of its own, and not a line."""
    notes: tuple[str, ...] = ()

    @property
    def row_px(self) -> tuple[int, int]:
        """How high a row is, on a wide screen and on a phone; zero where there are only lines."""
        return (_ROW_PX, _NARROW_ROW_PX) if self.by_row else (0, 0)

    @property
    def heights_px(self) -> tuple[int, int]:
        """On a wide screen and on a phone."""
        count = len(self.frameworks)
        if self.by_row:
            return _ROW_PX * count + _AXES_PX, _NARROW_ROW_PX * count + _AXES_PX
        # Under the plot a legend of two columns, or of one on a phone.
        return 400 + 22 * -(-count // 2), 340 + 22 * count


def slugs(rows: Iterable[Row]) -> tuple[str, ...]:
    """Whose each row is."""
    return tuple(row.framework.slug for row in rows)


def label(row: Row) -> str:
    """Framework and variant, in characters that Plotly takes for text."""
    return plain(f"{row.framework.title} · {row.variant.slug}")


def errors(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Asymmetric, because the intervals are made on logarithms; nothing where there is one round."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [short(s.interval.high - s.mean) if s.interval else 0 for s in summaries],
        "arrayminus": [short(s.mean - s.interval.low) if s.interval else 0 for s in summaries],
        "thickness": 1.5,
        "width": 4,
    }


def figure_text(row: Row, metric: Metric) -> str:
    """The mean with unit, interval and number of rounds."""
    summary = row.figures[metric.key].summary
    text = f"{significant(summary.mean)} {unit_of(metric)}"
    spread = f" ({between(summary.interval)})" if summary.interval else ""
    return f"{text}{spread}, {summary.rounds} round{'s' if summary.rounds != 1 else ''}"


def unit_of(metric: Metric) -> str:
    """Spelt out where the table's heading says the rest."""
    return {"/s": "messages/s"}.get(metric.unit, metric.unit)


def latency_words(table: Table, prefix: str) -> str:
    """What was timed. ``prefix``: ``latency`` or ``push_lateness``."""
    if prefix == "push_lateness":
        return "lateness of pushed messages"
    return "latency from the intended send" if table.is_open else "service time"


def or_dash(value: float | None) -> str:
    """Its significant digits; a dash where there is none."""
    return "–" if value is None else significant(value)


def short(value: float) -> float:
    """Five digits are more than a pixel shows, and keep pages small."""
    return float(f"{value:.5g}")
