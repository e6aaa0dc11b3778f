"""``rtsite check``: tests whether applications keep the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runners.application.contract_check import VariantReport, check_named
from runners.cli.console import print_json, print_table, say
from runners.cli.options import FrameworkArguments, JsonOption, app
from runners.record import InvalidError


@app.command("check")
def check_command(frameworks: FrameworkArguments = None, as_json: JsonOption = False) -> None:
    """Test with independent clients whether applications keep the contract.

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
            ],
        )
    if any(report.broken for report in reports):
        raise InvalidError(
            "the contract is broken; the failed checks above show what was expected and what was received"
        )


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
    frameworks = [
        {"slug": slug, "ok": all(one["ok"] for one in found), "checks": found} for slug, found in checks.items()
    ]
    return {"ok": all(one["ok"] for one in frameworks), "frameworks": frameworks}
