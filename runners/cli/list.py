"""``rtsite list``: lists the frameworks, workloads and runs."""

from __future__ import annotations

from typing import Any

import typer

from runners.cli.console import print_json, print_table
from runners.cli.options import RESULTS, JsonOption, ResultsOption, app
from runners.record import NothingToDoError, as_command, load_run
from runners.subjects import catalog, matching, workloads
from runners.subjects.catalog import Framework

list_app = typer.Typer(help="List frameworks, workloads or runs.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(list_app, name="list")


@list_app.command("frameworks")
def list_frameworks_command(as_json: JsonOption = False) -> None:
    """List the frameworks and their variants.

    Example: rtsite list frameworks --json
    """
    known = catalog.discover()
    if as_json:
        print_json({"frameworks": [_framework_json(framework) for framework in known]})
        return
    print_table(
        ["framework", "title", "protocol", "workloads", "headline", "other variants"],
        [
            [
                framework.slug,
                framework.title,
                framework.protocol,
                ", ".join(matching.runnable_workloads(framework)),
                framework.headline.slug if framework.headline else "none",
                ", ".join(variant.slug for variant in framework.variants if not variant.headline),
            ]
            for framework in known
        ],
    )


def _framework_json(framework: Framework) -> dict[str, Any]:
    return {
        "slug": framework.slug,
        "title": framework.title,
        "protocol": framework.protocol,
        "interface": framework.interface,
        "reference": framework.reference,
        "workloads": matching.runnable_workloads(framework),
        "variants": [
            {
                "slug": variant.slug,
                "title": variant.title,
                "server": variant.server,
                "broker": variant.broker,
                "loop": variant.loop,
                "headline": variant.headline,
                "recommended_by": variant.recommended_by,
                "production": variant.not_for_production is None,
                "legacy": variant.legacy is not None,
            }
            for variant in framework.variants
        ],
    }


@list_app.command("workloads")
def list_workloads_command(as_json: JsonOption = False) -> None:
    """List the workloads, their parameters and versions.

    Example: rtsite list workloads
    """
    known = workloads.WORKLOADS.values()
    if as_json:
        print_json(
            {
                "workloads": [
                    {
                        "slug": workload.slug,
                        "title": workload.title,
                        "question": workload.question,
                        "version": workload.version,
                        "parameters": [scenario.parameters for scenario in workload.scenarios],
                    }
                    for workload in known
                ]
            }
        )
        return
    print_table(
        ["workload", "question", "parameters"],
        [
            [
                workload.slug,
                workload.question,
                " ".join(f"{name}={value}" for name, value in scenario.parameters.items()),
            ]
            for workload in known
            for scenario in workload.scenarios
        ],
    )


@list_app.command("runs")
def list_runs_command(results: ResultsOption = RESULTS, as_json: JsonOption = False) -> None:
    """List the runs in the results folder.

    Example: rtsite list runs --results results
    """
    found = [(path, load_run(path)) for path in sorted(results.glob("*/*/run.yml"))]
    if as_json:
        print_json(
            {
                "runs": [
                    {
                        "path": str(path.parent),
                        "id": run.id,
                        "campaign": run.campaign,
                        "started": run.started,
                        "finished": run.finished,
                        "profile": run.profile,
                        "rounds": run.rounds,
                        "cells": len(run.cells),
                        "cpu_model": run.machine.cpu_model,
                    }
                    for path, run in found
                ]
            }
        )
        return
    if not found:
        raise NothingToDoError(f"no runs in {results}; `{as_command('run', '--results', results)}` creates one")
    print_table(
        ["campaign", "run", "profile", "rounds", "cells", "machine", "state"],
        [
            [
                run.campaign,
                run.id,
                run.profile,
                str(run.rounds),
                str(len(run.cells)),
                f"{run.machine.cpu_model}, {run.machine.logical_cpus} CPUs",
                "finished" if run.finished else "not finished",
            ]
            for _, run in found
        ],
    )
