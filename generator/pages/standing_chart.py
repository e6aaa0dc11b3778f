"""Where one framework is among all, by use case and dimension."""

from __future__ import annotations

from generator.charts import ChartTable, TableCell, TableHead
from generator.charts.wording import LONGEST_TITLE, plain
from generator.comparison import CLOSE_FACTOR
from generator.drawing import Strip, draw_strips
from generator.pages.drawn_chart import DrawnChart
from generator.pages.heat import HeatTable
from generator.pages.view import View


def standing_chart(view: View, heat: HeatTable, slug: str) -> DrawnChart | None:
    """One strip per column of the heat table; ``None`` for a framework without any value there."""
    row = next((one for one in heat.rows if one.slug == slug), None)
    if row is None or all(cell.times is None for cell in row.cells):
        return None
    strips = []
    for index, (column, cell) in enumerate(zip(heat.columns, row.cells, strict=True)):
        others = [one.cells[index].times for one in heat.rows if one.slug != slug]
        strips.append(Strip(column.title, cell.times, tuple(times for times in others if times is not None), cell.text))
    title = view.titles[slug]
    label = f"{plain(title)}: times behind the best. The table below lists the values."
    wide, narrow = (draw_strips(strips, label, is_narrow=one) for one in (False, True))
    return DrawnChart(
        slug="standing",
        title=_finding(title, strips),
        subtitle="Times behind the best, on average over the facets of each row; scores end at 4×. Left is better.",
        wide=wide,
        narrow=narrow,
        table=ChartTable(
            (TableHead.of("Where"), TableHead.of("Times behind the best")),
            tuple((TableCell.of_text(one.title), TableCell(one.text, (one.own,))) for one in strips),
        ),
        frameworks=(slug,) * len(strips),
        notes=(f"Blue: {plain(title)}. Grey: all others.",),
    )


def _finding(title: str, strips: list[Strip]) -> str:
    known = [one for one in strips if one.own is not None]
    close = [one for one in known if (one.own or 0.0) <= CLOSE_FACTOR]
    if len(known) == 1:
        long = f"{title} has a score in one row only"
    elif not close:
        long = f"{title} is more than {CLOSE_FACTOR:g}× behind in all {len(known)} rows"
    elif len(close) == len(known):
        long = f"{title} is within {CLOSE_FACTOR:g}× of the best in all {len(known)} rows"
    else:
        long = f"{title} is within {CLOSE_FACTOR:g}× of the best in {len(close)} of {len(known)} rows"
    return (
        long
        if len(long) <= LONGEST_TITLE
        else f"It is within {CLOSE_FACTOR:g}× of the best in {len(close)} of {len(known)} rows"
    )
