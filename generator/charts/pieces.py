"""Axes, traces and layouts of charts in Plotly's JSON form. Pure functions of data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from generator.statistics import Estimate

Json = dict[str, Any]
"""A part of a chart in Plotly's JSON form."""

DECADES = [step * 10.0**power for power in range(-4, 7) for step in (1, 2, 5)]
_NEUTRAL = "#8a939e"


def short(value: float) -> float:
    """Round to five significant digits: more precise than a pixel, and it keeps pages small."""
    return float(f"{value:.5g}")


# Axes


def ticks(values: Iterable[float]) -> Json:
    """The ticks of a logarithmic axis, with numbers in full: Plotly's short form writes 20 as a lone 2.

    Numbers from 10,000 are in thousands or millions, because longer labels overlap on a phone.
    """
    shown = [float(f"{value:.3g}") for value in values]
    return {"tickvals": shown, "ticktext": [_tick_text(value) for value in shown]}


def _tick_text(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= max(size, 10_000):
            return f"{value / size:,.10g}{letter}"
    return f"{value:,.10g}"


LOG_TICKS = ticks(DECADES)


def linear_axis(title: str, *, low: float = 0.0, high: float | None = None) -> Json:
    """An axis from zero, or from ``low`` if that is less, to ``high``; without ``high`` Plotly chooses the range."""
    ends = {} if high is None else {"range": [short(min(0.0, low)), short(high)], "fixedrange": True}
    return {"title": {"text": title}, **ends}


def log_axis(title: str, *, exponents: tuple[float, float] | None = None, at: Json = LOG_TICKS) -> Json:
    """A logarithmic axis. ``exponents``: powers of ten at both ends; by default Plotly chooses. ``at``: ticks."""
    fixed = {} if exponents is None else {"range": [short(exponents[0]), short(exponents[1])], "fixedrange": True}
    return {"type": "log", "title": {"text": f"{title} (log scale)"}, **fixed, **at}


def row_axis(labels: Sequence[str]) -> Json:
    """An axis with one row per label, the first at the top."""
    return {
        "tickvals": list(range(len(labels))),
        "ticktext": list(labels),
        "range": [len(labels) - 0.4, -0.6],
        "fixedrange": True,
        "automargin": True,
        "ticks": "",
        "showgrid": False,
        "zeroline": False,
    }


# Layouts


def row_layout(x_axis: Json, labels: Sequence[str]) -> Json:
    """Layout of a chart with one row per variant."""
    return {"xaxis": x_axis, "yaxis": row_axis(labels), "margin": {"l": 8, "r": 16, "t": 8, "b": 52}}


def line_layout(x_axis: Json, y_axis: Json) -> Json:
    """Layout of a chart with one line per variant."""
    return {
        "xaxis": x_axis,
        "yaxis": y_axis,
        "margin": {"l": 56, "r": 16, "t": 8, "b": 52},
        "hovermode": "closest",
    }


# Traces


def error_bars(estimates: Sequence[Estimate]) -> Json:
    """Asymmetric error bars, because intervals are computed on logarithms; length zero for a single round."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [short(one.interval.high - one.mean) if one.interval else 0 for one in estimates],
        "arrayminus": [short(one.mean - one.interval.low) if one.interval else 0 for one in estimates],
        "thickness": 1.5,
        "width": 4,
    }


def hover(texts: Sequence[str] | Sequence[Sequence[str]], template: str) -> Json:
    """Hover text of a trace. ``template`` refers to the texts of each point."""
    return {"customdata": list(texts), "hovertemplate": f"{template}<extra></extra>"}


NO_HOVER: Json = {"hoverinfo": "skip"}


def bar_trace(lengths: Sequence[float], rows: Sequence[int], *, width: float, marker: Json, **more: Any) -> Json:
    """Horizontal bars."""
    return {
        "type": "bar",
        "orientation": "h",
        "x": list(lengths),
        "y": list(rows),
        "width": width,
        "marker": marker,
        "showlegend": False,
        **more,
    }


def marker_trace(x: Sequence[float], rows: Sequence[int], *, marker: Json, **more: Any) -> Json:
    """Symbols in the rows of a chart."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(x),
        "y": list(rows),
        "marker": marker,
        "showlegend": False,
    } | more


def span_trace(ends: Sequence[Sequence[float]]) -> Json:
    """A thin line in each row, from one end to the other."""
    x: list[float | None] = []
    y: list[int | None] = []
    for row, values in enumerate(ends):
        x += [*values, None]
        y += [row] * len(values) + [None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "line": {"color": _NEUTRAL, "width": 1.5},
        "showlegend": False,
        **NO_HOVER,
    }


def text_trace(texts: Sequence[str], x: Sequence[float]) -> Json:
    """A text in each row, to the right of ``x``."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": list(x),
        "y": list(range(len(texts))),
        "text": list(texts),
        "textposition": "middle right",
        "showlegend": False,
        **NO_HOVER,
    }


def line_trace(
    name: str, x: Sequence[Any], y: Sequence[Any], *, colour: str, dash: str, marker: Json, visible: bool
) -> Json:
    """A line with markers. If not ``visible``, only its name is in the legend until the reader selects it."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        "marker": marker,
        "line": {"color": colour, "dash": dash, "width": 2},
        **({} if visible else {"visible": "legendonly"}),
    }


def rings(are_ringed: Sequence[bool]) -> Json:
    """Marker properties that make some points of a line larger and ringed."""
    return {
        "size": [13 if is_ringed else 8 for is_ringed in are_ringed],
        "line": {"width": [2 if is_ringed else 0 for is_ringed in are_ringed], "color": _NEUTRAL},
    }
