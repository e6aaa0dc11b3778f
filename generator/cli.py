"""The one ``rtsite`` command: adds building to measuring, and turns errors into exit codes."""

from __future__ import annotations

import random
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from generator import report
from generator.build import Paths, build
from generator.comparison import Change, EvidenceChange, changes, counted, evidence_changes, unlike
from generator.dataset import load_collection, load_results, load_single
from generator.serving import serve
from runners import campaign, catalog, ci, planning, workloads
from runners.cli import app, measure_and_report
from runners.cli.ci import ci_app
from runners.console import print_json, print_table, say
from runners.record import (
    EVIDENCE_FOLDER,
    ITEMS,
    Finding,
    NothingToDoError,
    RegressionError,
    RtsiteError,
    UsageError,
)

ROOT = Path(__file__).parents[1]
QUICKSTART_ROUNDS = 4
"""The fewest that give an interval worth looking at."""

Results = Annotated[
    Path | None, typer.Option("--results", help="Folder of results.", metavar="DIR", show_default="results/")
]


@app.command("build")
def build_site(
    results: Results = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the site; replaced whole.", metavar="DIR", show_default="build/site/"),
    ] = None,
) -> None:
    """Build the site from the results.

    If anything is wrong, the old site stays. Example: rtsite build --results results --out build/site
    """
    page = build(Paths.of_checkout(ROOT, results=results, out=out), say)
    say("Done. Open this page:")
    typer.echo(page)


@app.command("serve")
def serve_site(
    results: Results = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1.")] = 8000,
) -> None:
    """Build the site and serve it with live reload.

    Follows changes in results, hand-written pages, templates and assets. Example: rtsite serve --port 8001
    """
    # A termination ends MkDocs' server as an interrupt does, instead of leaving it behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serve(Paths.of_checkout(ROOT, results=results), port, say)


