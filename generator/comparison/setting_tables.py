"""Tables of the settings that pages do not show by default: another version of Python, or another topology."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from generator.comparison.capacities import CapacityTable, capacity_tables
from generator.comparison.tables import Table, compare_runs
from generator.dataset import MachineClass, Run

_Any = TypeVar("_Any", Table, CapacityTable)
Setting = tuple[str, str]
"""The version of Python that ran the servers, and the topology."""


class SettingTables:
    """The tables of every setting, each made when a page first needs it.

    ``published``: the runs of each machine class that its own pages would show (`Dataset.published`).
    """

    def __init__(self, published: Iterable[Sequence[Run]]) -> None:
        self._published = [tuple(runs) for runs in published]
        self._tables: dict[int, tuple[Table, ...]] = {}
        self._searched: dict[int, tuple[CapacityTable, ...]] = {}

    def of(self, table: Table) -> tuple[Table, ...]:
        """The same table under each other setting that the same machine measured, by setting."""
        return self._others(table, self._tables, lambda runs: compare_runs(runs).tables)

    def of_search(self, table: CapacityTable) -> tuple[CapacityTable, ...]:
        """Like `of`, for a capacity search."""
        return self._others(table, self._searched, lambda runs: tuple(capacity_tables(runs)))

    def _others(
        self, table: _Any, known: dict[int, tuple[_Any, ...]], make: Callable[[Sequence[Run]], tuple[_Any, ...]]
    ) -> tuple[_Any, ...]:
        shown = table.run.machine_class
        found: dict[Setting, _Any] = {}
        for number, runs in enumerate(self._published):
            machine = runs[0].machine_class
            is_same = (machine.hardware, machine.kernel) == (shown.hardware, shown.kernel)
            if not is_same or _setting(machine) == _setting(shown):
                continue
            if number not in known:
                known[number] = make(runs)
            alike = (one for one in known[number] if _identity(one) == _identity(table))
            if (one := next(alike, None)) is not None:
                found[_setting(machine)] = one
        return tuple(found[setting] for setting in sorted(found))


def _setting(machine: MachineClass) -> Setting:
    return machine.python, machine.topology


def _identity(table: Table | CapacityTable) -> tuple[str, str]:
    return table.slug, table.workload.version
