"""Wide tables: cards on a phone that stay tables for those who cannot see them, and that sort and filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from generator.pages.stacked_tables import stack_tables
from tests.support.marks import few_of
from tests.support.visiting import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

TABLE = """<table class="rt-table rt-stack">
<thead><tr><th scope="col">Variant</th><th scope="col" class="rt-num">The &#34;p99&#34;<small>ms, lower</small></th>
<th scope="col"><abbr title="x">Proof</abbr></th></tr></thead>
<tbody>
<tr class="rt-valid"><th scope="row">A</th><td class="rt-num" data-value="1">1.0<small>0.9</small></td>
<td data-label="Mine">&lt;td</td></tr>
</tbody></table>"""
STACKED = TABLE.replace(
    '<td class="rt-num" data-value="1">', '<td data-label="The &quot;p99&quot; (ms)" class="rt-num" data-value="1">'
)


def test_a_stacked_table_says_what_each_value_is() -> None:
    assert stack_tables(TABLE) == STACKED


def test_other_tables_stay_as_they_are() -> None:
    plain = TABLE.replace(" rt-stack", "")
    assert stack_tables(plain) == plain
    assert stack_tables(f"{plain}{TABLE}").startswith(plain)


CARDS = [
    "tests/dashboard.html",
    "tests/capacity.html",
    "dimensions/ease-of-use.html",
    "frameworks/index.html",
    "runs/index.html",
]
BEYOND = """tables => tables.flatMap(table => [...table.querySelectorAll("tbody, tbody *")])
  .filter(one => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1)
  .map(one => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("path", few_of(CARDS, CARDS[:2]))
def test_cards_need_no_scrolling_sideways_and_say_what_each_value_is(phone: Visit, path: str) -> None:
    page = phone.open(path)
    phone.lay_out()
    tables = page.locator("table.rt-stack:visible")
    assert tables.count() > 0
    assert tables.evaluate_all(BEYOND) == []
    cells = tables.first.locator("tbody td:visible").evaluate_all(
        "cells => cells.map(cell => [cell.dataset.label, getComputedStyle(cell, '::before').content])"
    )
    assert cells
    for label, shown in cells:
        assert label
        assert label.replace('"', '\\"') in shown
    assert in_tree(page, "table.rt-stack", "row") == 1 + tables.first.locator("tbody tr:visible").count()
    assert in_tree(page, "table.rt-stack", "cell") == len(cells)


def in_tree(page: Page, selector: str, role: str) -> int:
    """How many elements of a role the browser shows to screen readers."""
    session = page.context.new_cdp_session(page)
    found = session.send("Runtime.evaluate", {"expression": f"document.querySelector('{selector}')"})
    nodes = session.send("Accessibility.queryAXTree", {"objectId": found["result"]["objectId"], "role": role})
    return sum(not node["ignored"] for node in nodes["nodes"])


def test_cards_sort_and_filter(phone: Visit) -> None:
    page = phone.open("tests/dashboard.html")
    table = page.locator("table.rt-results").first
    table.locator("th button", has_text="Memory").first.click()
    column = int(table.locator("th[aria-sort=ascending]").evaluate("head => head.cellIndex"))
    values = [
        float(value)
        for value in table.locator(f"tbody tr > :nth-child({column + 1})").evaluate_all(
            "c => c.map(c => c.dataset.value)"
        )
        if value
    ]
    assert len(values) > 3
    assert values == sorted(values)
    assert table.locator("tbody tr:visible").count() == 10
    page.evaluate("rt.keep({ frameworks: 'fastapi', broker: 'none' })")
    rows = table.locator("tbody tr:visible")
    assert set(rows.evaluate_all("rows => rows.map(row => row.dataset.frameworks)")) == {"fastapi", "reference"}
    page.evaluate("rt.keep({ frameworks: null, broker: 'redis' })")
    others = table.locator("tbody tr:visible:not(.rt-reference)")
    assert set(others.evaluate_all("rows => rows.map(row => row.dataset.broker)")) == {"redis"}


def test_tables_for_comparison_stay_tables_on_a_phone(phone: Visit) -> None:
    """Their colours and scores are read down a column, under a head and beside a name that stay."""
    for path, name in (("scoreboard.html", "rt-heat"), ("dimensions/ease-of-use.html", "rt-weighed")):
        page = phone.open(path)
        table = page.locator(f"table.{name}").first
        assert table.evaluate("table => getComputedStyle(table).display") == "table"
        first = table.locator("tbody th").first
        assert first.evaluate("th => getComputedStyle(th).position") == "sticky"
        assert first.evaluate("th => th.getBoundingClientRect().width") < 195, "half of the screen is for values"
