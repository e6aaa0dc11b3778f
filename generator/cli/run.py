"""``rtsite run``: measures frameworks, or shows what would be measured.

It is a command of this half, because an adaptive run compares its results after each round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from generator.cli.adviser import ComparingAdviser
from runners import ci, idle_cpus
from runners.application import run_control
from runners.application.run_control import LoadFrom
from runners.campaign import planning
from runners.campaign.observer import RunSummary
from runners.campaign.planning import Plan, PlanPart
from runners.cli.console import print_json, print_table, say
from runners.cli.options import (
    RESULTS,
    TOPOLOGIES,
    FrameworkOption,
    HostsOption,
    JsonOption,
    ResultsOption,
    SchedulerOption,
    WorkloadOption,
    app,
)
from runners.cli.run_display import RunDisplay, further_in_words
from runners.cluster.scheduling import OPEN_TO_OTHERS, is_open_to_others
from runners.record import USUAL_TOPOLOGY, Flame, UsageError, parameter_in_words
from runners.record.schema import Parameters
from runners.serving.interpreter import NEWEST_PROVEN, spelled


@app.command("run")
def run_command(
    framework: FrameworkOption = None,
    workload: WorkloadOption = None,
    profile: Annotated[
        str, typer.Option(help="Profile, which sets the length and number of measurements: quick, standard or full.")
    ] = "standard",
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Measure exactly this many rounds of everything (default: the profile's)."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time for measuring, such as 3h, 90m or 5400s: no round begins that would end later."),
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="Length of the workload soak in hours (default: 2). It is measured once.")
    ] = None,
    headline: Annotated[
        bool, typer.Option("--headline", help="Measure only the headline variant of each framework.")
    ] = False,
    python: Annotated[
        list[str] | None,
        typer.Option(
            help="Version of Python for the servers, such as 3.13 or 3.14t (repeatable; default: RTSITE_PYTHON, or the"
            f" newest on this machine, up to {NEWEST_PROVEN}, that all headline variants allow)."
        ),
    ] = None,
    topology: Annotated[
        list[str] | None,
        typer.Option(help=f"How clients reach servers: {TOPOLOGIES} (repeatable; default: {USUAL_TOPOLOGY})."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed for the order of cells and for the send times (default: a random seed)."),
    ] = None,
    results: ResultsOption = RESULTS,
    campaign_id: Annotated[
        str | None, typer.Option("--campaign", help="Campaign to add the run to (default: local-DATE).")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue the interrupted run in this folder, with its own plan.", metavar="RUN")
    ] = None,
    scheduler: SchedulerOption = None,
    hosts: HostsOption = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="With --scheduler: IPv4 address of this machine at which the workers reach servers (default: the one"
            " by which this machine reaches the scheduler)."
        ),
    ] = None,
    flame: Annotated[
        bool, typer.Option("--flame", help="Record a flame graph of each server after the measurements.")
    ] = False,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be measured and how long it takes, but measure nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure frameworks and write the results.

    After some rounds of everything, each further round measures only what is still undecided between the frameworks'
    headline variants. The run ends when enough is decided, or the time is up.
    Example: rtsite run --framework fastapi --framework flask-socketio/gevent --workload echo --profile quick
    """
    if campaign_id is not None:
        run_control.check_campaign_name(campaign_id)
    load_from = _load_from(scheduler, hosts, address)
    repeated = _repeated(load_from, with_flames=flame)
    if resume is not None:
        if only_plan:
            raise UsageError("--plan shows the plan of a new run; the plan of an interrupted run is in its run.yml")
        given = (
            workload,
            rounds is not None,
            budget is not None,
            hours is not None,
            headline,
            python,
            topology,
            seed is not None,
            campaign_id is not None,
        )
        if any(given):
            raise UsageError(
                "--resume takes workloads, rounds, budget, hours, variants, Python, topology, seed and campaign from"
                " the interrupted run; remove these options"
            )
        summary = _resume(resume, framework or [], load_from, repeated, with_flames=flame)
    else:
        plan = run_control.plan_measurements(
            framework or [],
            workload or [],
            profile,
            rounds=rounds,
            budget_s=math.inf if budget is None else run_control.parse_budget(budget),
            seed=seed,
            only_headline=headline,
            pythons=python or [],
            topologies=topology or [],
            soak_hours=hours,
            from_hosts=load_from is not None,
        )
        if not python and any(plan.pythons):
            say(f"Servers run on Python {plan.pythons[0]}; to choose another version, use --python.")
        if only_plan:
            _print_plan(plan, as_json=as_json)
            run_control.check_budget(plan)
            return
        run_control.check_budget(plan)
        for one in plan.not_measured:
            say(f"Not measured: {one}.")
        if idle_cpus.must_be_allowed():
            say("Idle CPUs sleep, so latencies at light load are longer; `rtsite doctor` says how to keep them awake.")
        with RunDisplay(repeated) as display:
            summary = run_control.start_run(
                plan, results, campaign_id, display, adviser=ComparingAdviser(), load_from=load_from
            )
    flames = run_control.record_flames(summary.path, framework or [], say) if flame else None
    if as_json:
        print_json(_to_json(summary, flames))
    run_control.check_fruitful(summary, framework or [])


def _load_from(scheduler: str | None, hosts: int | None, address: str | None) -> LoadFrom | None:
    """The hosts of the load; ``None`` for this machine."""
    if scheduler is None:
        if hosts is not None or address is not None:
            raise UsageError("--hosts and --address are for load from the workers of a Dask scheduler; add --scheduler")
        return None
    if is_open_to_others(scheduler):
        say(OPEN_TO_OTHERS)
    return LoadFrom(scheduler, hosts, address or "")


