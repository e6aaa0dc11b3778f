"""A chart as a value: the figure in Plotly's JSON form, and what a reader needs beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from generator.charts.pieces import Json
from generator.charts.wording import between, plain, significant
from generator.comparison import Metric, Row

_ROW_PX = 34
_NARROW_ROW_PX = 38
_AXES_PX = 92


@dataclass(frozen=True)
class ChartTable:
    """What the chart shows, as text. The first column names the variant, the others hold values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A figure with what a reader needs beside it.

    Each row of the table is a row or a line of the figure, in the same order. ``frameworks``: the framework of each, so
    that a reader can choose among them. Heights are fixed, so that the page does not move when the chart is drawn.
    """

    slug: str
    title: str
    sentence: str
    direction: str
    figure: Json
    table: ChartTable
    frameworks: tuple[str, ...]
    by_row: bool = False
    """Whether each variant has a row of its own instead of a line."""
    notes: tuple[str, ...] = ()

    @property
    def row_px(self) -> tuple[int, int]:
        """The height of a row on a wide screen and on a phone; zero where there are only lines."""
        return (_ROW_PX, _NARROW_ROW_PX) if self.by_row else (0, 0)

    @property
    def heights_px(self) -> tuple[int, int]:
        """On a wide screen and on a phone."""
        count = len(self.frameworks)
        if self.by_row:
            return _ROW_PX * count + _AXES_PX, _NARROW_ROW_PX * count + _AXES_PX
        # Under the plot is a legend of two columns, or of one on a phone.
        return 400 + 22 * -(-count // 2), 340 + 22 * count


def slugs(rows: Iterable[Row]) -> tuple[str, ...]:
    """The framework of each row."""
    return tuple(row.framework.slug for row in rows)


def label(row: Row) -> str:
    """Framework and variant, in characters that Plotly reads as text."""
    return plain(row.name)


def value_text(row: Row, metric: Metric) -> str:
    """The mean with unit, interval and number of rounds."""
    estimate = row.values[metric.key].estimate
    text = f"{significant(estimate.mean)} {unit_of(metric)}"
    spread = f" ({between(estimate.interval)})" if estimate.interval else ""
    return f"{text}{spread}, {estimate.rounds} round{'s' if estimate.rounds != 1 else ''}"


def unit_of(metric: Metric) -> str:
    """Spelt out, where no column heading says the rest."""
    return {"/s": "messages/s"}.get(metric.unit, metric.unit)


def capitalised(text: str) -> str:
    """With a capital first letter, and the others as they are."""
    return text[:1].upper() + text[1:]


def or_dash(value: float | None) -> str:
    """Its significant digits, or a dash."""
    return "–" if value is None else significant(value)
