"""A window of load. Cells that are measured together share its time: all their servers run, and each in turn is loaded
for a slice, many times. So a disturbance of the machine affects all of them equally.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack

from runners.measurement.cell import Cell, Conditions, MeasurementResult, beside_reference
from runners.measurement.cell_run import CellRun
from runners.measurement.interference import Interference
from runners.serving.deployment import Deployments

IDLE_S = 1.0
"""Seconds without load, in which the idle CPU of the servers is measured."""


def measure_window(
    cells: Sequence[Cell], conditions: Sequence[Conditions], deployments: Deployments
) -> list[MeasurementResult]:
    """Load each cell for its window; several cells take turns. While a server waits for its turn, it is paused if it is
    busy without load, or if few take turns (see `Scenario.pauses_waiting`).
    """
    alone = len(cells) == 1
    interference = Interference(conditions[0].cores, conditions[0].place)
    with ExitStack() as stack:
        runs = []
        for cell, condition in zip(cells, conditions, strict=True):
            runs.append(CellRun(cell, condition, deployments, alone=alone))
            stack.callback(runs[-1].stop)
        for step in (CellRun.serve, CellRun.connect, CellRun.warm_up):
            for run in runs:
                run.attempt(step)
        if not alone:
            see_idle(runs)
        interference.begin()
        for run in runs:
            run.attempt(CellRun.open_window)
        take_turns(runs, random.Random(conditions[0].seed))
        for run in runs:
            run.attempt(CellRun.close_window)
        interference.end()
        for step in (CellRun.finish, CellRun.recheck):
            for run in runs:
                run.attempt(step)
        reference_medians = next((s.medians for s in runs if s.cell.framework.reference and s.medians), None)
        results = [run.to_result(interference, runs, reference_medians) for run in runs]
    is_few = cells[0].scenario.pauses_waiting
    reference = next((i for i, cell in enumerate(cells) if cell.framework.reference), None) if is_few else None
    if reference is None:
        return results
    beside = results[reference].measurement
    return [one if i == reference else beside_reference(one, beside) for i, one in enumerate(results)]


def see_idle(runs: Sequence[CellRun]) -> None:
    """Measure the CPU that each server uses while none is loaded."""
    for run in runs:
        run.attempt(CellRun.be_idle)
    began_s = time.perf_counter()
    time.sleep(IDLE_S)
    seconds = time.perf_counter() - began_s
    for run in runs:
        run.attempt(lambda one: one.see_idle(seconds))


def take_turns(runs: Sequence[CellRun], chance: random.Random) -> None:
    """Load the cell with the least progress for a slice, until every window is complete. Equal cells are chosen at
    random.
    """
    while left := [run for run in runs if run.failure is None and run.progress < 1]:
        behind = min(left, key=lambda run: (round(run.progress, 6), chance.random()))
        behind.attempt(CellRun.load_slice)
