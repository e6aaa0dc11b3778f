"""The use cases of runs: plan, start, resume, and add flame graphs."""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runners import machine
from runners.application.messages import MessageObserver
from runners.application.session import measuring_session
from runners.campaign import planning
from runners.campaign.execution import Adviser, RunExecution
from runners.campaign.observer import RunObserver, RunSummary
from runners.campaign.planning import Plan
from runners.campaign.run_files import RunFiles
from runners.cluster.hosts import placed
from runners.flame import record_missing
from runners.loading.load_place import THIS_MACHINE, LoadPlace
from runners.record import Adaptive, Flame, RtsiteError, UsageError, is_identifier, require_between
from runners.record.schema import USUAL_TOPOLOGY
from runners.serving import broker, interpreter
from runners.serving.broker import BrokerError
from runners.serving.interpreter import named_python
from runners.serving.proxy import named_topology
from runners.subjects import catalog, profiles, workloads
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Workload

MOST_SEED = 2**53
"""Larger integers are not exact in JSON."""
LEAST_SOAK_HOURS, MOST_SOAK_HOURS = 0.1, 168.0
"""Pieces of less than 15 s would depend on each other. A week is as long as any server should run unwatched."""
QUICKSTART_ROUNDS = 4
"""The fewest rounds that give useful intervals."""


@dataclass(frozen=True)
class LoadFrom:
    """The hosts of a cluster from which load comes."""

    scheduler: str
    """The address of the Dask scheduler."""
    most_hosts: int | None = None
    """At most so many of its workers; ``None``: all."""
    address: str = ""
    """The address of this machine at which they reach servers; empty: that by which it reaches the scheduler."""


def plan_measurements(
    frameworks: Sequence[str],
    workload_names: Sequence[str],
    profile: str,
    *,
    rounds: int | None = None,
    budget_s: float = math.inf,
    seed: int | None = None,
    only_headline: bool = False,
    is_part: bool = False,
    pythons: Sequence[str] = (),
    topologies: Sequence[str] = (),
    soak_hours: float | None = None,
    from_hosts: bool = False,
) -> Plan:
    """The plan of a run; the reference is always part of it.

    Without names, the plan has all frameworks, or the profile's workloads. ``rounds``: ``None`` means the profile's,
    else so many of everything. ``budget_s``: of an adaptive run, seconds of measuring. ``seed``: ``None`` means a
    random one. ``only_headline``: without the frameworks' other variants. ``is_part``: other jobs measure the rest, so
    a name may have nothing to measure here. ``pythons``: versions of Python that run the servers; without any,
    `default_python`. ``topologies``: what is between servers and clients; without any, nothing. ``soak_hours``: length
    of soaks; ``None``: the usual one. ``from_hosts``: whether other machines apply the load. A plan with a soak has one
    round, unless ``rounds`` says otherwise. Raises `UsageError` for a name that is unknown or has nothing to measure,
    and `NothingToDoError` if no framework supports any of the workloads. Raises `UnavailableError` if this machine
    lacks a Python or a proxy.
    """
    if rounds is not None:
        require_between("--rounds", rounds, 1, profiles.MOST_ROUNDS, "rounds")
    if seed is not None:
        require_between("--seed", seed, 0, MOST_SEED, "as the seed")
    chosen = profiles.with_rounds(profiles.choose_profile(profile), rounds=rounds)
    if not math.isinf(budget_s) and chosen.most_rounds is None:
        reason = f"the profile {profile}" if rounds is None else "--rounds"
        raise UsageError(
            f"--budget needs rounds that are planned while the run goes on, and {reason} has them planned beforehand;"
            f" {f'choose --profile {_ADAPTIVE}' if rounds is None else 'remove one of the two'}"
        )
    wanted = workloads.choose_workloads(workload_names, chosen)
    if soak_hours is not None:
        wanted = _soaking_for(wanted, soak_hours, chosen)
    if rounds is None and _has_soak(wanted):
        if not math.isinf(budget_s):
            raise UsageError("a soak is measured once and for its whole time; remove --budget, or leave the soak out")
        chosen = profiles.with_rounds(chosen, rounds=1)
    measured = planning.choose_with_reference(frameworks)
    plan = planning.plan_run(
        planning.headline_only(measured, frameworks) if only_headline else measured,
        wanted,
        chosen,
        random_seed() if seed is None else seed,
        server_cores=machine.cores_for_server(machine.physical_cores()),
        budget_s=budget_s,
        pythons=[named_python(version) for version in dict.fromkeys(pythons)] or [default_python(measured)],
        topologies=[named_topology(name) for name in dict.fromkeys(topologies)] or [USUAL_TOPOLOGY],
        from_hosts=from_hosts,
    )
    if not is_part:
        planning.check_complete(plan, frameworks, workload_names)
    return plan


