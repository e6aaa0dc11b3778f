"""``rtsite check``: tests whether applications keep the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runners.application.contract_check import VariantReport, check_named, judge_reports
from runners.cli.console import print_json, print_table, say
from runners.cli.options import FrameworkArguments, JsonOption, app


@app.command("check")
def check_command(frameworks: FrameworkArguments = None, as_json: JsonOption = False) -> None:
    """Test with independent clients whether applications keep the contract.

    Exits with 4 if one is broken, and with 1 if one cannot be tried on this machine.

    Example: rtsite check fastapi ./my-framework
    """
    reports = check_named(frameworks or [], say)
    if as_json:
        print_json(_to_json(reports))
    else:
        print_table(
            ["variant", "check", "", "detail"],
            [
                [report.name, check.name, "ok" if check.ok else "BROKEN", check.detail]
                for report in reports
                for check in report.checks
            ]
            + [
                [report.name, "start", "NOT TRIED", report.unavailable]
                for report in reports
                if report.unavailable is not None
            ],
        )
    judge_reports(reports)


def _to_json(reports: Sequence[VariantReport]) -> dict[str, Any]:
    checks: dict[str, list[dict[str, Any]]] = {}
    for report in reports:
        checks.setdefault(report.framework, []).extend(
            {
                "name": f"{report.variant}: {check.name}",
                "variant": report.variant,
                "ok": check.ok,
                "detail": check.detail,
            }
            for check in report.checks
        )
        if report.unavailable is not None:
            checks[report.framework].append(
                {
                    "name": f"{report.variant}: start",
                    "variant": report.variant,
                    "ok": False,
                    "tried": False,
                    "detail": report.unavailable,
                }
            )
    frameworks = [
        {"slug": slug, "ok": all(one["ok"] for one in found), "checks": found} for slug, found in checks.items()
    ]
    return {"ok": all(one["ok"] for one in frameworks), "frameworks": frameworks}
