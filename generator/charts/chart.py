"""A chart as a value: its drawing in Plotly's JSON form, its captions, and its table."""

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
    """The chart's data as text. The first column names the variant; the others hold values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A drawing with its captions and its table.

    The table has one row for each row or line of the drawing, in the same order. ``frameworks``: the framework of each
    row, by which readers filter. Heights are fixed, so that the page does not move when the chart is drawn.
    """

    slug: str
    title: str
    sentence: str
    direction: str
    figure: Json
    table: ChartTable
    frameworks: tuple[str, ...]
    by_row: bool = False
    """Whether each variant is a row instead of a line."""
    notes: tuple[str, ...] = ()

    @property
    def row_px(self) -> tuple[int, int]:
        """Height of one row on a wide screen and on a phone; zero for a chart of lines."""
        return (_ROW_PX, _NARROW_ROW_PX) if self.by_row else (0, 0)

    @property
    def heights_px(self) -> tuple[int, int]:
        """Height of the chart on a wide screen and on a phone."""
        count = len(self.frameworks)
        if self.by_row:
            return _ROW_PX * count + _AXES_PX, _NARROW_ROW_PX * count + _AXES_PX
        # The legend below the plot has two columns, or one on a phone.
        return 400 + 22 * -(-count // 2), 340 + 22 * count


def slugs(rows: Iterable[Row]) -> tuple[str, ...]:
    """The slug of each row's framework."""
    return tuple(row.framework.slug for row in rows)


def label(row: Row) -> str:
    """Framework and variant, in characters that Plotly does not read as markup."""
    return plain(row.name)


def value_text(row: Row, metric: Metric) -> str:
    """The mean with unit, interval and number of rounds."""
    estimate = row.values[metric.key].estimate
    text = f"{significant(estimate.mean)} {unit_of(metric)}"
    spread = f" ({between(estimate.interval)})" if estimate.interval else ""
    return f"{text}{spread}, {estimate.rounds} round{'s' if estimate.rounds != 1 else ''}"


def unit_of(metric: Metric) -> str:
    """The unit in full, for use outside a column heading."""
    return {"/s": "messages/s"}.get(metric.unit, metric.unit)


def capitalised(text: str) -> str:
    """Capitalise the first letter; leave the others unchanged."""
    return text[:1].upper() + text[1:]


def or_dash(value: float | None) -> str:
    """The value with its significant digits; a dash for ``None``."""
    return "–" if value is None else significant(value)
