"""The contract check: each variant is served, and independent clients test whether it keeps the contract."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from runners import contract, process, resources
from runners.application.messages import MessageObserver
from runners.contract.server_settings import ServerSettings
from runners.record import InvalidError, UnavailableError, UsageError
from runners.record.schema import USUAL_TOPOLOGY
from runners.serving.deployment import StageError, serve_variant
from runners.serving.interpreter import named_python
from runners.serving.proxy import named_topology
from runners.serving.server import Server
from runners.subjects import catalog
from runners.subjects.catalog import NO_OWN_TLS, Framework, Variant


@dataclass(frozen=True)
class VariantReport:
    """The results of all checks of one variant.

    ``unavailable``: why it could not be tried on this machine; it then has no checks.
    """

    framework: str
    variant: str
    checks: tuple[contract.Check, ...]
    unavailable: str | None = None
    folder: Path = Path()

    @property
    def name(self) -> str:
        return f"{self.framework}/{self.variant}"

    @property
    def broken(self) -> list[contract.Check]:
        return [check for check in self.checks if not check.ok]


OTHER_SETTINGS = ServerSettings(push_period_s=0.25, work_s=0.02)
"""The settings of a second server, which must not push once per second then, nor work as usual."""
_BY_ENVIRONMENT = {"dashboard-push": "push-period", "events": "push-period", "work": "work-time"}
"""The checks of what the environment sets, and how they are called for the second server."""


def check_frameworks(frameworks: Sequence[Framework], show: MessageObserver) -> list[VariantReport]:
    """Check every variant of these frameworks. A server that does not start is a failed check, not an error. If this
    machine lacks something that a variant needs, there is no result for it.
    """
    reports = []
    for framework in frameworks:
        for variant in framework.variants:
            if not variant.fits(variant.topology):
                show(f"not checked: {framework.slug}/{variant.slug} {NO_OWN_TLS}")
                continue
            show(f"checking {framework.slug}/{variant.slug} …")
            reports.append(check_variant(framework, variant))
    return reports


def check_named(
    names: Sequence[str], show: MessageObserver, *, python: str = "", topology: str = USUAL_TOPOLOGY
) -> list[VariantReport]:
    """Check frameworks given by slug, slug/variant or path (default: all); raises `UsageError`.

    ``python``: version that runs the servers; empty: the one that runs this. ``topology``: what is between them and
    the clients. Variants that have no TLS of their own are left out of the topology ``tls``. Raises `UnavailableError`
    if this machine lacks something, and `UsageError` if no variant is left.
    """
    setting = named_python(python) if python else "", named_topology(topology)
    chosen = [
        framework.model_copy(update={"variants": [variant.under(*setting) for variant in framework.variants]})
        for framework in catalog.choose_frameworks(names, are_kept=False)
    ]
    reports = check_frameworks(chosen, show)
    if not reports:
        raise UsageError(f"nothing was checked; what you named {NO_OWN_TLS}")
    return reports


def check_variant(framework: Framework, variant: Variant) -> VariantReport:
    """The contract checks of one variant, and whether its server stops on SIGTERM and follows its environment."""
    report = partial(VariantReport, framework.slug, variant.slug, folder=framework.folder)
    with tempfile.TemporaryDirectory(prefix="rtsite-") as logs:
        try:
            with serve_variant(framework, variant, logs=Path(logs)) as deployment:
                checks = [*deployment.server.check(), *_loop_check(variant, deployment.server)]
                stopped = deployment.server.stop()
            checks += _environment_checks(framework, variant, checks, logs=Path(logs, "environment"))
        except StageError as error:
            detail = " | ".join([str(error), *error.failure.log[-3:]])
            if error.unavailable:
                return report((), unavailable=f"{error.failure.stage}: {detail}")
            return report((contract.Check("start", False, detail),))
    detail = "stopped on SIGTERM" if stopped else f"did not stop within {process.GRACE_S:g} s of SIGTERM"
    return report((*checks, contract.Check("stop", stopped, detail)))


def _environment_checks(
    framework: Framework, variant: Variant, checks: Sequence[contract.Check], *, logs: Path
) -> list[contract.Check]:
    """Whether a server pushes and works by its environment, in which another period and other work are set.

    What failed with the usual ones is not checked again.
    """
    kept: dict[str, str] = {}
    for check in checks:
        if check.ok and (name := _BY_ENVIRONMENT.get(check.name)) is not None:
            kept.setdefault(name, check.name)
    if not kept:
        return []
    with serve_variant(framework, variant, logs=logs, settings=OTHER_SETTINGS) as deployment:
        found = {check.name: check for check in deployment.server.check(set(kept.values()))}
    return [replace(found[usual], name=name) for name, usual in kept.items()]


def _loop_check(variant: Variant, started: Server) -> list[contract.Check]:
    """Whether the server runs on uvloop exactly if its variant says so; no check if it states no loop.

    A server with a loop of its own is not checked either: it may run uvloop for other work.
    """
    if variant.loop in (None, "own"):
        return []
    runs = resources.runs_uvloop(started.child.pid)
    expected = variant.loop == "uvloop"
    detail = (
        f"the server {'runs' if runs else 'does not run'} on uvloop, and its variant states loop = {variant.loop!r}"
    )
    return [contract.Check("loop", runs == expected, detail)]


def judge_reports(reports: Sequence[VariantReport]) -> None:
    """Raise `InvalidError` if an application breaks the contract, and `UnavailableError` if one could not be tried."""
    if any(report.broken for report in reports):
        raise InvalidError(
            "the contract is broken; the failed checks above show what was expected and what was received"
        )
    if untried := [report for report in reports if report.unavailable is not None]:
        raise UnavailableError(
            f"{', '.join(report.name for report in untried)} cannot be tried on this machine: {untried[0].unavailable}"
        )
