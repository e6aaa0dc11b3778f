"""How the cost of a unit of work changes with the number of clients, members or streams: one small panel each."""

from __future__ import annotations

from generator.charts import ChartTable, TableCell, TableHead
from generator.charts.wording import significant
from generator.comparison import Growth, LoadModel, UnitCost
from generator.drawing import Panel, draw_multiples
from generator.pages.drawn_chart import DrawnChart, made_of
from generator.pages.markup import listed
from generator.pages.view import View


def growth_chart(view: View, case: str, model: LoadModel, growth: Growth) -> DrawnChart | None:
    """The chart; ``None`` if no framework was measured at both ends."""
    if not growth.factors:
        return None
    last = growth.sizes[-1]
    # Who costs least where most share the work comes first; who was not measured there, last.
    order = sorted(growth.rows, key=lambda slug: _at_end(growth.rows[slug]))
    panels = [
        Panel(
            view.titles[slug],
            tuple(cost.cpu_us if cost else None for cost in growth.rows[slug]),
            tuple(significant(cost.cpu_us) if cost else "" for cost in growth.rows[slug]),
        )
        for slug in order
    ]
    axis = f"{model.size_in_words} → · µs per {model.unit} ↑, logarithmic"
    label = f"CPU per {model.unit} of {len(panels)} frameworks at {len(growth.sizes)} sizes. The table has the values."
    wide, narrow = (draw_multiples(panels, growth.sizes, axis, label, is_narrow=one) for one in (False, True))
    workloads = {cost.workload for row in growth.rows.values() for cost in row if cost}
    titles = [workload.title for workload in view.comparison.workloads if workload.slug in workloads]
    return DrawnChart(
        slug=f"{case}-growth",
        title=_title(model, growth),
        subtitle=(
            f"{listed(titles)}: CPU of server and broker per {model.unit}, in µs, by the number of"
            f" {model.size_in_words}. Lower is better."
        ),
        wide=wide,
        narrow=narrow,
        table=ChartTable(
            (
                TableHead.of("Framework"),
                *(TableHead.of(f"{size:,g} {model.size_in_words} (µs)") for size in growth.sizes),
            ),
            tuple(
                (
                    TableCell.of_text(view.titles[slug]),
                    *(TableCell.of_number(cost.cpu_us if cost else None) for cost in growth.rows[slug]),
                )
                for slug in order
            ),
        ),
        frameworks=tuple(order),
        notes=(f"Grey: the median. The order is by the cost at {last:,g} {model.size_in_words}.",),
        made_of=_made_of(view, growth),
    )


def _at_end(row: tuple[UnitCost | None, ...]) -> float:
    return row[-1].cpu_us if row[-1] else float("inf")


def _title(model: LoadModel, growth: Growth) -> str:
    """How many times as much a unit costs at the largest size."""
    low, high = (significant(one, 2) for one in (min(growth.factors.values()), max(growth.factors.values())))
    factor = f"{low}×" if low == high else f"{low} to {high}×"
    first, last = growth.sizes[0], growth.sizes[-1]
    return f"A {model.unit} is {factor} as costly with {last:,g} {model.size_in_words} as with {first:,g}"


def _made_of(view: View, growth: Growth) -> str:
    anchors = {cost.anchor for row in growth.rows.values() for cost in row if cost}
    return next((made_of(table) for table in view.comparison.tables if table.slug in anchors), "")
