"""The search for the highest load that a server sustains. Searches under the same scenario take turns: in each turn
every search makes one try, in random order. So a minute in which the machine is slower affects all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

from runners import machine
from runners.judging import capacity
from runners.loading.load_result import compression_sum
from runners.measurement import window
from runners.measurement.cell import Cell, Conditions, MeasurementResult, blank_measurement, completed
from runners.record import Compression, Failure
from runners.serving.deployment import Deployments


def measure_search(
    cells: Sequence[Cell], conditions: Sequence[Conditions], on_progress: Callable[[str], None]
) -> list[MeasurementResult]:
    """Search for the highest load that each cell's server sustains. Every try has a new server."""
    searches = [_Search(cell, condition) for cell, condition in zip(cells, conditions, strict=True)]
    chance = random.Random(conditions[0].seed)
    for turn in count(1):
        left = [one for one in searches if one.goes_on]
        if not left:
            break
        on_progress(f"try {turn}, {len(left)} searches in progress")
        chance.shuffle(left)
        for one in left:
            one.try_next()
    return [one.to_result() for one in searches]


class _Search:
    """The search of one cell."""

    def __init__(self, cell: Cell, conditions: Conditions) -> None:
        wanted = cell.scenario.target
        assert wanted is not None
        # Every client is an open file of the load generator and one of the server.
        most = machine.open_files().soft - machine.FILES_BESIDE_CLIENTS
        settings = wanted.settings.below(most) if wanted.unit == "users" else wanted.settings
        self._cell, self._conditions, self._unit = cell, conditions, wanted.unit
        self._blank = blank_measurement(conditions)
        earlier = [one.capacity.probes for one in conditions.earlier if one.capacity is not None]
        self._search = capacity.Search(settings, earlier)
        self._failure: Failure | None = None
        self._compressions: list[Compression] = []

    @property
    def goes_on(self) -> bool:
        return self._failure is None and self._search.next_load is not None

    def try_next(self) -> None:
        """Start a server, apply the next load, and judge the result."""
        load = self._search.next_load
        assert load is not None
        scenario, conditions = self._cell.scenario.at(load), self._conditions
        one = Cell(self._cell.framework, self._cell.variant, self._cell.workload, scenario)
        circumstances = replace(conditions, profile=conditions.profile.of_probe(scenario))
        with Deployments(address=conditions.place.address) as deployments:
            (result,) = window.measure_window([one], [circumstances], deployments)
        try:
            probe = capacity.judge_try(load, result.measurement, p99_limit_ms=self._search.settings.p99_limit_ms)
        except capacity.ProbeError as error:
            self._failure = error.failure
        else:
            self._search.enter(probe)
            if result.measurement.compression is not None:
                self._compressions.append(result.measurement.compression)

    def to_result(self) -> MeasurementResult:
        if self._failure is not None:
            return MeasurementResult(completed(self._blank, failure=self._failure), {})
        found = capacity.as_record(self._search.result(), self._unit)
        reasons = [found.reason] if found.reason else []
        return MeasurementResult(
            completed(
                self._blank,
                capacity=found,
                valid=found.conclusive,
                invalid_reasons=reasons,
                compression=compression_sum(self._compressions),
            ),
            {},
        )
