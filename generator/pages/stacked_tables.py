"""Tables of the class ``rt-stack``, whose rows are cards on a phone and on paper.

A card shows the name of the column beside each value, without those that are missing. `tables.js` says by roles that it
is a table nevertheless, since some browsers forget that with the layout, and HTML does not allow these roles before.
"""

from __future__ import annotations

import html as html_text
import re
from collections.abc import Sequence

_TABLE = re.compile(r'<table class="[^"]*\brt-stack\b.*?</table>', re.DOTALL)
_HEAD = re.compile(r'<th scope="col"([^>]*)>(.*?)</th>', re.DOTALL)
_OWN_LABEL = re.compile(r'data-label="([^"]*)"')
_NOTE = re.compile(r"<small>(.*?)</small>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_ROW, _CELL = "<tr", "<td"
_MOST_CARDS, _MOST_LONG_CARDS = 10, 4
_LONG_FROM = 32
"""Columns from which a card is so long that few are enough."""


def stack_tables(html: str) -> str:
    """The HTML with labels in its stacked tables.

    Only our templates write tags, since all data is escaped, so each ``<td`` begins a cell. A row has one cell per
    column, the first of which is its head. Cells with a label of their own keep it.
    """
    return _TABLE.sub(lambda found: _stacked(found.group()), html) if "rt-stack" in html else html


def _stacked(table: str) -> str:
    labels = [_label(attributes, head) for attributes, head in _HEAD.findall(table)]
    if "rt-sortable" in table.partition(">")[0]:
        table = table.replace("rt-stack", f"rt-stack{_shortness(len(labels), table.count(_ROW) - 1)}", 1)
    head, *rows = table.split(_ROW)
    return _ROW.join([head, *(_labelled(row, labels[1:]) for row in rows)])


def _shortness(columns: int, rows: int) -> str:
    """Classes of a sortable table of which a phone shows only the first cards, until the reader wants all."""
    if columns >= _LONG_FROM:
        return " rt-short rt-shorter" if rows > _MOST_LONG_CARDS else ""
    return " rt-short" if rows > _MOST_CARDS else ""


def _labelled(row: str, labels: Sequence[str]) -> str:
    """A row, from after its ``<tr``; of the head, which has no such cells, nothing changes."""
    start, *cells = row.split(_CELL)
    made = [start]
    for label, cell in zip(labels, cells, strict=False):
        own = "" if 'data-label="' in cell.partition(">")[0] else f' data-label="{label}"'
        made.append(f"{_CELL}{own}{cell}")
    return "".join(made)


def _label(attributes: str, head: str) -> str:
    """The label that a column has for it; else its title, with the first part of its note, which is a unit.

    It is escaped for an attribute.
    """
    if own := _OWN_LABEL.search(attributes):
        return own.group(1)
    note = _NOTE.search(head)
    title = _text(_NOTE.sub("", head))
    unit = _text(note.group(1)).partition(",")[0] if note else ""
    return html_text.escape(f"{title} ({unit})" if unit else title)


def _text(html: str) -> str:
    return html_text.unescape(_TAG.sub("", html)).strip()
