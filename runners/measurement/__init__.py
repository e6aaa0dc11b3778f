"""One measurement: fresh servers, proven ready, loaded, watched, checked again, stopped.

Most cells have a window of load (`window`), alone or taking turns with others; a search tries many loads (`search`);
and some ask what happens beside a load: while clients come (`connecting`), and when the server dies (`recovering`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runners import machine
from runners.measurement import connection_setup, recovery, search, window
from runners.measurement.cell import (
    Cell,
    Conditions,
    Outcome,
    framework_facts,
    now,
    variant_facts,
    with_share_of_ceiling,
)
from runners.serving.deployment import Deployments
from runners.subjects.workloads import Scenario

__all__ = [
    "Cell",
    "Conditions",
    "Outcome",
    "cores_for",
    "framework_facts",
    "measure",
    "now",
    "variant_facts",
    "with_share_of_ceiling",
]


def measure(
    cells: Sequence[Cell],
    conditions: Sequence[Conditions],
    deployments: Deployments,
    *,
    under_way: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Measure cells once, together if there are several. A failure is an outcome, not an error.

    No load is left behind either way, nor a server that ``deployments`` does not keep. Cells measured together have
    the same scenario, and one core share. ``under_way`` is told, in a few words, how far a long measurement has come.
    """
    match cells[0].scenario.procedure:
        case "window":
            return window.measure(cells, conditions, deployments)
        case "search":
            return search.measure(cells, conditions, under_way)
        case "connect":
            return [connection_setup.measure(cells[0], conditions[0], deployments)]
        case "recover":
            return [recovery.measure(cells[0], conditions[0], deployments)]


def cores_for(scenario: Scenario, cores: list[list[int]]) -> machine.CoreShare:
    """Who runs where under this scenario, on a machine with these cores."""
    return machine.share_cores(scenario.server_cores, cores, pinnable=machine.can_pin())
