"""``rtsite ci``: what the GitHub workflows call; inputs come from their environment."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from runners import ci, measurement, revision
from runners.campaign import execution, planning
from runners.campaign.planning import Plan
from runners.ci.matrix import words
from runners.cli import collecting
from runners.cli.console import print_json, say
from runners.cli.examining import check_variant
from runners.cli.options import RESULTS, JsonOption, ResultsOption, app
from runners.cli.running import measure_and_report
from runners.record import InvalidError, NothingToDoError, RtsiteError, UsageError, is_identifier
from runners.subjects import catalog, profiles, workloads

ci_app = typer.Typer(help="What the GitHub workflows call.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(ci_app, name="ci")

Frameworks = Annotated[str, typer.Option(envvar="FRAMEWORKS", help="Names, separated by blanks; empty: all.")]
Workloads = Annotated[str, typer.Option(envvar="WORKLOADS", help="Names or parts, separated by blanks; empty: all.")]
ProfileName = Annotated[str, typer.Option(envvar="PROFILE", help="quick, standard or full.")]
Rounds = Annotated[str, typer.Option(envvar="ROUNDS", help="Another number of rounds; empty: the profile's.")]
Campaign = Annotated[str, typer.Option(envvar="CAMPAIGN", help="Of the campaign.")]


@ci_app.command("plan")
def plan(
    frameworks: Frameworks = "",
    workload: Workloads = "",
    profile: ProfileName = "standard",
    rounds: Rounds = "",
    blocks: Annotated[int, typer.Option(envvar="BLOCKS", min=1, max=50, help="Machines that measure everything.")] = 1,
    run_id: Annotated[str, typer.Option(envvar="GITHUB_RUN_ID", help="Of the workflow, for the campaign's name.")] = "",
) -> None:
    """The jobs of a campaign as a matrix, and the campaign's name, as outputs of the step.

    Example: rtsite ci plan --blocks 3 --profile standard
    """
    planned = _plan(frameworks, workload, profile, rounds)
    jobs = ci.plan_jobs(planned, blocks)
    name = f"{measurement.now()[:10]}-{run_id}" if run_id else measurement.now()[:10]
    if not is_identifier(name):
        raise UsageError(f"{run_id!r} is no id of a workflow's run")
    matrix = {"include": [job.to_json() for job in jobs]}
    ci.set_outputs({"matrix": json.dumps(matrix, separators=(",", ":")), "campaign": name})
    longest = max(job.minutes for job in jobs)
    ci.append_summary(
        f"Campaign `{name}`: {len(jobs)} jobs, {blocks} machine(s) for each lot, {planned.measurements} measurements"
        f" per machine set, the longest job about {longest} min."
    )
    print_json({"campaign": name, "matrix": matrix})


@ci_app.command("bench")
def bench(
    name: Annotated[str, typer.Option(envvar="JOB_NAME", help="Of the job; part of the run's id.")],
    campaign_id: Campaign,
    frameworks: Frameworks = "",
    workload: Workloads = "",
    profile: ProfileName = "standard",
    rounds: Rounds = "",
    results: ResultsOption = RESULTS,
) -> None:
    """Measure what one job of the matrix has to. Failures of single frameworks are results, not errors.

    Example: rtsite ci bench --name block-1-lot-1 --campaign-id 2026-11-21 --workload echo
    """
    for given in (name, campaign_id):
        if not is_identifier(given):
            raise UsageError(f"{given!r} is no name: letters, digits, dots, dashes and underscores only")
    planned = _plan(frameworks, workload, profile, rounds)
    summary = measure_and_report(lambda: execution.RunExecution.begin(planned, results, campaign_id, label=name))
    ci.append_summary(f"`{name}`: {summary}.")
    if summary.failed == summary.measurements:
        raise RtsiteError("every measurement failed; the reasons stand in the result files")


@ci_app.command("evidence")
def evidence(campaign_id: Campaign, frameworks: Frameworks = "", results: ResultsOption = RESULTS) -> None:
    """Establish what is known of frameworks besides their speed, on one machine of the campaign.

    Example: rtsite ci evidence --campaign-id 2026-11-21 --frameworks "fastapi tornado"
    """
    documents = collecting.establish(words(frameworks), results, campaign_id)
    missing = sum(1 for document in documents for _ in collecting.missing(document))
    ci.append_summary(f"Evidence of {len(documents)} framework(s); {missing} item(s) could not be established.")


@ci_app.command("collect")
def collect(
    artifacts: Annotated[Path, typer.Argument(help="Folder with a folder per artifact.")],
    campaign_id: Campaign,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Check the jobs' artifacts as untrusted data, and add their runs and evidence to the results.

    Example: rtsite ci collect artifacts --campaign-id 2026-11-21
    """
    found = ci.collect_artifacts(artifacts, results, campaign_id)
    lines = [f"{len(found.runs)} run(s) taken in, and the evidence of {len(found.evidence)} framework(s)."]
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
def commit(
    campaign_id: Campaign,
    branch: Annotated[str, typer.Option(envvar="BRANCH", help="Where it is pushed.")] = "main",
) -> None:
    """Commit a campaign's results and push them, whoever else pushes meanwhile.

    Example: rtsite ci commit --campaign-id 2026-11-21 --branch main
    """
    sha = ci.publish_results(revision.ROOT, campaign_id, branch=branch)
    ci.set_outputs({"commit": sha})
    ci.append_summary(f"Committed as `{sha}`.")
    say(f"pushed as {sha}")


