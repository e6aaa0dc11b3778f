"""Counts and outcomes that some workloads report besides metrics, as additional columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from generator.comparison.tables import Row, RowKey, Table
from runners.record import Measurement, Recovery, SlowConsumer, disturbance_percent


@dataclass(frozen=True)
class Column:
    """A heading, a note below it, and the text of each row; rows without the result have no text.

    ``keys``: the numbers by which rows sort, in the order of the text.
    """

    title: str
    note: str
    cells: Mapping[RowKey, str]

    @cached_property
    def keys(self) -> dict[RowKey, tuple[float, ...]]:
        return {row: tuple(map(float, _NUMBER.findall(text))) for row, text in self.cells.items()}


_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


_Text = Callable[[list[Measurement]], str | None]
"""Returns the text for the valid rounds of a row; ``None`` if they do not report the result."""


def columns_of(table: Table) -> tuple[Column, ...]:
    """The columns for which at least one row of the table has a text."""
    columns = (*_COLUMNS, *(_at_a_fixed_rate(table) if table.kind in ("rate", "push") else ()))
    found = (Column(title, note, _cells(table, text_of)) for title, note, text_of in columns)
    return tuple(column for column in found if column.cells)


def _cells(table: Table, text_of: _Text) -> dict[RowKey, str]:
    texts = {row.key: text_of(_counting(row)) for row in table.rows}
    return {key: text for key, text in texts.items() if text is not None}


def _counting(row: Row) -> list[Measurement]:
    return [measurement for measurement in row.cell.measurements if measurement.valid]


def _consumers(measurements: list[Measurement]) -> list[SlowConsumer]:
    return [one.slow_consumer for one in measurements if one.slow_consumer is not None]


def _kept(measurements: list[Measurement]) -> str | None:
    """The share of the messages sent while a reader was paused that it received later."""
    found = _consumers(measurements)
    sent = sum(one.said * one.consumers for one in found)
    return f"{100 * sum(one.heard for one in found) / sent:.0f} %" if sent else None


def _disconnected(measurements: list[Measurement]) -> str | None:
    found = _consumers(measurements)
    return f"{sum(one.closed for one in found)} of {sum(one.consumers for one in found)}" if found else None


def _growth(measurements: list[Measurement]) -> str | None:
    """Growth of memory from the first to the last reading, as mean over the rounds."""
    grown = [one.memory_mb[-1] - one.memory_mb[0] for one in _consumers(measurements) if len(one.memory_mb) > 1]
    return f"{sum(grown) / len(grown):+.1f} MB" if grown else None


def _recoveries(measurements: list[Measurement]) -> list[Recovery]:
    return [one.recovery for one in measurements if one.recovery is not None]


def _per_round(count: Callable[[Recovery], int]) -> _Text:
    def text_of(measurements: list[Measurement]) -> str | None:
        found = _recoveries(measurements)
        return f"{sum(map(count, found)) / len(found):.1f}" if found else None

    return text_of


def _never_back(measurements: list[Measurement]) -> str | None:
    found = _recoveries(measurements)
    return str(sum(one.never_back for one in found)) if found else None


def _spread(measurements: list[Measurement]) -> str | None:
    """The number of clients of each process in the last round."""
    spreads = [one.server.connections_per_process for one in measurements if one.server is not None]
    return " + ".join(map(str, spreads[-1])) if spreads and spreads[-1] else None


def _memory_steps(measurements: list[Measurement]) -> str | None:
    """Memory at each step of the last round."""
    found = [one.connecting for one in measurements if one.connecting is not None and len(one.connecting.steps) > 2]
    return ", ".join(f"{step.pss_mb:.0f}" for step in found[-1].steps) + " MB" if found else None


def _at_a_fixed_rate(table: Table) -> tuple[tuple[str, str, _Text]]:
    """How much others disturbed the rows, where latency rests on it; runs of one table have machines of one class."""
    cpus = table.run.document.machine.logical_cpus

    def text_of(measurements: list[Measurement]) -> str | None:
        found = [disturbance_percent(one, logical_cpus=cpus) for one in measurements]
        known = [one for one in found if one is not None]
        return f"{sum(known) / len(known):.2f} %" if known else None

    return (("Disturbance", "of a core, mean", text_of),)


_COLUMNS: tuple[tuple[str, str, _Text], ...] = (
    ("Queued for the paused client", "share of messages", _kept),
    ("Disconnected", "paused clients", _disconnected),
    ("Memory growth", "while they were paused", _growth),
    ("Unanswered", "messages per round", _per_round(lambda one: one.lost)),
    ("Not sent", "without a connection, per round", _per_round(lambda one: one.unsent)),
    ("Never back", "clients", _never_back),
    ("Clients per process", "last round", _spread),
    ("Memory", "at each step, last round", _memory_steps),
)
