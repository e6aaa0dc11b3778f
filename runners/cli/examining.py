"""``rtsite doctor``, ``check`` and ``validate``: is the machine, an application, a result what it should be?"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from uv import find_uv_bin

from runners import machine, process, revision
from runners.cli.console import print_json, print_table, say
from runners.cli.options import RESULTS, JsonOption, app
from runners.flame import sampler
from runners.judging.thresholds import FOREIGN_CPU
from runners.measurement.interference import Interference
from runners.record import InvalidError, NothingToDoError, RecordError, RtsiteError, UsageError, problems_in
from runners.serving import broker
from runners.serving.deployment import Deployment, StageError
from runners.subjects import catalog
from runners.subjects.catalog import Framework

_LOOK_S = 1.0
"""How long `rtsite doctor` looks at what else is at work."""


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine has and lacks for measuring, and the cure.

    Example: rtsite doctor
    """
    findings = list(_examine())
    ok = all(level != "missing" for level, _, _ in findings)
    if as_json:
        keys = ("level", "name", "detail")
        print_json({"ok": ok, "findings": [dict(zip(keys, finding, strict=True)) for finding in findings]})
    else:
        print_table(["", "what", "found"], [list(finding) for finding in findings])
    if not ok:
        raise typer.Exit(1)


def _examine() -> Iterator[tuple[Literal["ok", "note", "missing"], str, str]]:
    facts = machine.describe_machine()
    yield "ok", "machine", f"{facts.cpu_model}, {facts.logical_cpus} CPUs, {facts.memory_mb / 1000:.0f} GB"
    yield "ok", "system", f"{facts.operating_system}, {facts.kernel}, Python {facts.python}"
    share = machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())
    yield (
        ("note", "cores", share.note)
        if share.note
        else ("ok", "cores", f"server on CPU {share.server}, generator on CPU {share.loadgen}")
    )
    try:
        program = broker.find_broker()
        yield "ok", "redis", f"{program.name} {program.version} (found by {program.found_by})"
    except RtsiteError as error:
        yield "note", "redis", f"variants with a broker will fail: {error}"
    limit = facts.open_files_limit or 0
    if limit < 4096:
        yield "note", "open files", f"limit {limit}; workloads with many clients need more: `ulimit -n 65536`"
    else:
        yield "ok", "open files", f"limit {limit}"
    free_gb = shutil.disk_usage(revision.ROOT).free / 1e9
    level: Literal["ok", "missing"] = "ok" if free_gb > 1 else "missing"
    yield level, "disk", f"{free_gb:.1f} GB free; environments and the site take about 1 GB"
    try:
        find_uv_bin()
        yield "ok", "uv", "makes the frameworks' environments"
    except FileNotFoundError:
        yield "missing", "uv", "not found; install it with `pip install uv`"
    try:
        yield "ok", "py-spy", f"{sampler.find_sampler().version}, for `rtsite run --flame`"
    except RtsiteError as error:
        yield "note", "py-spy", f"`rtsite run --flame` will fail: {error}"
    yield _who_else()
    virtual = facts.virtualisation
    if virtual:
        yield "note", "virtual machine", f"{virtual}: neighbours may disturb; steal is checked in each measurement"


def _who_else() -> tuple[Literal["ok", "note"], str, str]:
    """Whether the machine is quiet enough to measure on."""
    interference = Interference()
    interference.begin()
    time.sleep(_LOOK_S)
    interference.end()
    used = interference.foreign_percent or 0.0
    found = f"other processes use {used:.1f} % of a core"
    if used and interference.foreign_process:
        found += f", most of it {interference.foreign_process}"
    if not FOREIGN_CPU.is_broken_by(used):
        return "ok", "quiet", found
    return "note", "quiet", f"{found}; above {FOREIGN_CPU.limit:g} % no measurement counts"


@app.command()
def check(
    frameworks: Annotated[list[str] | None, typer.Argument(help="Frameworks, framework/variant, or paths.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Prove with independent clients that applications keep the contract.

    Example: rtsite check fastapi ./my-framework
    """
    reports = []
    for framework in catalog.choose_frameworks(frameworks or []):
        for variant in framework.variants:
            name = f"{framework.slug}/{variant.slug}"
            say(f"checking {name} …")
            reports.append((framework.slug, variant.slug, check_variant(framework, variant)))
    ok = all(passed for _, _, checks in reports for _, passed, _ in checks)
    if as_json:
        by_slug: dict[str, list[dict[str, Any]]] = {}
        for slug, variant_slug, checks in reports:
            by_slug.setdefault(slug, []).extend(
                {"name": f"{variant_slug}: {name}", "variant": variant_slug, "ok": passed, "detail": detail}
                for name, passed, detail in checks
            )
        print_json(
            {
                "ok": ok,
                "frameworks": [
                    {"slug": slug, "ok": all(one["ok"] for one in checks), "checks": checks}
                    for slug, checks in by_slug.items()
                ],
            }
        )
    else:
        print_table(
            ["variant", "check", "", "detail"],
            [
                [f"{slug}/{variant_slug}", name, "ok" if passed else "BROKEN", detail]
                for slug, variant_slug, checks in reports
                for name, passed, detail in checks
            ],
        )
    if not ok:
        raise InvalidError("the contract is broken; the checks marked above say what was expected and what came")


def check_variant(framework: Framework, variant: catalog.Variant) -> list[tuple[str, bool, str]]:
    """Each check's name, whether it passed, and what was seen."""
    with tempfile.TemporaryDirectory(prefix="rtsite-") as logs:
        deployment = Deployment(framework, variant, cpus=(), workers=1, logs=Path(logs))
        try:
            deployment.start(checks=())
            checks = [(one.name, one.ok, one.detail) for one in deployment.server.check()]
            graceful = deployment.server.stop()
            detail = "ended when asked to" if graceful else f"did not end within {process.GRACE_S:g} s of SIGTERM"
            return [*checks, ("stop", graceful, detail)]
        except StageError as error:
            return [("start", False, " | ".join([str(error), *error.failure.log[-3:]]))]
        finally:
            deployment.stop()


@app.command()
def validate(
    paths: Annotated[list[Path] | None, typer.Argument(help="Result files or folders.", show_default="results")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check result files against the schema: every problem, with file:line:column.

    Example: rtsite validate results
    """
    files = list(_result_files(paths or [RESULTS]))
    if not files:
        raise NothingToDoError(f"no result files in {', '.join(map(str, paths or [RESULTS]))}")
    problems = [problem for path in files for problem in problems_in(path)]
    if as_json:
        print_json(
            {
                "ok": not problems,
                "files": len(files),
                "problems": [
                    {
                        "path": str(problem.path),
                        "line": problem.line,
                        "column": problem.column,
                        "severity": "error",
                        "message": problem.message,
                    }
                    for problem in problems
                ],
            }
        )
    elif not problems:
        say(f"{len(files)} files, no problem")
    if problems and not as_json:
        raise RecordError(problems)
    if problems:
        raise typer.Exit(4)


def _result_files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.yml"))
        elif path.exists():
            yield path
        else:
            raise UsageError(f"{path}: no such file or folder")
