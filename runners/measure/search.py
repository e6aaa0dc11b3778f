"""The highest load that a server withstands."""

from __future__ import annotations

from runners import capacity, machine, validity, workloads
from runners.host import Hosts
from runners.measure import window
from runners.measure.cell import Cell, Conditions, Outcome, blank_for, completed

FILES_BESIDE_CLIENTS = 200


def measure(cell: Cell, conditions: Conditions) -> Outcome:
    """The highest load the cell's server withstands; every load is tried on a server of its own."""
    wanted = cell.case.search
    assert wanted is not None
    asked = workloads.asked_by(cell.workload, cell.case)

    def probe(at: int) -> capacity.Probe:
        case = cell.case.at(at)
        one = Cell(cell.framework, cell.variant, asked, case)
        circumstances = Conditions(
            conditions.profile.of_probe(case), conditions.cores, conditions.round, conditions.position, conditions.seed
        )
        with Hosts() as hosts:
            (outcome,) = window.measure([one], [circumstances], hosts)
        return capacity.judge(
            at,
            outcome.measurement,
            validity.disturbances(outcome.measurement),
            p99_limit_ms=wanted.settings.p99_limit_ms,
        )

    blank = blank_for(conditions)
    # Every client is an open file of the generator's and one of the server's.
    most = machine.open_files_limit() - FILES_BESIDE_CLIENTS
    settings = wanted.settings.below(most) if wanted.unit == "users" else wanted.settings
    try:
        found = capacity.as_record(capacity.search(settings, probe), wanted.unit)
    except capacity.ProbeError as error:
        return Outcome(completed(blank, failure=error.failure), {})
    reasons = [found.reason] if found.reason else []
    return Outcome(completed(blank, capacity=found, valid=found.conclusive, invalid_reasons=reasons), {})
