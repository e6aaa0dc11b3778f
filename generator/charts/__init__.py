"""Charts as plain Plotly figures, each with its sentence and its table; and how names and numbers read.

Figures are dictionaries in Plotly's JSON form: building a page constructs no objects of Plotly's.
"""

from generator.charts.bars import latency_chart, metric_chart, range_chart
from generator.charts.chart import Chart, ChartTable
from generator.charts.curves import percentile_chart, timeline_chart, trend_chart
from generator.charts.identity import Identities, Identity
