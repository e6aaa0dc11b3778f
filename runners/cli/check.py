"""``rtsite check``: tests whether applications keep the contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from runners.application.contract_check import VariantReport, check_named, judge_reports
from runners.cli.console import print_json, print_table, say
from runners.cli.options import TOPOLOGIES, FrameworkArguments, JsonOption, app
from runners.record.schema import USUAL_TOPOLOGY


@app.command("check")
def check_command(
    frameworks: FrameworkArguments = None,
    python: Annotated[
        str, typer.Option(help="Version of Python for the servers, such as 3.13 (default: the running one).")
    ] = "",
    topology: Annotated[str, typer.Option(help=f"How clients reach the servers: {TOPOLOGIES}.")] = USUAL_TOPOLOGY,
    as_json: JsonOption = False,
) -> None:
    """Test with independent clients whether applications keep the contract.

    Exits with 4 if one is broken, and with 1 if one cannot be tried on this machine.

    Example: rtsite check fastapi ./my-framework
    """
    reports = check_named(frameworks or [], say, python=python, topology=topology)
    if as_json:
        print_json(_to_json(reports))
    else:
        print_table(
            ["variant", "check", "", "detail"],
            [
                [_name(report, reports), check.name, "ok" if check.ok else "BROKEN", check.detail]
                for report in reports
                for check in report.checks
            ]
            + [
                [_name(report, reports), "start", "NOT TRIED", report.unavailable]
                for report in reports
                if report.unavailable is not None
            ],
        )
    judge_reports(reports)


def _name(report: VariantReport, reports: Sequence[VariantReport]) -> str:
    """The name of the variant; with its folder, if another folder has the same name."""
    is_alone = all(one.folder == report.folder for one in reports if one.framework == report.framework)
    return report.name if is_alone else f"{report.folder}/{report.variant}"


def _to_json(reports: Sequence[VariantReport]) -> dict[str, Any]:
    checks: dict[Path, list[dict[str, Any]]] = {}
    slugs = {report.folder: report.framework for report in reports}
    for report in reports:
        checks.setdefault(report.folder, []).extend(
            {
                "name": f"{report.variant}: {check.name}",
                "variant": report.variant,
                "ok": check.ok,
                "detail": check.detail,
            }
            for check in report.checks
        )
        if report.unavailable is not None:
            checks[report.folder].append(
                {
                    "name": f"{report.variant}: start",
                    "variant": report.variant,
                    "ok": False,
                    "tried": False,
                    "detail": report.unavailable,
                }
            )
    frameworks = [
        {"slug": slugs[folder], "folder": str(folder), "ok": all(one["ok"] for one in found), "checks": found}
        for folder, found in checks.items()
    ]
    return {"ok": all(one["ok"] for one in frameworks), "frameworks": frameworks}
