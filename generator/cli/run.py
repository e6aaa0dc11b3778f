"""``rtsite run``: measures frameworks, or shows what would be measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from runners.application import run_control
from runners.campaign import planning
from runners.campaign.observer import RunSummary
from runners.campaign.planning import Plan, PlanPart
from runners.cli.console import print_json, print_table, say
from runners.cli.options import RESULTS, FrameworkOption, JsonOption, ResultsOption, WorkloadOption, app
from runners.cli.run_display import RunDisplay
from runners.record import Flame, UsageError


@app.command("run")
def run_command(
    framework: FrameworkOption = None,
    workload: WorkloadOption = None,
    profile: Annotated[
        str, typer.Option(help="Profile, which sets the length and number of measurements: quick, standard or full.")
    ] = "standard",
    rounds: Annotated[int | None, typer.Option(min=1, help="Number of rounds (default: the profile's).")] = None,
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
    flame: Annotated[
        bool, typer.Option("--flame", help="Record a flame graph of each server after the measurements.")
    ] = False,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be measured and how long it takes, but measure nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure frameworks and write the results.

    Example: rtsite run --framework fastapi --framework flask-socketio/gevent --workload echo --profile quick
    """
    if campaign_id is not None:
        run_control.check_campaign_name(campaign_id)
    if resume is not None:
        if only_plan:
            raise UsageError("--plan shows the plan of a new run; the plan of an interrupted run is in its run.yml")
        if workload or rounds is not None or seed is not None or campaign_id is not None:
            raise UsageError(
                "--resume takes workloads, rounds, seed and campaign from the interrupted run; remove these options"
            )
        summary = _resume(resume, framework or [], with_flames=flame)
    else:
        plan = run_control.plan_measurements(framework or [], workload or [], profile, rounds=rounds, seed=seed)
        if only_plan:
            _print_plan(plan, as_json=as_json)
            return
        for one in plan.left_out:
            say(f"Not measured: {one}.")
        with RunDisplay(_repeated(with_flames=flame)) as display:
            summary = run_control.start_run(plan, results, campaign_id, display)
    flames = run_control.record_flames(summary.path, framework or [], say) if flame else None
    if as_json:
        print_json(_to_json(summary, flames))
    run_control.check_fruitful(summary, framework or [])


def _resume(run: Path, frameworks: Sequence[str], *, with_flames: bool) -> RunSummary:
    """Resume a run; a finished one may still lack flame graphs."""
    if with_flames and run_control.is_finished(run):
        return run_control.summarise_run(run)
    with RunDisplay(_repeated(with_flames=with_flames)) as display:
        return run_control.resume_run(run, frameworks, display)


def _repeated(*, with_flames: bool) -> list[str]:
    """The options that a resumed run needs again."""
    return ["--flame"] if with_flames else []


def _to_json(summary: RunSummary, flames: Sequence[Flame] | None) -> dict[str, Any]:
    report: dict[str, Any] = {
        "run": str(summary.path),
        "measurements": summary.measurements,
        "failed": summary.failed,
        "invalid": summary.invalid,
        "again": summary.repeated,
    }
    if flames is not None:
        failed = sum(one.failure is not None for one in flames)
        report["flames"] = {"recorded": len(flames) - failed, "failed": failed}
    return report


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    parts = plan.parts()
    lots = planning.split_into_lots(parts)
    if as_json:
        print_json(_plan_json(plan, parts, lots))
        return
    numbers = {part.name: number for number, lot in enumerate(lots, start=1) for part in lot}
    print_table(
        ["part", "variants", "measurements", "minutes", "under load", "job"],
        [
            [
                part.name,
                str(part.variants),
                str(part.measurements),
                f"{part.expected_s / 60:.0f}",
                f"{100 * part.load_s / part.expected_s:.0f} %",
                str(numbers[part.name]),
            ]
            for part in parts
        ],
    )
    say(
        f"{plan.measurements} measurements of {len(plan.cells)} cells in {plan.profile.rounds} rounds, about"
        f" {plan.expected_s() / 60:.0f} min; {len(lots)} job{'s' if len(lots) > 1 else ''} of at most"
        f" {planning.JOB_S / 3600:g} hours, each started with --workload PART"
    )
    for one in plan.left_out:
        say(f"Not measured: {one}.")
    if spare_s := plan.spare_s(plan.profile.rounds):
        say(f"Disturbed measurements are repeated, for at most {spare_s / 60:.0f} min more.")


def _plan_json(plan: Plan, parts: Sequence[PlanPart], lots: Sequence[Sequence[PlanPart]]) -> dict[str, Any]:
    return {
        "profile": plan.profile.slug,
        "rounds": plan.profile.rounds,
        "measurements": plan.measurements,
        "expected_s": round(plan.expected_s()),
        "load_s": round(sum(part.load_s for part in parts)),
        "parts": [
            {
                "workload": part.name,
                "variants": part.variants,
                "measurements": part.measurements,
                "expected_s": round(part.expected_s),
                "load_s": round(part.load_s),
            }
            for part in parts
        ],
        "jobs": [[part.name for part in lot] for lot in lots],
        "left_out": [
            {"workload": one.name, "needed_cores": one.needed, "available_cores": one.available}
            for one in plan.left_out
        ],
    }
