"""``rtsite ci summary`` and ``watch``: what a campaign found, for those who look at a workflow."""

from __future__ import annotations

from typing import Annotated

import typer

from generator import report
from generator.cli import options
from generator.cli.options import Results
from generator.dataset import load_results
from runners import ci
from runners.cli.ci import ci_app
from runners.cli.console import say

CampaignName = Annotated[str, typer.Option("--campaign-id", envvar="CAMPAIGN", help="Of the campaign.")]


@ci_app.command("summary")
def summarise_campaign(campaign_id: CampaignName, results: Results = None) -> None:
    """What a campaign found, what does not count, and what changed, as Markdown for the job's summary.

    Example: rtsite ci summary --campaign-id 2026-11-21
    """
    text = report.summary(load_results(results or options.ROOT / "results"), campaign_id)
    if not ci.append_summary(text):
        typer.echo(text)


@ci_app.command("watch")
def watch_regressions(campaign_id: CampaignName, results: Results = None) -> None:
    """Open or update one issue where the campaign is clearly worse than the last comparable one; else say nothing.

    Uses `gh`, logged in by GH_TOKEN. Example: rtsite ci watch --campaign-id 2026-11-21
    """
    found = report.regressions(load_results(results or options.ROOT / "results"), campaign_id)
    if not found:
        say("nothing got worse")
        return
    say(ci.update_issue(report.ISSUE_TITLE, report.issue(found, campaign_id)))
