"""``rtsite ci``: the commands that the GitHub workflows call. Environment variables can provide their options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runners import ci, revision
from runners.application.campaign_jobs import (
    WorkflowInputs,
    measure_changes,
    plan_campaign,
    review_pull_request,
)
from runners.cli.console import print_json, print_line, say
from runners.cli.options import (
    RESULTS,
    CampaignIdOption,
    JobFrameworksOption,
    JobProfileOption,
    JobPythonsOption,
    JobRoundsOption,
    JobTopologiesOption,
    JobWorkloadsOption,
    JsonOption,
    ResultsOption,
    app,
)
from runners.cli.run_display import RunDisplay
from runners.record import InvalidError, NothingToDoError, RtsiteError, UnavailableError
from runners.subjects import catalog

ci_app = typer.Typer(help="Commands that the GitHub workflows call.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(ci_app, name="ci")


@ci_app.command("plan")
def ci_plan_command(
    frameworks: JobFrameworksOption = "",
    workload: JobWorkloadsOption = "",
    profile: JobProfileOption = "standard",
    rounds: JobRoundsOption = "",
    pythons: JobPythonsOption = "",
    topologies: JobTopologiesOption = "",
    blocks: Annotated[
        int, typer.Option(envvar="BLOCKS", min=1, max=50, help="Number of blocks; each block measures everything.")
    ] = 1,
    run_id: Annotated[
        str, typer.Option(envvar="GITHUB_RUN_ID", help="Workflow run ID; becomes part of the campaign ID.")
    ] = "",
) -> None:
    """Plan a campaign, and set its job matrix and its ID as step outputs.

    Example: rtsite ci plan --blocks 3 --profile standard
    """
    plan = plan_campaign(WorkflowInputs(frameworks, workload, profile, rounds, pythons, topologies), blocks, run_id)
    matrix = {"include": [job.to_json() for job in plan.jobs]}
    ci.set_outputs({"matrix": json.dumps(matrix, separators=(",", ":")), "campaign": plan.name})
    ci.append_summary(
        f"Campaign `{plan.name}`: {len(plan.jobs)} jobs in {blocks} block(s),"
        f" {'at least ' if plan.is_adaptive else ''}{plan.measurements} measurements per block, the longest job takes"
        f" about {plan.longest_minutes} min."
    )
    print_json({"campaign": plan.name, "matrix": matrix})


@ci_app.command("evidence")
def ci_evidence_command(
    campaign_id: CampaignIdOption, frameworks: JobFrameworksOption = "", results: ResultsOption = RESULTS
) -> None:
    """Collect evidence about frameworks on one machine of the campaign.

    Example: rtsite ci evidence --campaign-id 2026-11-21 --frameworks "fastapi tornado"
    """
    # Its clients take a second to import, and the other commands need none of them.
    from runners.application.evidence_collection import collect_campaign_evidence, missing_findings

    documents = collect_campaign_evidence(ci.split_names(frameworks), results, campaign_id, say)
    missing = sum(1 for document in documents for _ in missing_findings(document))
    ci.append_summary(f"Evidence of {len(documents)} framework(s); {missing} item(s) could not be determined.")


@ci_app.command("collect")
def ci_collect_command(
    artifacts: Annotated[Path, typer.Argument(help="Folder that contains one subfolder per artifact.")],
    campaign_id: CampaignIdOption,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Check job artifacts as untrusted data, and add their runs and evidence to the results.

    Example: rtsite ci collect artifacts --campaign-id 2026-11-21
    """
    found = ci.collect_artifacts(artifacts, results, campaign_id)
    lines = [f"{len(found.runs)} run(s) added, and the evidence of {len(found.evidence)} framework(s)."]
    for refusal in found.refusals:
        lines += [f"- `{refusal.artifact}` refused:", *(f"  - {_inert(reason)}" for reason in refusal.reasons)]
        say(f"Warning: {refusal.artifact} refused: {'; '.join(refusal.reasons)}")
    ci.append_summary("\n".join(lines))
    if as_json:
        print_json(
            {
                "runs": [str(path) for path in found.runs],
                "evidence": [str(path) for path in found.evidence],
                "refused": [{"artifact": one.artifact, "reasons": list(one.reasons)} for one in found.refusals],
            }
        )


@ci_app.command("commit")
def ci_commit_command(
    campaign_id: CampaignIdOption,
    branch: Annotated[str, typer.Option(envvar="BRANCH", help="Branch to push to.")] = "main",
) -> None:
    """Commit a campaign's results and push them, retrying when somebody else pushed first.

    Example: rtsite ci commit --campaign-id 2026-11-21 --branch main
    """
    sha = ci.commit(revision.ROOT, campaign_id, branch=branch)
    ci.set_outputs({"commit": sha})
    ci.append_summary(f"Committed as `{sha}`.")
    say(f"pushed as {sha}")


@ci_app.command("review")
def ci_review_command(
    base: Annotated[str, typer.Option(envvar="BASE_SHA", help="Base commit of the pull request.")],
    allow_none: Annotated[
        bool, typer.Option("--allow-none", help="Exit with success if no framework has changed.")
    ] = False,
) -> None:
    """Check the frameworks that a pull request changes, and measure them briefly together with two others.

    Nothing is published. Example: rtsite ci review --base origin/main
    """
    review = review_pull_request(base, say)
    if not review.changed:
        ci.append_summary("No framework's folder has changed, so nothing was measured.")
        if allow_none:
            return
        raise NothingToDoError(f"no framework's folder differs from {base}")
    if review.broken:
        ci.append_summary("\n".join(["The contract is broken:", *(f"- {_inert(one)}" for one in review.broken)]))
        raise InvalidError(f"the contract is broken: {'; '.join(review.broken)}")
    if review.untried:
        ci.append_summary("\n".join(["Not tried on this machine:", *(f"- {_inert(one)}" for one in review.untried)]))
        raise UnavailableError(f"not every variant can be tried on this machine: {'; '.join(review.untried)}")
    names = ", ".join(framework.slug for framework in review.changed)
    ci.append_summary(f"{names}: every check of the contract passed.")
    with RunDisplay() as display:
        run = measure_changes(review.changed, display)
    ci.append_summary(f"{run.measurements} quick measurements, {run.failed} failed, {run.invalid} invalid.")
    if run.failed:
        raise RtsiteError(f"{run.failed} of {run.measurements} measurements failed")


@ci_app.command("lock")
def ci_lock_command(
    frameworks: Annotated[
        list[str] | None, typer.Argument(help="Frameworks whose lock files to update (default: all frameworks).")
    ] = None,
    exclude_newer: Annotated[
        str | None,
        typer.Option(
            help="Ignore packages released after this day, YYYY-MM-DD (default: the day in rtsite's pyproject.toml)."
        ),
    ] = None,
) -> None:
    """Update the lock files and their hashes. Each framework has its own, so a changed result has one cause.

    Example: rtsite ci lock fastapi --exclude-newer 2026-11-20
    """
    chosen = catalog.choose_frameworks(frameworks or [])
    changed = [path for framework in chosen for path in ci.relock(framework, exclude_newer=exclude_newer)]
    for path in changed:
        print_line(path.relative_to(revision.ROOT) if path.is_relative_to(revision.ROOT) else path)
    if not changed:
        raise NothingToDoError("every lock file is up to date")


def _inert(text: str) -> str:
    """The text as one line of Markdown code, because text from an artifact must not be interpreted as markup."""
    return "`" + text.replace("`", "'").replace("\n", " ")[:500] + "`"
