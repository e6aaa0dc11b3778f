"""The contract check: each variant is served, and independent clients test whether it keeps the contract."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runners import process
from runners.application.messages import MessageObserver
from runners.contract import Check
from runners.serving.deployment import StageError, serve_variant
from runners.subjects import catalog
from runners.subjects.catalog import Framework, Variant


@dataclass(frozen=True)
class VariantReport:
    """The results of all checks of one variant."""

    framework: str
    variant: str
    checks: tuple[Check, ...]

    @property
    def name(self) -> str:
        return f"{self.framework}/{self.variant}"

    @property
    def broken(self) -> list[Check]:
        return [check for check in self.checks if not check.ok]


def check_frameworks(frameworks: Sequence[Framework], show: MessageObserver) -> list[VariantReport]:
    """Check every variant of these frameworks. A server that does not start is a failed check, not an error."""
    reports = []
    for framework in frameworks:
        for variant in framework.variants:
            show(f"checking {framework.slug}/{variant.slug} …")
            reports.append(VariantReport(framework.slug, variant.slug, tuple(check_variant(framework, variant))))
    return reports


def check_named(names: Sequence[str], show: MessageObserver) -> list[VariantReport]:
    """Check frameworks given by slug, slug/variant or path (default: all); raises `UsageError`."""
    return check_frameworks(catalog.choose_frameworks(names), show)


def check_variant(framework: Framework, variant: Variant) -> list[Check]:
    """The contract checks of one variant, and a check that its server stops on SIGTERM."""
    with tempfile.TemporaryDirectory(prefix="rtsite-") as logs:
        try:
            with serve_variant(framework, variant, logs=Path(logs)) as deployment:
                checks = deployment.server.check()
                stopped = deployment.server.stop()
        except StageError as error:
            return [Check("start", False, " | ".join([str(error), *error.failure.log[-3:]]))]
    detail = "stopped on SIGTERM" if stopped else f"did not stop within {process.GRACE_S:g} s of SIGTERM"
    return [*checks, Check("stop", stopped, detail)]
