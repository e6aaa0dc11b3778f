"""Charts as plain Plotly figures, each with its sentence and its table; and how names and numbers read."""

from generator.charts.figures import (
    Chart,
    ChartTable,
    latency_chart,
    metric_chart,
    percentile_chart,
    range_chart,
    timeline_chart,
    trend_chart,
)
from generator.charts.identity import Identity, identity

__all__ = [
    "Chart",
    "ChartTable",
    "Identity",
    "identity",
    "latency_chart",
    "metric_chart",
    "percentile_chart",
    "range_chart",
    "timeline_chart",
    "trend_chart",
]