def _has_soak(wanted: Sequence[Workload]) -> bool:
    return any(scenario.soak_s for workload in wanted for scenario in workload.chosen)


def _soaking_for(wanted: list[Workload], hours: float, profile: Profile) -> list[Workload]:
    """The workloads, with soaks of this length; raises `UsageError`."""
    require_between("--hours", hours, LEAST_SOAK_HOURS, MOST_SOAK_HOURS, "hours")
    if not _has_soak(wanted):
        raise UsageError("--hours is the length of a soak, and none would be measured; add --workload soak")
    if not profile.long_windows:
        raise UsageError(
            f"the profile {profile.slug} only tries a soak for half a minute; remove --hours, or choose another profile"
        )
    return workloads.soaking_for(wanted, 3600 * hours)


def default_python(measured: Sequence[catalog.Framework]) -> str:
    """The version of Python that runs servers if none is named, as results name it.

    The environment variable `interpreter.DEFAULT_VARIABLE` has it. Without that variable, it is the newest one on this
    machine that all headline variants allow.

    It is the same whichever of our frameworks are measured, so that their results can be compared. ``measured``: may
    contain folders from elsewhere, which must allow it too. Raises what `named_python` raises.
    """
    if named := os.environ.get(interpreter.DEFAULT_VARIABLE):
        return named_python(named)
    known = [*catalog.discover(), *measured]
    return interpreter.newest_allowed({one.requires_python for one in known if one.headline or one.reference})


_ADAPTIVE = " or ".join(slug for slug, profile in profiles.PROFILES.items() if profile.most_rounds is not None)


