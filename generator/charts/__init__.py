"""Charts in Plotly's JSON form, each with its caption and its table; and the wording of names and numbers.

Charts are plain dictionaries, so building a page does not construct any objects of the Plotly library.
"""

from generator.charts.bars import latency_chart, metric_chart, range_chart
from generator.charts.chart import Chart, ChartTable, TableCell, TableHead
from generator.charts.curves import percentile_chart, timeline_chart, trend_chart
from generator.charts.identity import Identities, Identity
