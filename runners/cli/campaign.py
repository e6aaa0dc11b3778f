"""``rtsite campaign``: blocks of a campaign on the hosts of a Dask cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from runners.application.campaign_jobs import WorkflowInputs
from runners.application.cluster_campaign import measure_on_cluster
from runners.cli.console import say
from runners.cli.options import RESULTS, FrameworkOption, ResultsOption, WorkloadOption, app
from runners.record import RtsiteError


@app.command("campaign")
def campaign_command(
    scheduler: Annotated[
        str, typer.Option(help="Address of a Dask scheduler whose workers measure, such as tcp://192.0.2.1:8786.")
    ],
    blocks: Annotated[
        int, typer.Option(min=1, max=50, help="Number of blocks. Each measures everything, on one host.")
    ] = 1,
    framework: FrameworkOption = None,
    workload: WorkloadOption = None,
    profile: Annotated[
        str, typer.Option(help="Profile, which sets the length and number of measurements.")
    ] = "standard",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Measure exactly this many rounds of everything (default: the profile's).")
    ] = None,
    campaign: Annotated[
        str, typer.Option(help="Campaign to add the runs to; jobs of it that have results are kept (default: the day).")
    ] = "",
    results: ResultsOption = RESULTS,
) -> None:
    """Measure blocks of a campaign on several machines, each with the server and its load.

    What comes back is checked like the artifacts of a workflow. The same command again measures what was lost.
    Example: rtsite campaign --scheduler tcp://192.0.2.1:8786 --blocks 3
    """
    inputs = WorkflowInputs(
        " ".join(framework or ()), " ".join(workload or ()), profile, "" if rounds is None else str(rounds)
    )
    found = measure_on_cluster(inputs, blocks, scheduler, results, say, campaign=campaign)
    say(f"campaign {found.name}: {len(found.added)} run(s) added, {len(found.kept)} job(s) were there before")
    if found.lost:
        raise RtsiteError(
            f"{len(found.lost)} job(s) have no results: {'; '.join(found.lost)}; the same command with"
            f" --campaign {found.name} measures them"
        )