def parse_budget(text: str) -> float:
    """Seconds of a text such as ``3h``, ``90m`` or ``5400s``; raises `UsageError` for anything else."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(h|m|s)", text, re.ASCII)
    seconds = float(found[1]) * {"h": 3600, "m": 60, "s": 1}[found[2]] if found else 0.0
    if seconds <= 0:
        raise UsageError(
            f"{text!r:.40} is no time for --budget; write hours, minutes or seconds, such as 3h, 90m, 5400s"
        )
    return seconds


def check_budget(plan: Plan) -> None:
    """Raise `UsageError` if the rounds of everything alone take longer than the budget, with what to leave out."""
    budget_s = plan.limits.budget_s if plan.limits else math.inf
    forecast = plan.forecast
    if forecast.first_s <= budget_s:
        return
    raise UsageError(
        f"{plan.profile.rounds} rounds of everything take about {forecast.first_s / 60:.0f} min, but the budget is"
        f" {budget_s / 60:.0f} min: {'; or '.join(_ways_to_shorten(plan, budget_s))}"
    )


def _ways_to_shorten(plan: Plan, budget_s: float) -> Iterator[str]:
    """How the rounds of everything take less time, and how much."""
    headline_s = plan.compared_s
    if headline_s < plan.forecast.first_s:
        yield f"--headline leaves out all but the headline variants (about {headline_s / 60:.0f} min)"
    left_s, left_out = plan.forecast.first_s, []
    for part in sorted(plan.parts(), key=lambda one: one.first_s, reverse=True):
        if left_s > budget_s:
            left_out.append(part.name)
            left_s -= part.first_s
    if len(left_out) < len(plan.parts()):
        yield f"name all workloads but {', '.join(left_out)} with --workload (about {left_s / 60:.0f} min)"
    yield "choose a larger --budget"


def plan_quickstart() -> tuple[Plan, str | None]:
    """The plan of the quick start, short measurements of three frameworks and the reference; and what is not part of it
    and why, if a broker is missing.
    """
    known = catalog.discover()
    frameworks, left_out = catalog.quickstart_frameworks(known), []
    needed = {variant.broker for framework in frameworks for variant in framework.variants if variant.uses_broker}
    for name in sorted(needed):
        try:
            broker.find_broker(name)
        except BrokerError as error:
            frameworks, names = catalog.without_brokers(frameworks, [name])
            left_out.append(f"Not measured: {', '.join(names)}, because there is {error}.")
    plan = planning.plan_run(
        planning.with_reference(frameworks, known),
        workloads.quickstart_workloads(),
        profiles.with_rounds(profiles.choose_profile("quick"), rounds=QUICKSTART_ROUNDS),
        random_seed(),
    )
    return plan, " ".join(left_out) or None


def start_run(
    plan: Plan,
    results: Path,
    campaign: str | None,
    observer: RunObserver,
    *,
    label: str = "",
    adviser: Adviser | None = None,
    load_from: LoadFrom | None = None,
) -> RunSummary:
    """Execute a plan as a new run below ``results``; the default campaign is named by the day.

    ``adviser``: needed by an adaptive plan. ``load_from``: the hosts of the load; ``None``: this machine. Raises
    `UsageError` for an invalid campaign name, `BusyError` if another command measures, and `OpenFilesError`. Raises
    `KeyboardInterrupt` when interrupted or terminated; everything measured so far is then on disk.
    """
    if campaign is not None:
        check_campaign_name(campaign)
    most = max(cell.scenario.connections for cell in plan.cells)
    with measuring_session("rtsite run", clients=most), _place_of(load_from, most) as place:
        begun = RunExecution.begin(plan, results, campaign, label=label, adviser=adviser, place=place)
        return begun.execute(observer)


def resume_run(
    run: Path,
    framework_names: Sequence[str],
    observer: RunObserver,
    adviser: Adviser,
    load_from: LoadFrom | None = None,
) -> RunSummary:
    """Execute the rest of an interrupted run. ``framework_names``: the folders outside the repository that it needs.

    Raises what `start_run` raises, `RecordError` for broken files, and `ResumeError` if it cannot be continued.
    """
    with measuring_session("rtsite run"), _place_of(load_from, 1) as place:
        found = RunExecution.resume(run, _known_frameworks(framework_names), adviser=adviser, place=place)
        return found.execute(observer)


@contextmanager
def _place_of(load_from: LoadFrom | None, connections: int) -> Iterator[LoadPlace]:
    """Where the load comes from, for at most so many connections."""
    if load_from is None:
        yield THIS_MACHINE
        return
    with placed(
        load_from.scheduler, connections, most_hosts=load_from.most_hosts, address=load_from.address, serves=True
    ) as place:
        yield place


def is_finished(run: Path) -> bool:
    """Whether every measurement of a run was made; raises `RecordError`."""
    return RunFiles(run).load_run().finished is not None


def adaptive_part(run: Path) -> Adaptive | None:
    """What the document of a run on disk has of its looks; ``None`` if it is not adaptive. Raises `RecordError`."""
    return RunFiles(run).load_run().adaptive


def summarise_run(run: Path) -> RunSummary:
    """The counts of a run on disk; raises `RecordError`."""
    documents = RunFiles(run).frameworks()
    measured = [
        (f"{document.framework.slug}/{cell.variant}", cell.measurements)
        for document in documents
        for cell in document.cells
    ]
    return RunSummary.of_measurements(run, measured)


def check_fruitful(summary: RunSummary, framework_names: Sequence[str]) -> None:
    """Raise `RtsiteError` if every measurement of the run failed, or every one of a framework that was named.

    The reference alone makes no run a success.
    """
    failed = []
    for name in framework_names:
        (framework,) = catalog.choose_frameworks([name])
        variants = {f"{framework.slug}/{variant.slug}" for variant in framework.variants}
        measured = variants & summary.fruitful.keys()  # a variant may support none of the workloads
        if measured and not any(summary.fruitful[variant] for variant in measured):
            failed.append(name)
    if summary.failed == summary.measurements or failed:
        of = f" of {', '.join(failed)}" if failed else ""
        raise RtsiteError(f"every measurement{of} failed; the reasons are in {summary.path}")


def record_flames(run: Path, framework_names: Sequence[str], show: MessageObserver) -> list[Flame]:
    """Record the missing flame graphs of a run; each is on disk before the next one is started."""
    with measuring_session("rtsite run --flame"):
        return record_missing(run, _known_frameworks(framework_names), show)


def _known_frameworks(names: Sequence[str]) -> list[catalog.Framework]:
    """All frameworks of the repository, and the named ones, which may be folders elsewhere."""
    named = catalog.choose_frameworks(names) if names else []
    return list({framework.slug: framework for framework in [*catalog.discover(), *named]}.values())


def check_campaign_name(name: str) -> None:
    """Raise `UsageError` if this name is not valid for a campaign's folder."""
    if not is_identifier(name):
        raise UsageError(
            f"{name!r} is not a valid campaign name: use only letters, digits, dots, dashes and underscores"
        )


def random_seed() -> int:
    return random.randrange(2**31)
