"""A chart as a value: its drawing in Plotly's JSON form, its captions, and its table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from generator.charts.pieces import Json
from generator.charts.wording import between, plain, significant
from generator.comparison import Metric, Row
from generator.statistics import Interval

_ROW_PX = 34
_NARROW_ROW_PX = 38
_AXES_PX = 92


_SAVED_DIGITS = 6
"""Significant digits of numbers in a saved file: more than any interval leaves certain, and short."""

Saved = str | float | None
"""A value in a saved file; ``None`` is an empty cell."""


@dataclass(frozen=True)
class TableHead:
    """The head of a column: its title for readers, and the names of its columns in a saved file, where each cell has
    one value.
    """

    title: str
    saved: tuple[str, ...]

    @classmethod
    def of(cls, title: str) -> TableHead:
        """A column that is one column in the file too."""
        return cls(title, (title,))

    @classmethod
    def of_interval(cls, what: str, unit: str) -> TableHead:
        return cls(f"95 % interval of {what}", (f"{what} low ({unit})", f"{what} high ({unit})"))


@dataclass(frozen=True)
class TableCell:
    """A cell: its text for readers, and its values in a saved file."""

    text: str
    values: tuple[Saved, ...]

    @classmethod
    def of_text(cls, text: str) -> TableCell:
        return cls(text, (text,))

    @classmethod
    def of_number(cls, value: float | None, in_words: Callable[[float], str] = significant) -> TableCell:
        """A number, by default shown with three significant digits; ``None`` is a dash."""
        return cls("–" if value is None else in_words(value), (_saved(value),))

    @classmethod
    def of_count(cls, value: int | None) -> TableCell:
        """A whole number, shown with all digits and separated thousands."""
        return cls.of_number(value, lambda number: f"{number:,}")

    @classmethod
    def of_interval(cls, interval: Interval | None) -> TableCell:
        if interval is None:
            return cls("–", (None, None))
        return cls(between(interval), (_saved(interval.low), _saved(interval.high)))


def _saved(value: float | None) -> float | None:
    return float(f"{value:.{_SAVED_DIGITS}g}") if isinstance(value, float) else value


@dataclass(frozen=True)
class ChartTable:
    """The chart's data. The first column names the variant; the others hold values."""

    columns: tuple[TableHead, ...]
    rows: tuple[tuple[TableCell, ...], ...]

    def __post_init__(self) -> None:
        """Raise `ValueError` if two columns have one name, or a cell has other values than its column has names."""
        for names in ([head.title for head in self.columns], self.saved_columns):
            if len(set(names)) != len(names):
                raise ValueError(f"two columns have the same name: {', '.join(names)}")
        for row in self.rows:
            if [len(cell.values) for cell in row] != [len(head.saved) for head in self.columns]:
                raise ValueError(f"the row of {row[0].text} does not fit its columns")

    @property
    def saved_columns(self) -> list[str]:
        """The names of the columns in a saved file."""
        return [name for head in self.columns for name in head.saved]

    @staticmethod
    def saved_row(row: tuple[TableCell, ...]) -> list[Saved]:
        """The values of a row in a saved file."""
        return [value for cell in row for value in cell.values]


@dataclass(frozen=True)
class Chart:
    """A drawing with its captions and its table.

    The table has one row for each row or line of the drawing, in the same order. ``title``: what is drawn.
    ``frameworks``: the framework of each row, by which readers filter. ``unit``: of the values, if the title lacks it,
    and how they are drawn. ``finding``: what the chart shows, which is its title on a page; a page adds it. Heights are
    fixed, so that the page does not move when the chart is drawn.
    """

    slug: str
    title: str
    sentence: str
    direction: str
    unit: str
    figure: Json
    table: ChartTable
    frameworks: tuple[str, ...]
    finding: str = ""
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


def unit_beside(metric: Metric) -> str:
    """The unit for use beside the title of the metric; empty where the title has it."""
    return "" if metric.unit == "/s" else metric.unit


def capitalised(text: str) -> str:
    """Capitalise the first letter; leave the others unchanged."""
    return text[:1].upper() + text[1:]
