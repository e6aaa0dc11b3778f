"""The highest load that a server withstands. Searches of the same question take turns: each makes one try, in shuffled
order, then each its next. So what the machine is like in one minute or another meets all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import count

from runners import machine
from runners.judging import capacity
from runners.measurement import window
from runners.measurement.cell import Cell, Conditions, Outcome, blank_for, completed
from runners.record import Failure
from runners.serving.deployment import Deployments
from runners.subjects import workloads

FILES_BESIDE_CLIENTS = 200


def measure(cells: Sequence[Cell], conditions: Sequence[Conditions], under_way: Callable[[str], None]) -> list[Outcome]:
    """The highest load each cell's server withstands; every load is tried on a server of its own."""
    searches = [_Search(cell, condition) for cell, condition in zip(cells, conditions, strict=True)]
    chance = random.Random(conditions[0].seed)
    for turn in count(1):
        left = [one for one in searches if one.goes_on]
        if not left:
            break
        under_way(f"try {turn}, {len(left)} searches under way")
        chance.shuffle(left)
        for one in left:
            one.try_next()
    return [one.outcome() for one in searches]


class _Search:
    """One cell's."""

    def __init__(self, cell: Cell, conditions: Conditions) -> None:
        wanted = cell.scenario.search
        assert wanted is not None
        # Every client is an open file of the generator's and one of the server's.
        most = machine.open_files_limit() - FILES_BESIDE_CLIENTS
        settings = wanted.settings.below(most) if wanted.unit == "users" else wanted.settings
        self._cell, self._conditions, self._unit = cell, conditions, wanted.unit
        self._asked = workloads.asked_by(cell.workload, cell.scenario)
        self._blank = blank_for(conditions)
        self._search = capacity.Search(settings)
        self._failure: Failure | None = None

    @property
    def goes_on(self) -> bool:
        return self._failure is None and self._search.next_load is not None

    def try_next(self) -> None:
        """Serve the framework, apply the load that is next, and judge what came of it."""
        load = self._search.next_load
        assert load is not None
        scenario, conditions = self._cell.scenario.at(load), self._conditions
        one = Cell(self._cell.framework, self._cell.variant, self._asked, scenario)
        circumstances = Conditions(
            conditions.profile.of_probe(scenario),
            conditions.cores,
            conditions.round,
            conditions.position,
            conditions.seed,
        )
        with Deployments() as deployments:
            (outcome,) = window.measure([one], [circumstances], deployments)
        try:
            probe = capacity.judge_try(load, outcome.measurement, p99_limit_ms=self._search.settings.p99_limit_ms)
        except capacity.ProbeError as error:
            self._failure = error.failure
        else:
            self._search.enter(probe)

    def outcome(self) -> Outcome:
        if self._failure is not None:
            return Outcome(completed(self._blank, failure=self._failure), {})
        found = capacity.as_record(self._search.result(), self._unit)
        reasons = [found.reason] if found.reason else []
        return Outcome(completed(self._blank, capacity=found, valid=found.conclusive, invalid_reasons=reasons), {})
