"""Charts as plain Plotly figures, each with its sentence and its table; and how names and numbers read.

Figures are dictionaries in Plotly's JSON form: building a page constructs no objects of Plotly's.
"""

from generator.charts.bars import latency_chart, metric_chart, range_chart
from generator.charts.curves import percentile_chart, timeline_chart, trend_chart
from generator.charts.figure import Chart, ChartTable
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
