"""``rtsite evidence``: what is established of frameworks besides their speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from runners import evidence, machine, measurement
from runners.cli.console import print_json, print_table, say
from runners.cli.options import RESULTS, JsonOption, ResultsOption, app
from runners.cli.running import terminated_like_interrupted
from runners.record import ITEMS, EvidenceDocument, Finding, UsageError, is_identifier
from runners.subjects import catalog


@app.command("evidence")
def collect_evidence(
    frameworks: Annotated[list[str] | None, typer.Argument(help="Frameworks, framework/variant, or paths.")] = None,
    results: ResultsOption = RESULTS,
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="Folder to put it in; the default is named by the day.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Establish what can be counted, timed and probed of frameworks besides their speed.

    Takes about a minute per variant, and the network. Example: rtsite evidence fastapi tornado
    """
    name = campaign if campaign is not None else f"local-{measurement.now()[:10]}"
    documents = establish(frameworks or [], results, name)
    if as_json:
        print_json(
            {
                "evidence": [
                    {
                        "framework": document.framework.slug,
                        "path": str(evidence.path_of(results, name, document.framework.slug)),
                        "missing": sorted({finding.item for finding in missing(document)}),
                    }
                    for document in documents
                ]
            }
        )
        return
    print_table(
        ["framework", "variant", "item", "found", "note"],
        [
            [document.framework.slug, slug, ITEMS[finding.item].title, _told(finding), (finding.note or "")[:80]]
            for document in documents
            for slug, findings in [("", document.findings), *((v.variant.slug, v.findings) for v in document.variants)]
            for finding in findings
        ],
    )


def establish(names: Sequence[str], results: Path, campaign: str) -> list[EvidenceDocument]:
    """Collect the evidence of the frameworks named, or of all; raises `UsageError` where it is there already."""
    if not is_identifier(campaign):
        raise UsageError(f"{campaign!r} is no campaign name: letters, digits, dots, dashes and underscores only")
    chosen = [framework for framework in catalog.choose_frameworks(names) if not framework.reference]
    there = [path for one in chosen if (path := evidence.path_of(results, campaign, one.slug)).exists()]
    if there:
        raise UsageError(f"{there[0]} is there already, and results are only added to; choose another --campaign")
    with machine.claimed("rtsite evidence"), terminated_like_interrupted():
        return evidence.collect(chosen, results, campaign, say)


def missing(document: EvidenceDocument) -> Iterator[Finding]:
    """What could not be established."""
    for findings in (document.findings, *(one.findings for one in document.variants)):
        yield from (finding for finding in findings if finding.value is None)


def _told(finding: Finding) -> str:
    value, unit = finding.value, ITEMS[finding.item].unit
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(value) if isinstance(value, list) else f"{value} {unit}".rstrip()
    return text if finding.low is None else f"{text} ({finding.low} to {finding.high})"
