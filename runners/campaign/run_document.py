"""The run's own document, ``run.yml``. It is written when a run begins, and read and compared when the run is
resumed.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from runners import loadgen, machine, revision
from runners.campaign.planning import Limits, Plan
from runners.measurement import Cell
from runners.record import (
    SCHEMA_VERSION,
    Adaptive,
    Ending,
    LoadHost,
    Look,
    Origin,
    RtsiteError,
    RunDocument,
    cell_key,
    setting_of,
)
from runners.subjects import profiles, workloads
from runners.subjects.catalog import Framework

_UNCHANGED = (
    "machine",
    "pinning",
    "rtsite_version",
    "rtsite_commit",
    "rtsite_modified",
    "generator_packages",
    "workloads",
    "reference",
    "load_hosts",
)
"""The fields that must be the same when a run is resumed."""


class ResumeError(RtsiteError):
    """A run cannot be continued."""


def describe_run(
    plan: Plan, run_id: str, campaign: str, started: str, load_hosts: Sequence[LoadHost] = ()
) -> RunDocument:
    """The document of a run that this machine and this checkout begin now. ``started``: ISO 8601, in UTC.

    ``load_hosts``: where the load comes from; none: from this machine.
    """
    cells = plan.cells
    state = revision.describe_revision()
    most_cores = max(cell.scenario.server_cores for cell in cells)
    measured = {cell.workload.slug: cell.workload for cell in cells}
    return RunDocument(
        schema_version=SCHEMA_VERSION,
        kind="run",
        id=run_id,
        campaign=campaign,
        started=started,
        profile=plan.profile.slug,
        rounds=len(plan.order),
        seed=plan.seed,
        rtsite_version=version("rtsite"),
        rtsite_commit=state.commit,
        rtsite_modified=state.modified,
        origin=_origin(),
        machine=machine.describe_machine(),
        pinning=machine.share_cores(most_cores, machine.physical_cores(), pinnable=machine.can_pin()).pinning(),
        generator_packages={name: version(name) for name in loadgen.PACKAGES},
        reference=next((cell.framework.slug for cell in cells if cell.framework.reference), None),
        workloads=[workload.facts() for workload in measured.values()],
        workload_rounds={
            cell.workload.slug: rounds
            for cell in cells
            if (rounds := plan.profile.rounds_of(cell.scenario)) < plan.profile.rounds
        },
        cells=[key_of(cell) for cell in cells],
        order=[list(turn) for turn in plan.order],
        adaptive=_adaptive(plan.limits) if plan.limits else None,
        load_hosts=list(load_hosts),
    )


def _adaptive(limits: Limits) -> Adaptive:
    return Adaptive(
        first_rounds=limits.first_rounds,
        most_rounds=limits.most_rounds,
        budget_s=None if math.isinf(limits.budget_s) else limits.budget_s,
        target_decided_percent=limits.target_decided_percent,
    )


def with_look(document: RunDocument, look: Look, turn: Sequence[int], ended: Ending | None) -> RunDocument:
    """The document of an adaptive run with one look more, and the round that it chose, or why there is none."""
    assert document.adaptive is not None
    order = [*document.order, list(turn)] if turn else document.order
    adaptive = document.adaptive.model_copy(update={"looks": [*document.adaptive.looks, look], "ended": ended})
    return document.model_copy(update={"order": order, "rounds": len(order), "adaptive": adaptive})


def key_of(cell: Cell) -> str:
    """The key of the cell in result files."""
    return cell_key(cell.framework.slug, cell.variant.slug, cell.workload.slug, cell.scenario.parameters)


def check_unchanged(document: RunDocument, plan: Plan, path: Path, load_hosts: Sequence[LoadHost] = ()) -> None:
    """Raise `ResumeError` if the machine, the hosts of the load, the measuring code or the workloads differ from those
    of the run.
    """
    if document.load_hosts and not load_hosts:
        names = ", ".join(one.name for one in document.load_hosts)
        raise ResumeError(f"{path}: its load comes from other hosts ({names}); add --scheduler with their scheduler")
    now = describe_run(plan, document.id, document.campaign, document.started, load_hosts)
    differing = [name for name in _UNCHANGED if getattr(now, name) != getattr(document, name)]
    if differing:
        details = "; ".join(f"{name}: {getattr(document, name)} then, {getattr(now, name)} now" for name in differing)
        raise ResumeError(
            f"{path}: cannot be resumed, because it was measured under other conditions: {details[:1500]};"
            " start a new run"
        )


_SOAK = re.compile(r" soak_s=(\S+)")


def plan_of(document: RunDocument, frameworks: Sequence[Framework]) -> Plan:
    """The plan of a run, read from its document; raises `ResumeError` if one of its cells no longer exists."""
    settings = {setting_of(key) for key in document.cells}
    soaks = [float(found[1]) for key in document.cells if (found := _SOAK.search(key))]
    every = list(workloads.WORKLOADS.values())
    every += [one for seconds in dict.fromkeys(soaks) for one in workloads.soaking_for(every, seconds)]
    candidates = (
        Cell(framework, variant, workload, scenario).under(*setting)
        for framework in frameworks
        for variant in framework.variants
        for workload in every
        for scenario in workload.scenarios
        for setting in settings
    )
    known = {key_of(cell): cell for cell in candidates}
    missing = [key for key in document.cells if key not in known]
    if missing:
        raise ResumeError(
            f"the cell {missing[0]!r} no longer exists; name a folder outside the repository with --framework PATH"
        )
    profile = profiles.choose_profile(document.profile)
    order = tuple(tuple(turn) for turn in document.order)
    cells = tuple(known[key] for key in document.cells)
    if (own := document.adaptive) is None:
        return Plan(cells, order, profiles.with_rounds(profile, rounds=document.rounds), document.seed)
    profile = replace(profile, rounds=own.first_rounds, most_rounds=own.most_rounds)
    budget_s = math.inf if own.budget_s is None else own.budget_s
    limits = Limits(own.first_rounds, own.most_rounds, own.target_decided_percent, budget_s)
    return Plan(cells, order, profile, document.seed, limits=limits)


def _origin() -> Origin:
    """The origin of the run, from the environment variables of hosted runners."""
    run_id, server, repository = (
        os.environ.get(f"GITHUB_{name}", "") for name in ("RUN_ID", "SERVER_URL", "REPOSITORY")
    )
    if os.environ.get("GITHUB_ACTIONS") != "true" or not run_id:
        return Origin(kind="local")
    url = f"{server}/{repository}/actions/runs/{run_id}" if server.startswith("https://") and repository else None
    return Origin(kind="github-actions", workflow_run_id=run_id, url=url)
