"""The `rtsite ci` commands that compare results: ``bench`` while it measures, ``summary`` and ``watch`` afterwards.

They import what compares results when they need it, because it takes a second, and the other `rtsite ci` commands need
none of it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from generator.cli import site_options
from generator.cli.adviser import ComparingAdviser
from generator.cli.site_options import SiteResultsOption
from runners import ci
from runners.application.campaign_jobs import WorkflowInputs, measure_job
from runners.cli.ci import ci_app
from runners.cli.console import print_line, say
from runners.cli.options import (
    RESULTS,
    CampaignIdOption,
    JobFrameworksOption,
    JobProfileOption,
    JobPythonsOption,
    JobRoundsOption,
    JobTopologiesOption,
    JobWorkloadsOption,
    ResultsOption,
)
from runners.cli.run_display import RunDisplay
from runners.record import RtsiteError


@ci_app.command("bench")
def ci_bench_command(
    name: Annotated[str, typer.Option(envvar="JOB_NAME", help="Job name; becomes part of the run ID.")],
    campaign_id: CampaignIdOption,
    frameworks: JobFrameworksOption = "",
    workload: JobWorkloadsOption = "",
    profile: JobProfileOption = "standard",
    rounds: JobRoundsOption = "",
    pythons: JobPythonsOption = "",
    topologies: JobTopologiesOption = "",
    results: ResultsOption = RESULTS,
) -> None:
    """Make the measurements of one matrix job. A framework that fails is a result, not an error.

    Example: rtsite ci bench --name block-1-lot-1 --campaign-id 2026-11-21 --workload echo
    """
    inputs = WorkflowInputs(frameworks, workload, profile, rounds, pythons, topologies)
    with RunDisplay() as display:
        summary = measure_job(name, campaign_id, inputs, results, display, ComparingAdviser())
    ci.append_summary(f"`{name}`: {summary}.")
    if summary.failed == summary.measurements:
        raise RtsiteError("every measurement failed; see the reasons in the result files")


@ci_app.command("summary")
def ci_summary_command(campaign_id: CampaignIdOption, results: SiteResultsOption = None) -> None:
    """Write a campaign's results, invalid measurements and changes as Markdown to the job summary.

    Example: rtsite ci summary --campaign-id 2026-11-21
    """
    from generator import campaign_report
    from generator.dataset import load_results

    text = campaign_report.campaign_summary(load_results(results or site_options.ROOT / "results"), campaign_id)
    if not ci.append_summary(text):
        print_line(text)


@ci_app.command("watch")
def ci_watch_command(campaign_id: CampaignIdOption, results: SiteResultsOption = None) -> None:
    """Open or update one issue if the campaign is clearly worse than the last comparable one.

    It is also worse if a cell that worked before fails or is missing. Where issues are switched off, only the job
    summary lists it. Uses `gh`, logged in by GH_TOKEN. Example: rtsite ci watch --campaign-id 2026-11-21
    """
    from generator import campaign_report
    from generator.dataset import load_results

    found = campaign_report.regressions(load_results(results or site_options.ROOT / "results"), campaign_id)
    if not found:
        say("nothing got worse")
        return
    body = campaign_report.issue_body(found, campaign_id)
    say(f"campaign {campaign_id} is worse: {found.in_words}")
    is_kept = ci.append_summary(body)
    try:
        say(ci.update_issue(campaign_report.ISSUE_TITLE, body))
    except ci.NoIssuesError as error:
        if not is_kept:
            print_line(body)
        say(f"Warning: no issue was opened: {error}")
