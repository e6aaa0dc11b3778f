"""What was measured before and now fails, or is gone. A missing value has no ratio, so no metric shows it.

Whether a server answers does not depend on the machine as values do. So the state of a cell is followed over all
machine classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from generator.dataset import Parameters, Run
from runners.record import Measurement, cell_key, decisive

State = Literal["valid", "invalid", "failed", "gone"]
_WHOLE = 0.5
"""A campaign that plans at least this share of the working cells replaces all of them. One of a few frameworks or
workloads says nothing about the others."""


@dataclass(frozen=True)
class Absence:
    """A cell that had valid measurements, and now has failures only or is not measured.

    ``run``: the later run, the newest of its campaign. ``reason``: one sentence without a full stop.
    """

    run: Run
    framework: str
    variant: str
    workload: str
    parameters: Parameters
    state: Literal["failed", "gone"]
    reason: str


@dataclass(frozen=True)
class CellState:
    """What one or several runs say about a cell."""

    framework: str
    variant: str
    workload: str
    version: str
    parameters: Parameters
    state: State
    failures: tuple[str, ...]
    """The reason of each failed round."""


States = Mapping[str, CellState]


def find_absences(base: Run, head: Run) -> tuple[Absence, ...]:
    """The cells that were valid in the first run and failed or are missing in the second, in the first run's order."""
    now, later = cell_states(head), head.document.finished
    return tuple(
        _absence(head, cell, now.get(key), is_unfinished=later is None)
        for key, cell in cell_states(base).items()
        if cell.state == "valid" and _state(now.get(key)) in ("failed", "gone")
    )


def follow_absences(runs: Iterable[Run], states_of: Callable[[Run], States] | None = None) -> tuple[Absence, ...]:
    """Every cell that stopped working from one campaign to the next, newest first. ``runs``: in any order.

    A cell is named once: by the campaign in which it first fails or is missing. A workload's new version begins anew.
    ``states_of``: `cell_states`, or what knows its results.
    """
    campaigns: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.document.started, run.document.id), reverse=True):
        campaigns.setdefault(run.document.campaign, []).append(run)
    known: dict[str, CellState] = {}
    found = [
        list(_advance(known, members, [(states_of or cell_states)(run) for run in members]))
        for members in reversed(campaigns.values())
    ]
    return tuple(absence for of_campaign in reversed(found) for absence in of_campaign)


def _advance(known: dict[str, CellState], members: Sequence[Run], states: Sequence[States]) -> Iterator[Absence]:
    """The absences of one campaign; changes the last known cells by it. ``members``: its runs, newest first."""
    now = _together(states)
    versions = {workload.slug: workload.version for run in members for workload in run.document.workloads}
    for key in [key for key, cell in known.items() if versions.get(cell.workload, cell.version) != cell.version]:
        del known[key]
    planned = {key for run in members for key in run.document.cells}
    interrupted = {key for run in members if run.document.finished is None for key in run.document.cells}
    working = [key for key, cell in known.items() if cell.state == "valid"]
    is_whole = len(planned.intersection(working)) >= _WHOLE * len(working)
    for key in working:
        state = _state(now.get(key))
        if state == "failed" or (state == "gone" and (is_whole or key in planned) and key not in interrupted):
            yield _absence(members[0], known[key], now.get(key), is_unfinished=False)
            del known[key]
    known.update((key, cell) for key, cell in now.items() if cell.state == "valid")


def _state(cell: CellState | None) -> State:
    return "gone" if cell is None else cell.state


def cell_states(run: Run) -> dict[str, CellState]:
    """The measured cells of a run by key."""
    found: dict[str, CellState] = {}
    for item in run.frameworks:
        slug = item.document.framework.slug
        for cell in item.document.cells:
            if cell.measurements:
                counting = decisive(cell.measurements)
                failures = tuple(one.failure.reason for one in counting if one.failure is not None)
                found[cell_key(slug, cell.variant, cell.workload, cell.parameters)] = CellState(
                    slug, cell.variant, cell.workload, cell.workload_version, cell.parameters, _of(counting), failures
                )
    return found


def _together(states: Sequence[States]) -> dict[str, CellState]:
    """The measured cells of runs. One that is valid in any of them is valid."""
    found: dict[str, CellState] = {}
    for of_run in states:
        for key, own in of_run.items():
            known = found.get(key)
            if known is None or _BEST_FIRST.index(own.state) < _BEST_FIRST.index(known.state):
                found[key] = own
    return found


_BEST_FIRST: tuple[State, ...] = ("valid", "invalid", "failed", "gone")


def _of(counting: Sequence[Measurement]) -> State:
    if any(one.valid for one in counting):
        return "valid"
    return "failed" if all(one.failure is not None for one in counting) else "invalid"


def _absence(head: Run, before: CellState, now: CellState | None, *, is_unfinished: bool) -> Absence:
    if now is None:
        reason = "it is not measured any more" if not is_unfinished else "the later run ended before it was measured"
        state: Literal["failed", "gone"] = "gone"
    else:
        (why, _), *_ = Counter(now.failures).most_common(1)
        state, reason = "failed", f"all {len(now.failures)} rounds failed: {why}"
    return Absence(head, before.framework, before.variant, before.workload, before.parameters, state, reason)
