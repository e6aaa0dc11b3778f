"""A window of load. Cells that are measured together share its time: all their servers are up, and one after the other
is loaded for a slice, over and over. What disturbs the machine meanwhile disturbs them all alike.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack

from runners.measurement.cell import Cell, Conditions, Outcome
from runners.measurement.cell_run import CellRun
from runners.measurement.interference import Interference
from runners.serving.deployment import Deployments

IDLE_S = 1.0
"""Without load, to see what the servers do then."""


def measure(cells: Sequence[Cell], conditions: Sequence[Conditions], deployments: Deployments) -> list[Outcome]:
    """Load each cell for its window, several in turns. Of several, one that is restless when idle stands still while
    it waits for its turn.
    """
    alone = len(cells) == 1
    interference = Interference()
    with ExitStack() as stack:
        stations = []
        for cell, condition in zip(cells, conditions, strict=True):
            stations.append(CellRun(cell, condition, deployments, alone=alone))
            stack.callback(stations[-1].stop)
        for step in (CellRun.serve, CellRun.connect, CellRun.warm_up):
            for station in stations:
                station.attempt(step)
        if not alone:
            see_idle(stations)
        interference.begin()
        for station in stations:
            station.attempt(CellRun.open_window)
        take_turns(stations, random.Random(conditions[0].seed))
        for station in stations:
            station.attempt(CellRun.close_window)
        interference.end()
        for step in (CellRun.finish, CellRun.recheck):
            for station in stations:
                station.attempt(step)
        yardstick = next((s.medians for s in stations if s.cell.framework.reference and s.medians), None)
        return [station.outcome(interference, stations, yardstick) for station in stations]


def see_idle(stations: Sequence[CellRun]) -> None:
    """What each server uses while none is loaded."""
    for station in stations:
        station.attempt(CellRun.be_idle)
    began_s = time.perf_counter()
    time.sleep(IDLE_S)
    seconds = time.perf_counter() - began_s
    for station in stations:
        station.attempt(lambda one: one.see_idle(seconds))


def take_turns(stations: Sequence[CellRun], chance: random.Random) -> None:
    """Load whoever is furthest behind, for one slice, until all have had their time; equals in random order."""
    while left := [station for station in stations if station.failure is None and station.progress < 1]:
        behind = min(left, key=lambda station: (round(station.progress, 6), chance.random()))
        behind.attempt(CellRun.load_slice)
