"""Compares settings: what the same variants do on another Python, behind a proxy or with compressed messages, in the
same rounds of one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from generator.comparison.deciding import needs_quiet
from generator.comparison.metrics import ALWAYS_COMPARED, PROXY_CPU, Metric
from generator.comparison.pair_judging import (
    ComparedValues,
    Judged,
    MetricComparison,
    Reason,
    highest_end,
    judge_all,
)
from generator.comparison.tables import Row, RowKey, Table, compare_runs
from generator.dataset import Run


@dataclass(frozen=True)
class SettingChange:
    """A table of results under another setting, against the one that the pages show: another version of Python, or a
    proxy, or clients that offer compression.

    ``table``: the shown one. ``rows``: the variants that are valid on both, in the table's order, without those that
    declined to compress, which show no price of compression. ``judged``: by variant and key of a metric the outcome of
    the other setting, whose ratio is that of the other to the shown one.
    """

    table: Table
    shown: Run
    other: Run
    metrics: tuple[Metric, ...]
    rows: tuple[Row, ...]
    judged: Mapping[tuple[RowKey, str], Judged]
    proxy_cpu_percent: Mapping[RowKey, float]
    """CPU of the proxy in percent of a core, where the other setting has one."""
    wire_bytes: Mapping[RowKey, float]
    """Bytes on the wire per message that a client receives, where the other setting compresses."""
    declined: tuple[Row, ...]
    """Variants whose servers declined to compress, on all or some connections."""


def compare_settings(shown: Iterable[Run], parts: Sequence[Run]) -> tuple[SettingChange, ...]:
    """The changes of all tables from what pages show to the other settings of the same runs.

    Settings that differ in both, Python and topology, are not compared.

    ``shown``: parts of runs (`Run.by_setting`), as pages show them. ``parts``: of all runs.
    """
    found = []
    for run in shown:
        others = [part for part in parts if part.raw == run.raw and _differ_in_one(part, run)]
        tables = compare_runs([run], ranked=False).tables if others else ()
        for other in others:
            by_scenario = {_scenario(table): table for table in compare_runs([other], ranked=False).tables}
            for table in tables:
                partner = by_scenario.get(_scenario(table))
                if partner is not None:
                    change = _change(table, partner, run, other)
                    if change.rows or change.declined:
                        found.append(change)
    return tuple(found)


def _differ_in_one(one: Run, other: Run) -> bool:
    return (one.python != other.python) != (one.topology != other.topology)


def _scenario(table: Table) -> tuple[object, ...]:
    return table.workload.slug, table.workload.version, *table.parameters.items()


def _change(table: Table, partner: Table, run: Run, other: Run) -> SettingChange:
    on_other = {row.key: row for row in partner.valid_rows}
    both = tuple(row for row in table.valid_rows if row.key in on_other and not row.framework.is_reference)
    declined = tuple(row for row in both if _declines(on_other[row.key]))
    rows = tuple(row for row in both if row not in declined)
    metrics = (*table.deciding, *(metric for metric in ALWAYS_COMPARED if metric not in table.deciding))
    compared: dict[tuple[RowKey, str], ComparedValues] = {}
    for metric in metrics:
        pairs = [(row, on_other[row.key]) for row in rows]
        pairs = [pair for pair in pairs if all(metric.key in row.values for row in pair)]
        # One model, since both are measured in the same rounds: what slowed a round down cancels out.
        measured = {(row.key, number): row for pair in pairs for number, row in enumerate(pair)}
        model = MetricComparison(
            metric,
            {key: row.values[metric.key].rounds for key, row in measured.items()},
            barred={},
            stages={key: row.stage for key, row in measured.items() if row.stage is not None},
        ).model
        for pair in pairs:
            key = pair[0].key
            before, after = (row.values[metric.key].estimate for row in pair)
            compared[key, metric.key] = ComparedValues(
                metric,
                model.contrast((key, 1), (key, 0)),
                after.mean,
                before.mean,
                _bar(metric, pair),
                highest_end((after, before)),
            )
    known = tuple(metric for metric in metrics if any(key == metric.key for _, key in compared))
    return SettingChange(
        table,
        run,
        other,
        known,
        rows,
        judge_all(compared),
        _proxy_cpu(on_other),
        {row.key: found for row in rows if (found := _wire_bytes(on_other[row.key])) is not None},
        declined,
    )


def _declines(row: Row) -> bool:
    """Whether its server declined to compress messages on any connection."""
    return any(one.compression is not None and one.compression.declined for one in row.counting)


def _wire_bytes(row: Row) -> float | None:
    """Bytes on the wire per message received, as mean over the rounds; ``None`` if no compression was offered."""
    found = [one.traffic.received_wire_bytes for one in row.counting if one.compression and one.traffic]
    known = [one for one in found if one is not None]
    return sum(known) / len(known) if known else None


def _proxy_cpu(rows: Mapping[RowKey, Row]) -> dict[RowKey, float]:
    found = {key: row.values.get(PROXY_CPU.key) for key, row in rows.items()}
    return {key: value.estimate.mean for key, value in found.items() if value is not None}


def _bar(metric: Metric, pair: Sequence[Row]) -> Reason | None:
    if not all(row.values[metric.key].is_enough for row in pair):
        return "not enough data"
    return "disturbed" if needs_quiet(metric) and not all(row.is_quiet for row in pair) else None
