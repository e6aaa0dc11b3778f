"""One measurement: new servers are started, checked, loaded, observed, checked again and stopped.

Most cells have a window of load (`window`), alone or in turns with other cells. A search tries many loads (`search`).
The other procedures measure connecting clients (`connection_setup`), a killed server (`recovery`), streams of chunks
(`streams`), and messages to members who leave their rooms, or from outside (`deliveries`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runners import machine
from runners.measurement import connection_setup, deliveries, recovery, search, streams, window
from runners.measurement.cell import (
    Cell,
    Conditions,
    MeasurementResult,
    framework_facts,
    now,
    unmeasured,
    variant_facts,
    with_share_of_ceiling,
)
from runners.serving.deployment import Deployments
from runners.subjects.scenarios import Scenario

__all__ = [
    "Cell",
    "Conditions",
    "MeasurementResult",
    "cores_for",
    "framework_facts",
    "measure_cells",
    "now",
    "unmeasured",
    "variant_facts",
    "with_share_of_ceiling",
]


def measure_cells(
    cells: Sequence[Cell],
    conditions: Sequence[Conditions],
    deployments: Deployments,
    *,
    on_progress: Callable[[str], None] = lambda _: None,
) -> list[MeasurementResult]:
    """Measure cells once, together if there are several. A failure is a result, not an error.

    Afterwards no load runs, and only the servers that ``deployments`` keeps. Cells measured together have the same
    scenario and the same core share. ``on_progress`` is called with a short text during long measurements.
    """
    match cells[0].scenario.procedure:
        case "window":
            return window.measure_window(cells, conditions, deployments)
        case "search":
            return search.measure_search(cells, conditions, on_progress)
        case "connect":
            return [connection_setup.measure_connecting(cells[0], conditions[0], deployments)]
        case "recover":
            return [recovery.measure_recovery(cells[0], conditions[0], deployments)]
        case "stream":
            return [streams.measure_streams(cells[0], conditions[0], deployments)]
        case "depart" | "publish":
            return [deliveries.measure_deliveries(cells[0], conditions[0], deployments)]


def cores_for(scenario: Scenario, cores: list[list[int]]) -> machine.CoreShare:
    """The cores of server, load generator and harness under this scenario, on a machine with these cores."""
    return machine.share_cores(scenario.server_cores, cores, pinnable=machine.can_pin())
