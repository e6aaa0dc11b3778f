"""``rtsite ci summary`` and ``rtsite ci watch``: report the results of a campaign in a workflow.

They import what compares results when they are called, because it takes a second, and the other `rtsite ci` commands
need none of it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from generator.cli import site_options
from generator.cli.site_options import SiteResultsOption
from runners import ci
from runners.cli.ci import ci_app
from runners.cli.console import print_line, say

CampaignIdOption = Annotated[str, typer.Option("--campaign-id", envvar="CAMPAIGN", help="Campaign ID.")]


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
