"""``rtsite compare``: compares two runs, or two collections of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from generator.charts.wording import bracket, reason_in_words
from generator.comparison import (
    Absence,
    Bracket,
    CapacityChange,
    Change,
    EvidenceChange,
    compare_capacities,
    compare_cells,
    compare_evidence,
    count_kinds,
    find_absences,
    incomparable_reasons,
    machine_factors,
)
from generator.dataset import load_collection, load_single
from runners.cli import app
from runners.cli.console import print_json, print_table, say
from runners.cli.options import JsonOption
from runners.record import EVIDENCE_FOLDER, ITEMS, Finding, NothingToDoError, RegressionError, UsageError


@app.command("compare")
def compare_command(
    base: Annotated[Path, typer.Argument(help="Folder of the earlier run, or of the earlier evidence.")],
    head: Annotated[Path, typer.Argument(help="Folder of the later run, or of the later evidence.")],
    force: Annotated[
        bool, typer.Option("--force", help="Compare runs although their machines or workloads differ.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs: ratios with intervals, and what got better or worse. Exits with 5 if anything got worse, now
    fails or is missing.

    For two folders of evidence, shows which facts differ, and which timings differ beyond their ranges.
    Example: rtsite compare results/2026-11-21-first results/2026-11-28
    """
    if {base.name, head.name} == {EVIDENCE_FOLDER}:
        _compare_evidence(base, head, as_json=as_json)
    else:
        _compare_runs(base, head, force=force, as_json=as_json)


def _compare_runs(base: Path, head: Path, *, force: bool, as_json: bool) -> None:
    first, second = load_single(base), load_single(head)
    reasons = incomparable_reasons(first, second)
    if reasons and not force:
        raise UsageError(f"these runs cannot be compared: {'; '.join(reasons)}. use --force to compare them anyway")
    for reason in reasons:
        say(f"Warning: {reason}")
    found, searched = compare_cells(first, second), compare_capacities(first, second)
    absent = find_absences(first, second)
    if not found and not searched:
        raise NothingToDoError(
            "these runs have no cell in common; choose two runs that measured the same frameworks and workloads"
        )
    if as_json:
        rows, capacities = [_change_json(change) for change in found], [_capacity_json(change) for change in searched]
        missing = [_absence_json(absence) for absence in absent]
        print_json({"unlike": reasons, "rows": rows, "capacities": capacities, "absences": missing})
    else:
        _print_changes(found, searched, absent)
    verdicts = [change.verdict for change in found] + [change.verdict for change in searched]
    worse = verdicts.count("worse")
    if worse or absent:
        said = [f"{worse} of {len(verdicts)} values got worse"] if worse else []
        said += [f"{len(absent)} cells that worked before fail or are missing"] if absent else []
        raise RegressionError("; ".join(said))


def _print_changes(found: Sequence[Change], searched: Sequence[CapacityChange], absent: Sequence[Absence]) -> None:
    if absent:
        print_table(
            ["variant", "workload", "parameters", "now", "reason"],
            [
                [
                    f"{one.framework}/{one.variant}",
                    one.workload,
                    " ".join(f"{name}={value}" for name, value in one.parameters.items()),
                    one.state,
                    one.reason,
                ]
                for one in absent
            ],
        )
    if found:
        print_table(
            ["variant", "workload", "metric", "ratio or difference", "95 % interval", "verdict"],
            [_change_cells(change) for change in found],
        )
    if searched:
        print_table(
            ["variant", "workload", "sustained", "before", "after", "verdict"],
            [_capacity_cells(change) for change in searched],
        )


def _compare_evidence(base: Path, head: Path, *, as_json: bool) -> None:
    found = compare_evidence(load_collection(base), load_collection(head))
    if not found:
        raise NothingToDoError(
            "these collections of evidence have no item in common; choose two that describe the same frameworks"
        )
    remarkable = [change for change in found if change.kind in ("differs", "apart")]
    numbers, common = count_kinds(found), machine_factors(found)
    if as_json:
        print_json({"counts": numbers, "paces": common, "rows": [_evidence_json(change) for change in remarkable]})
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
    if common:
        factors = ", ".join(f"{ITEMS[item].title} × {pace:.2f}" for item, pace in common.items())
        say(f"The machine's pace (the median over all variants) was removed before ranges were compared: {factors}")
    say(
        f"{numbers['differs']} of {numbers['same'] + numbers['differs']} facts differ;"
        f" {numbers['apart']} of {numbers['within'] + numbers['apart']} repeated timings have separate ranges"
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


def _absence_json(absence: Absence) -> dict[str, object]:
    return {
        "framework": absence.framework,
        "variant": absence.variant,
        "workload": absence.workload,
        "parameters": absence.parameters,
        "state": absence.state,
        "reason": absence.reason,
    }


def _change_json(change: Change) -> dict[str, object]:
    ratio = change.ratio
    interval = ratio.interval if ratio else None
    return {
        "framework": change.framework,
        "variant": change.variant,
        "workload": change.workload,
        "parameters": change.parameters,
        "metric": change.metric.key,
        "better": change.metric.direction,
        "relative_to_reference": change.relative,
        "scale": "ratio" if change.metric.is_ratio else "difference",
        "ratio": ratio.value if ratio and ratio.is_ratio else None,
        "difference": ratio.value if ratio and not ratio.is_ratio else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "verdict": change.verdict,
        "direction": change.direction,
        "reason": change.reason,
    }


def _change_cells(change: Change) -> list[str]:
    ratio = change.ratio
    interval = ratio.interval if ratio else None
    mode = change.parameters.get("mode")
    return [
        f"{change.framework}/{change.variant}",
        f"{change.workload} {mode}" if mode else change.workload,
        f"{change.metric.title} ({change.metric.direction} is better)",
        (f"{ratio.value:.3f}" if ratio.is_ratio else f"{ratio.value:+.3f} {change.metric.unit}") if ratio else "",
        f"{interval.low:.3f} to {interval.high:.3f}" if interval else "",
        _verdict_in_words(change),
    ]


def _verdict_in_words(change: Change) -> str:
    """``worse``; ``practically equal (surely worse)``; ``inconclusive: too few rounds``."""
    if change.verdict in ("better", "worse"):
        return change.verdict
    text = "practically equal" if change.verdict == "same" else "inconclusive"
    if change.direction:
        text += f" (surely {change.direction})"
    return f"{text}: {reason_in_words(change.reason)}" if change.reason else text


def _capacity_json(change: CapacityChange) -> dict[str, object]:
    return {
        "framework": change.framework,
        "variant": change.variant,
        "workload": change.workload,
        "search": change.search,
        "before": _ends(change.before),
        "after": _ends(change.after),
        "verdict": change.verdict,
    }


def _ends(found: Bracket) -> dict[str, object]:
    return {"low": found.low, "high": found.high, "conclusive": found.conclusive}


def _capacity_cells(change: CapacityChange) -> list[str]:
    return [
        f"{change.framework}/{change.variant}",
        f"{change.workload} {change.search}",
        change.unit,
        *(bracket(one.low, one.high, conclusive=one.conclusive) for one in (change.before, change.after)),
        change.verdict,
    ]