@ci_app.command("review")
def review(
    base: Annotated[str, typer.Option(envvar="BASE_SHA", help="The commit that a pull request goes out from.")],
    allow_none: Annotated[bool, typer.Option("--allow-none", help="No changed framework is no error.")] = False,
) -> None:
    """Check the frameworks that a pull request changes, and measure them briefly beside two others.

    Nothing is published. Example: rtsite ci review --base origin/main
    """
    known = catalog.discover()
    changed = ci.changed_frameworks(revision.ROOT, base, known)
    if not changed:
        ci.append_summary("No framework's folder is changed, so nothing was measured.")
        if allow_none:
            return
        raise NothingToDoError(f"no framework's folder differs from {base}")
    broken = []
    for framework in changed:
        for variant in framework.variants:
            say(f"checking {framework.slug}/{variant.slug} …")
            broken += [
                f"{framework.slug}/{variant.slug} {name}: {detail}"
                for name, passed, detail in check_variant(framework, variant)
                if not passed
            ]
    names = ", ".join(framework.slug for framework in changed)
    if broken:
        ci.append_summary("\n".join(["The contract is broken:", *(f"- {_inert(one)}" for one in broken)]))
        raise InvalidError(f"the contract is broken: {'; '.join(broken)}")
    ci.append_summary(f"The contract holds: {names}.")
    quick = profiles.choose_profile("quick")
    chosen = planning.with_reference(ci.with_neighbours(changed, known), known)
    planned = planning.plan_run(chosen, workloads.choose_workloads([], quick), quick, random.randrange(2**31))
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        summary = measure_and_report(lambda: execution.RunExecution.begin(planned, Path(folder), "review"))
    ci.append_summary(f"{summary.measurements} quick measurements, {summary.failed} failed, {summary.invalid} invalid.")
    if summary.failed:
        raise RtsiteError(f"{summary.failed} of {summary.measurements} measurements failed")


@ci_app.command("lock")
def lock(
    frameworks: Annotated[list[str] | None, typer.Argument(help="Frameworks; all if none is named.")] = None,
    exclude_newer: Annotated[
        str | None, typer.Option(help="Resolve as of this day, YYYY-MM-DD; by default that of the tool's packages.")
    ] = None,
) -> None:
    """Make hashed locks anew, each framework's on its own, so that a change in its figures has one cause.

    Example: rtsite ci lock fastapi --exclude-newer 2026-11-20
    """
    changed = [
        path
        for one in catalog.choose_frameworks(frameworks or [])
        for path in ci.relock(one, exclude_newer=exclude_newer)
    ]
    for path in changed:
        typer.echo(path.relative_to(revision.ROOT) if path.is_relative_to(revision.ROOT) else path)
    if not changed:
        raise NothingToDoError("every lock is as it was")


def _plan(frameworks: str, workload: str, profile: str, rounds: str) -> Plan:
    if rounds and not rounds.isdecimal():
        raise UsageError(f"{rounds!r} is no number of rounds")
    chosen = profiles.with_rounds(profiles.choose_profile(profile), rounds=int(rounds) if rounds else None)
    return planning.plan_run(
        planning.choose_with_reference(words(frameworks)),
        workloads.choose_workloads(words(workload), chosen),
        chosen,
        random.randrange(2**31),
    )


def _inert(text: str) -> str:
    """Within a line of Markdown, as code: what an artifact says is not to be read as markup."""
    return "`" + text.replace("`", "'").replace("\n", " ")[:500] + "`"