@app.command("compare")
def compare_runs(
    base: Annotated[Path, typer.Argument(help="Folder of the earlier run, or of earlier evidence.")],
    head: Annotated[Path, typer.Argument(help="Folder of the later run, or of later evidence.")],
    force: Annotated[bool, typer.Option("--force", help="Compare runs of unlike machines or workloads too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Compare two runs: ratios with intervals, and what got better or worse. Exit code 5 if anything got worse.

    Of two folders of evidence: which facts differ, and which timings lie apart.
    Example: rtsite compare results/2026-11-21-first results/2026-11-28
    """
    if {base.name, head.name} == {EVIDENCE_FOLDER}:
        _compare_evidence(base, head, as_json=as_json)
        return
    first, second = load_single(base), load_single(head)
    reasons = unlike(first, second)
    if reasons and not force:
        raise UsageError(f"these runs cannot be compared: {'; '.join(reasons)}. `--force` does it all the same")
    for reason in reasons:
        say(f"Warning: {reason}")
    found = changes(first, second)
    if not found:
        raise NothingToDoError("these runs have no cell in common, so there is nothing to compare")
    if as_json:
        print_json({"unlike": reasons, "rows": [_change_json(change) for change in found]})
    else:
        print_table(
            ["variant", "workload", "figure", "ratio", "95 % interval", "verdict"],
            [_change_cells(change) for change in found],
        )
    worse = sum(change.verdict == "worse" for change in found)
    if worse:
        raise RegressionError(f"{worse} of {len(found)} figures got worse")


def _compare_evidence(base: Path, head: Path, *, as_json: bool) -> None:
    found = evidence_changes(load_collection(base), load_collection(head))
    if not found:
        raise NothingToDoError("these collections have no item in common, so there is nothing to compare")
    remarkable = [change for change in found if change.kind in ("differs", "apart")]
    numbers = counted(found)
    if as_json:
        print_json({"counts": numbers, "rows": [_evidence_json(change) for change in remarkable]})
        return
    print_table(
        ["framework", "variant", "item", "before", "after", ""],
        [
            [
                change.framework,
                change.variant or "",
                ITEMS[change.after.item].title,
                _found(change.before),
                _found(change.after),
                change.kind,
            ]
            for change in remarkable
        ],
    )
    say(
        f"of {numbers['same'] + numbers['differs']} facts {numbers['differs']} differ;"
        f" of {numbers['within'] + numbers['apart']} that were repeated {numbers['apart']} lie apart"
    )


def _evidence_json(change: EvidenceChange) -> dict[str, object]:
    return {
        "framework": change.framework,
        "variant": change.variant,
        "item": change.after.item,
        "before": change.before.model_dump(exclude_none=True),
        "after": change.after.model_dump(exclude_none=True),
        "kind": change.kind,
    }


def _found(finding: Finding) -> str:
    spread = "" if finding.low is None else f" ({finding.low} to {finding.high})"
    return "–" if finding.value is None else f"{finding.value}{spread}"


def _change_json(change: Change) -> dict[str, object]:
    ratio = change.ratio
    interval = ratio.interval if ratio else None
    return {
        "framework": change.framework,
        "variant": change.variant,
        "workload": change.workload,
        "parameters": change.parameters,
        "metric": change.metric.key,
        "better": change.metric.better,
        "relative_to_reference": change.relative,
        "ratio": ratio.value if ratio else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "verdict": change.verdict,
    }


def _change_cells(change: Change) -> list[str]:
    ratio = change.ratio
    interval = ratio.interval if ratio else None
    mode = change.parameters.get("mode")
    return [
        f"{change.framework}/{change.variant}",
        f"{change.workload} {mode}" if mode else change.workload,
        f"{change.metric.title} ({change.metric.better} is better)",
        f"{ratio.value:.3f}" if ratio else "",
        f"{interval.low:.3f} to {interval.high:.3f}" if interval else "",
        change.verdict,
    ]


@app.command()
def quickstart(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where results and site go.", metavar="DIR", show_default="build/quickstart/"),
    ] = None,
) -> None:
    """Measure three frameworks briefly, build the site of it and say where to look.

    Takes less than five minutes on two cores. What is measured this briefly is a look, not a basis for a decision.
    Example: rtsite quickstart
    """
    home = folder or ROOT / "build" / "quickstart"
    known = catalog.discover()
    plan = planning.plan(
        planning.with_reference(catalog.for_quickstart(known), known),
        workloads.for_quickstart(),
        workloads.with_rounds(workloads.choose_profile("quick"), rounds=QUICKSTART_ROUNDS),
        seed=random.randrange(2**31),
    )
    summary = measure_and_report(lambda: campaign.Run.begin(plan, home / "results", None))
    if summary.failed == summary.measurements:
        raise RtsiteError(f"every measurement failed; the reasons stand in {summary.path}; `rtsite doctor` may help")
    page = build(Paths.of_checkout(ROOT, results=home / "results", out=home / "site"), say)
    say(f"Measured: {summary.path}")
    say("Done. Open this page in a browser:")
    typer.echo(page)


CampaignName = Annotated[str, typer.Option("--campaign-id", envvar="CAMPAIGN", help="Of the campaign.")]


@ci_app.command("summary")
def summarise_campaign(campaign_id: CampaignName, results: Results = None) -> None:
    """What a campaign found, what does not count, and what changed, as Markdown for the job's summary.

    Example: rtsite ci summary --campaign-id 2026-11-21
    """
    text = report.summary(load_results(results or ROOT / "results"), campaign_id)
    if not ci.append_summary(text):
        typer.echo(text)


@ci_app.command("watch")
def watch_regressions(campaign_id: CampaignName, results: Results = None) -> None:
    """Open or update one issue where the campaign is clearly worse than the last comparable one; else say nothing.

    Uses `gh`, logged in by GH_TOKEN. Example: rtsite ci watch --campaign-id 2026-11-21
    """
    found = report.regressions(load_results(results or ROOT / "results"), campaign_id)
    if not found:
        say("nothing got worse")
        return
    say(ci.tell(report.ISSUE_TITLE, report.issue(found, campaign_id)))


def main() -> None:
    """Run the command; an `RtsiteError` becomes its message and exit code, Ctrl-C 130."""
    try:
        app()
    except RtsiteError as error:
        say(f"Error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
