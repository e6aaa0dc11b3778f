"""A window of load. Cells that are measured together share its time: all their servers are up, and one after the other
is loaded for a slice, over and over. What disturbs the machine meanwhile disturbs them all alike.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack

from runners.host import Hosts
from runners.measure.cell import Cell, Conditions, Outcome
from runners.measure.station import Station
from runners.measure.surroundings import Surroundings

IDLE_S = 1.0
"""Without load, to see what the servers do then."""


def measure(cells: Sequence[Cell], conditions: Sequence[Conditions], hosts: Hosts) -> list[Outcome]:
    """Load each cell for its window, several in turns. Of several, one that is restless when idle stands still while
    it waits for its turn.
    """
    alone = len(cells) == 1
    surroundings = Surroundings()
    with ExitStack() as stack:
        stations = []
        for cell, condition in zip(cells, conditions, strict=True):
            stations.append(Station(cell, condition, hosts, alone=alone))
            stack.callback(stations[-1].stop)
        for step in (Station.serve, Station.connect, Station.warm_up):
            for station in stations:
                station.attempt(step)
        if not alone:
            see_idle(stations)
        surroundings.begin()
        for station in stations:
            station.attempt(Station.open_window)
        take_turns(stations, random.Random(conditions[0].seed))
        for station in stations:
            station.attempt(Station.close_window)
        surroundings.end()
        for step in (Station.finish, Station.recheck):
            for station in stations:
                station.attempt(step)
        yardstick = next((s.medians for s in stations if s.cell.framework.reference and s.medians), None)
        return [station.outcome(surroundings, stations, yardstick) for station in stations]


def see_idle(stations: Sequence[Station]) -> None:
    """What each server uses while none is loaded."""
    for station in stations:
        station.attempt(Station.be_idle)
    began_s = time.perf_counter()
    time.sleep(IDLE_S)
    seconds = time.perf_counter() - began_s
    for station in stations:
        station.attempt(lambda one: one.see_idle(seconds))


def take_turns(stations: Sequence[Station], chance: random.Random) -> None:
    """Load whoever is furthest behind, for one slice, until all have had their time; equals in random order."""
    while left := [station for station in stations if station.failure is None and station.progress < 1]:
        behind = min(left, key=lambda station: (round(station.progress, 6), chance.random()))
        behind.attempt(Station.load_slice)
