"""The evidence of a campaign: everything about frameworks except their performance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from runners import evidence, measurement
from runners.application.messages import MessageObserver
from runners.application.run_control import check_campaign_name
from runners.application.session import measuring_session
from runners.record import EvidenceDocument, Finding, NothingToDoError, UsageError
from runners.subjects import catalog


def default_campaign() -> str:
    """The campaign of commands that get none: one per day."""
    return f"local-{measurement.now()[:10]}"


def collect_campaign_evidence(
    names: Sequence[str], results: Path, campaign: str, show: MessageObserver
) -> list[EvidenceDocument]:
    """Collect the evidence of the named frameworks (default: all) into ``results/<campaign>``.

    Raises `UsageError` if the campaign's name is invalid, or if the campaign already has evidence of one of the
    frameworks. Raises `NothingToDoError` if the reference is named, `BusyError` if another command measures, and
    `RtsiteError` if the results cannot be written or no framework can be installed.
    """
    check_campaign_name(campaign)
    named = catalog.choose_frameworks(names)
    chosen = [framework for framework in named if not framework.reference]
    if names and len(chosen) < len(named):
        raise NothingToDoError(
            "no evidence is collected of the reference, which is a bare server and no framework; remove it from the"
            " command"
        )
    existing = [path for one in chosen if (path := evidence.path_of(results, campaign, one.slug)).exists()]
    if existing:
        raise UsageError(f"{existing[0]} already exists, and results are never replaced; choose another --campaign")
    with measuring_session("rtsite evidence"):
        evidence.check_folder(results, campaign)
        return evidence.collect_evidence(chosen, results, campaign, show)


def missing_findings(document: EvidenceDocument) -> Iterator[Finding]:
    """The findings that could not be determined."""
    for findings in (document.findings, *(one.findings for one in document.variants)):
        yield from (finding for finding in findings if finding.value is None)