def _resume(
    run: Path, frameworks: Sequence[str], load_from: LoadFrom | None, repeated: Sequence[str], *, with_flames: bool
) -> RunSummary:
    """Resume a run; a finished one may still lack flame graphs. ``repeated``: see `_repeated`."""
    if with_flames and run_control.is_finished(run):
        return run_control.summarise_run(run)
    with RunDisplay(repeated) as display:
        return run_control.resume_run(run, frameworks, display, ComparingAdviser(), load_from)


def _repeated(load_from: LoadFrom | None, *, with_flames: bool) -> list[str]:
    """The options that a resumed run needs again."""
    options = ["--flame"] if with_flames else []
    if load_from is not None:
        options += ["--scheduler", load_from.scheduler]
        options += [] if load_from.most_hosts is None else ["--hosts", str(load_from.most_hosts)]
        options += ["--address", load_from.address] if load_from.address else []
    return options


def _to_json(summary: RunSummary, flames: Sequence[Flame] | None) -> dict[str, Any]:
    report: dict[str, Any] = {
        "run": str(summary.path),
        "measurements": summary.measurements,
        "failed": summary.failed,
        "invalid": summary.invalid,
        "again": summary.repeated,
    }
    if (adaptive := run_control.adaptive_part(summary.path)) is not None:
        look = adaptive.looks[-1]
        report |= {"rounds": look.after_round, "decided": look.decided, "deciding": look.deciding}
        report["ended"] = adaptive.ended
    if flames is not None:
        failed = sum(one.failure is not None for one in flames)
        report["flames"] = {"recorded": len(flames) - failed, "failed": failed}
    return report


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    parts = plan.parts()
    jobs = _jobs(plan)
    if as_json:
        print_json(_plan_json(plan, parts, jobs))
        return
    print_table(
        ["part", "variants", "measurements", "minutes", "expected min", "at most min", "under load", "job"],
        [
            [
                part.name,
                str(part.variants),
                str(part.measurements),
                f"{part.first_s / 60:.0f}",
                f"{part.expected_s / 60:.0f}",
                f"{part.worst_s / 60:.0f}",
                f"{100 * part.load_s / part.expected_s:.0f} %",
                ", ".join(str(number) for number, names in enumerate(jobs, start=1) if part.name in names),
            ]
            for part in parts
        ],
    )
    forecast = plan.forecast
    say(
        f"{plan.measurements} measurements of {len(plan.cells)} cells in {plan.profile.rounds} rounds of everything,"
        f" about {forecast.first_s / 60:.0f} min."
    )
    if plan.limits is not None:
        say(further_in_words(plan, plan.limits))
    if len(plan.settings) > 1:
        settings = "; ".join(map(_setting, plan.settings))
        say(f"Measured in {len(plan.settings)} settings, each variant in those that concern it: {settings}.")
    if jobs:
        say(
            f"{len(jobs)} job{'s' if len(jobs) > 1 else ''} of at most {planning.JOB_S / 3600:g} hours, each started"
            " with --workload PART; a part in several jobs is measured in as many blocks, each with some of the rounds."
        )
    for one in plan.not_measured:
        say(f"Not measured: {one}.")
    if spare_s := plan.spare_s(plan.profile.rounds):
        say(
            f"Disturbed measurements of the rounds of everything are repeated, for at most {spare_s / 60:.0f} min more."
        )


def _setting(setting: Parameters) -> str:
    """One setting in words, with what is usual in it."""
    named = {"python": spelled(""), "topology": USUAL_TOPOLOGY, **setting}
    return ", ".join(parameter_in_words(name, value) for name, value in named.items())


def _jobs(plan: Plan) -> list[tuple[str, ...]]:
    """The names of the parts of each job that a hosted runner can do; none if one round of a part is too long for it.

    A part is in several of them if its rounds are too long for one.
    """
    try:
        return [job.parts for job in ci.plan_jobs(plan, blocks=1)]
    except UsageError as error:
        say(f"No jobs of a hosted runner: {error}")
        return []


def _plan_json(plan: Plan, parts: Sequence[PlanPart], jobs: Sequence[Sequence[str]]) -> dict[str, Any]:
    forecast, limits = plan.forecast, plan.limits
    report: dict[str, Any] = {
        "profile": plan.profile.slug,
        "pythons": [spelled(version) for version in plan.pythons],
        "rounds": plan.profile.rounds,
        "measurements": plan.measurements,
        "first_s": round(forecast.first_s),
        "expected_s": round(forecast.expected_s),
        "worst_s": round(forecast.worst_s),
        "load_s": round(sum(part.load_s for part in parts)),
        "settings": [dict(setting) for setting in plan.settings],
        "parts": [
            {
                "workload": part.name,
                "variants": part.variants,
                "measurements": part.measurements,
                "first_s": round(part.first_s),
                "expected_s": round(part.expected_s),
                "worst_s": round(part.worst_s),
                "load_s": round(part.load_s),
            }
            for part in parts
        ],
        "jobs": [list(names) for names in jobs],
        "left_out": [
            {"workload": one.name, "needed_cores": one.needed, "available_cores": one.available}
            for one in plan.left_out
        ],
        "without_tls": list(plan.without_tls),
    }
    if limits is not None:
        report["most_rounds"] = limits.most_rounds
        report["further_round_s"] = round(forecast.further_s)
        if not math.isinf(limits.budget_s):
            report["budget_s"] = limits.budget_s
    return report
