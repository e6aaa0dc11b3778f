"""``rtsite evidence``: collects everything about frameworks except their performance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from runners.application.evidence_collection import collect_campaign_evidence, default_campaign, missing_findings
from runners.cli.console import print_json, print_table, say
from runners.cli.options import RESULTS, FrameworkArguments, JsonOption, ResultsOption, app
from runners.evidence import path_of
from runners.record import ITEMS, EvidenceDocument, Finding


@app.command("evidence")
def evidence_command(
    frameworks: FrameworkArguments = None,
    results: ResultsOption = RESULTS,
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="Campaign to add the evidence to (default: local-DATE).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Collect evidence: everything about frameworks except their performance.

    This takes about a minute per variant, at least five minutes, and needs network access.
    Example: rtsite evidence fastapi tornado
    """
    name = campaign if campaign is not None else default_campaign()
    documents = collect_campaign_evidence(frameworks or [], results, name, say)
    if as_json:
        evidence = [
            {
                "framework": document.framework.slug,
                "path": str(path_of(results, name, document.framework.slug)),
                "missing": sorted({finding.item for finding in missing_findings(document)}),
            }
            for document in documents
        ]
        print_json({"evidence": evidence})
    else:
        _print_findings(documents)


def _print_findings(documents: Sequence[EvidenceDocument]) -> None:
    rows: list[list[str]] = []
    for document in documents:
        variants = [(one.variant.slug, one.findings) for one in document.variants]
        for variant, findings in [("", document.findings), *variants]:
            rows += [
                [document.framework.slug, variant, ITEMS[one.item].title, _format_value(one), (one.note or "")[:80]]
                for one in findings
            ]
    print_table(["framework", "variant", "item", "found", "note"], rows)


def _format_value(finding: Finding) -> str:
    """The value with its unit and, if it was measured repeatedly, its range."""
    value: Any = finding.value
    unit = ITEMS[finding.item].unit
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    text = ", ".join(value) if isinstance(value, list) else f"{value} {unit}".rstrip()
    return text if finding.low is None else f"{text} ({finding.low} to {finding.high})"
