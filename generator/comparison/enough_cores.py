"""Cells whose server had fewer cores than its scenario needs. They were measured, but they compare nothing."""

from __future__ import annotations

from generator.dataset import Parameters, Run
from runners.record import CellRecord

_CORES = ("server_cores", "cores_at_most", "workers")
"""Parameters that say how many cores a server needs: each process of several has one."""


def cores_needed(parameters: Parameters) -> int:
    """Physical cores that a scenario needs for the server; 1 if its parameters do not say."""
    return max((int(parameters[name]) for name in _CORES if name in parameters), default=1)


def cores_given(run: Run) -> int:
    """Physical cores that the run had for a server. Logical CPUs of one core count as one."""
    machine, confined = run.document.machine, len(run.document.pinning.server)
    cores = machine.physical_cores or machine.logical_cpus
    return max(1, round(confined * cores / machine.logical_cpus) if confined else cores - 1)


def with_enough_cores(run: Run, cell: CellRecord) -> CellRecord:
    """The cell; if its server had too few cores, all its measurements are invalid for that reason.

    Older runs measured such cells on whatever cores there were. Newer ones leave them out of their plan.
    """
    needed, given = cores_needed(cell.parameters), cores_given(run)
    if needed <= given:
        return cell
    reason = f"needs a larger machine: {needed} cores for the server, which had {given}"
    measurements = [
        one
        if one.failure is not None
        else one.model_copy(update={"valid": False, "invalid_reasons": [reason, *one.invalid_reasons]})
        for one in cell.measurements
    ]
    return cell.model_copy(update={"measurements": measurements})
