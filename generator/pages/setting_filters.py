"""The filters of a page's tables: the version of Python, what is between clients and server, and the broker.

A table has one block of HTML per setting. The one that pages show by default is visible; `settings.js` shows another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from generator.comparison import CapacityTable, Table
from generator.dataset import python_order
from generator.pages.markup import Renderer, Section
from runners.record import BROKER_TITLES, parameter_in_words

AnyTable = Table | CapacityTable
_BROKERS = {"none": "without", **BROKER_TITLES}


@dataclass(frozen=True)
class _Filter:
    """One choice. ``options``: value and title, the default first, whose value is empty."""

    name: str
    title: str
    options: tuple[tuple[str, str], ...]


def filters_section(render: Renderer, shown: Sequence[tuple[AnyTable, Sequence[AnyTable]]]) -> list[Section]:
    """The section with the filters of these tables; none if there is nothing to choose.

    ``shown``: each table, and the same one under other settings.
    """
    others = [other for _, alike in shown for other in alike]
    found = [one for one in _filters([table for table, _ in shown], others) if len(one.options) > 1]
    if not found:
        return []
    return [Section(None, None, html=render.html("setting_filters.html", filters=found))]


def in_settings(render: Renderer, table: AnyTable, html: str, others: Sequence[tuple[AnyTable, str]]) -> str:
    """The HTML of a table and, hidden, that of the same table under other settings."""
    if not others:
        return html
    blocks = [(table, html), *others]
    views = [(one, _words(one), Markup(made)) for one, made in blocks]  # noqa: S704 - made by our templates
    return render.html("setting_views.html", views=views)


def _filters(tables: Sequence[AnyTable], others: Sequence[AnyTable]) -> list[_Filter]:
    if not tables:
        return []
    usual = tables[0].run.machine_class
    every = [*tables, *others]
    pythons = {one.run.machine_class.python for one in every} - {usual.python}
    topologies = {str(one.run.machine_class.topology) for one in every} - {str(usual.topology)}
    brokers = {row.variant.broker for one in every for row in one.rows if not row.framework.is_reference}
    return [
        _Filter(
            "topology",
            "Connection",
            (("", _topology(usual.topology)), *((one, _topology(one)) for one in sorted(topologies))),
        ),
        _Filter("python", "Python", (("", usual.python), *((one, one) for one in sorted(pythons, key=python_order)))),
        _Filter(
            "broker",
            "Broker",
            (("", "any"), *((one, _BROKERS[one]) for one in sorted(brokers))) if len(brokers) > 1 else (),
        ),
    ]


def _words(table: AnyTable) -> str:
    shown = table.run.machine_class
    through = parameter_in_words("topology", shown.topology)
    return f"{through[:1].upper()}{through[1:]}, Python {shown.python}"


def _topology(topology: str) -> str:
    return parameter_in_words("topology", topology)
