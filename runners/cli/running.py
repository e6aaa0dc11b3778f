"""``rtsite run``: measure, or say what would be measured."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from runners import machine
from runners.campaign import execution, planning
from runners.campaign.planning import Plan
from runners.cli.console import print_json, print_table, say
from runners.cli.display import Display
from runners.cli.options import RESULTS, FrameworkOption, JsonOption, ResultsOption, WorkloadOption, app
from runners.flame import record_missing
from runners.record import FLAME_SUFFIX, Flame, RtsiteError, UsageError, is_identifier, load_framework, load_run
from runners.subjects import catalog, profiles, workloads
from runners.subjects.catalog import Framework


@app.command()
def run(
    framework: FrameworkOption = None,
    workload: WorkloadOption = None,
    profile: Annotated[str, typer.Option(help="How long and how often: quick, standard or full.")] = "standard",
    rounds: Annotated[int | None, typer.Option(min=1, help="Another number of rounds than the profile's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Makes the order of cells and phases repeatable.")] = None,
    results: ResultsOption = RESULTS,
    campaign_id: Annotated[
        str | None, typer.Option("--campaign", help="Folder to group runs in; the default is named by the day.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Folder of an interrupted run to continue, by its own plan.", metavar="RUN")
    ] = None,
    flame: Annotated[
        bool,
        typer.Option("--flame", help="Then record, in a pass of its own, where each server spends its time."),
    ] = False,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Measure nothing: print what would be, and how long it takes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure, and write the results.

    Example: rtsite run --framework fastapi --framework flask-socketio/gevent --workload echo --profile quick
    """
    if campaign_id is not None and not is_identifier(campaign_id):
        raise UsageError(f"{campaign_id!r} is no campaign name: letters, digits, dots, dashes and underscores only")
    if resume is not None:
        if only_plan:
            raise UsageError("--plan tells what a new run would be; a run to be resumed has its plan in its run.yml")
        if workload or rounds is not None or seed is not None or campaign_id is not None:
            raise UsageError("--resume takes workloads, rounds, seed and campaign from the run itself; leave them out")
        known = {known.slug: known for known in [*catalog.discover(), *catalog.choose_frameworks(framework or [])]}
        if flame and load_run(resume / "run.yml").finished is not None:
            summary = _summary_of(resume)
        else:
            summary = measure_and_report(lambda: execution.RunExecution.resume(resume, list(known.values())))
    else:
        chosen = profiles.with_rounds(profiles.choose_profile(profile), rounds=rounds)
        planned = planning.plan_run(
            planning.choose_with_reference(framework or []),
            workloads.choose_workloads(workload or [], chosen),
            chosen,
            random.randrange(2**31) if seed is None else seed,
        )
        if only_plan:
            _print_plan(planned, as_json=as_json)
            return
        known = {cell.framework.slug: cell.framework for cell in planned.cells}
        summary = measure_and_report(lambda: execution.RunExecution.begin(planned, results, campaign_id))
    flames = _record_flames(summary.path, list(known.values())) if flame else []
    if as_json:
        report: dict[str, Any] = {
            "run": str(summary.path),
            "measurements": summary.measurements,
            "failed": summary.failed,
            "invalid": summary.invalid,
            "again": summary.again,
        }
        if flame:
            failed = sum(one.failure is not None for one in flames)
            report["flames"] = {"recorded": len(flames) - failed, "failed": failed}
        print_json(report)
    if summary.failed == summary.measurements:
        raise RtsiteError("every measurement failed; the reasons stand in the result files")


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    parts = plan.parts()
    lots = planning.split_into_lots(parts)
    if as_json:
        print_json(
            {
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
            }
        )
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
    hours = planning.JOB_S / 3600
    say(
        f"{plan.measurements} measurements of {len(plan.cells)} cells in {plan.profile.rounds} rounds, about"
        f" {plan.expected_s() / 60:.0f} min; {len(lots)} jobs of at most {hours:g} hours, each by --workload PART"
    )
    if spare_s := plan.spare_s(plan.profile.rounds):
        say(f"up to {spare_s / 60:.0f} min more for what other users of the machine spoil: it is made again")


def measure_and_report(make: Callable[[], execution.RunExecution]) -> execution.RunSummary:
    """Execute a run with progress on stderr; Ctrl-C or SIGTERM ends it with everything so far on disk."""
    with machine.claimed("rtsite run"):
        execution = make()
        plan = execution.plan
        left = plan.measurements - execution.summary.measurements
        before = execution.summary.measurements
        minutes = plan.expected_s(after=before) / 60
        started = time.monotonic()
        say(f"{left} measurements of {len(plan.cells)} cells, about {minutes:.0f} min: {execution.path}")
        try:
            with terminated_like_interrupted(), Display(plan) as display:
                summary = execution.execute(display)
        except KeyboardInterrupt:
            say(f"Interrupted; `rtsite run --resume {execution.path}` goes on from here")
            raise
    took_s = time.monotonic() - started
    say(f"{summary}: {summary.path}")
    if not summary.failed and not summary.again:
        say(f"{took_s / 60:.0f} min, {100 * plan.load_s(after=before) / took_s:.0f} % of it under load")
    return summary


def _summary_of(run: Path) -> execution.RunSummary:
    """What a finished run came to, by its files."""
    files = [path for path in run.glob("*.yml") if path.name != "run.yml" and not path.name.endswith(FLAME_SUFFIX)]
    return execution.RunSummary.of(run, [cell.measurements for path in files for cell in load_framework(path).cells])


def _record_flames(run: Path, frameworks: list[Framework]) -> list[Flame]:
    """The flame graphs that a run lacks; each is on disk before the next is begun."""
    with machine.claimed("rtsite run --flame"), terminated_like_interrupted():
        return record_missing(run, frameworks, say)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM takes the way of Ctrl-C, so that nothing is left running."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
