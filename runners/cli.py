"""The measuring half of the ``rtsite`` command."""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from uv import find_uv_bin

from runners import (
    broker,
    calibration,
    campaign,
    capacity,
    catalog,
    console,
    load,
    machine,
    planning,
    process,
    scaffold,
    workloads,
)
from runners.catalog import Framework
from runners.console import print_json, print_table, say
from runners.flame import record_missing
from runners.host import Host, StageError
from runners.measure import Cell
from runners.planning import Plan
from runners.record import (
    FLAME_SUFFIX,
    Flame,
    InvalidError,
    Measurement,
    NothingToDoError,
    RecordError,
    RtsiteError,
    UsageError,
    load_framework,
    load_run,
    problems_in,
)

app = typer.Typer(
    name="rtsite",
    help="Measure Python real-time frameworks and publish the comparison.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
list_app = typer.Typer(help="List what there is.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(list_app, name="list")
new_app = typer.Typer(help="Begin something new.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(new_app, name="new")

RESULTS = catalog.ROOT / "results"

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
FrameworkOption = Annotated[
    list[str] | None,
    typer.Option("--framework", "-f", help="A framework, framework/variant, or the path of a folder; repeatable."),
]
WorkloadOption = Annotated[
    list[str] | None,
    typer.Option("--workload", "-w", help="A workload, or a part of one, like echo/closed; repeatable."),
]
ResultsOption = Annotated[Path, typer.Option("--results", help="Folder with result files.", show_default="results")]


@list_app.command("frameworks")
def list_frameworks(as_json: JsonOption = False) -> None:
    """List the frameworks and their variants.

    Example: rtsite list frameworks --json
    """
    known = catalog.discover()
    if as_json:
        print_json({"frameworks": [_framework_json(framework) for framework in known]})
        return
    print_table(
        ["framework", "title", "protocol", "workloads", "variants"],
        [
            [
                framework.slug,
                framework.title,
                framework.protocol,
                ", ".join(framework.workloads),
                ", ".join(variant.slug for variant in framework.variants),
            ]
            for framework in known
        ],
    )


def _framework_json(framework: Framework) -> dict[str, Any]:
    return {
        "slug": framework.slug,
        "title": framework.title,
        "protocol": framework.protocol,
        "interface": framework.interface,
        "reference": framework.reference,
        "workloads": framework.workloads,
        "variants": [
            {"slug": variant.slug, "title": variant.title, "server": variant.server, "broker": variant.broker}
            for variant in framework.variants
        ],
    }


@list_app.command("workloads")
def list_workloads(as_json: JsonOption = False) -> None:
    """List the workloads, their parameters and versions.

    Example: rtsite list workloads
    """
    known = workloads.WORKLOADS.values()
    if as_json:
        print_json(
            {
                "workloads": [
                    {
                        "slug": workload.slug,
                        "title": workload.title,
                        "question": workload.question,
                        "version": workload.version,
                        "parameters": [case.parameters for case in workload.cases],
                    }
                    for workload in known
                ]
            }
        )
        return
    print_table(
        ["workload", "question", "parameters"],
        [
            [workload.slug, workload.question, " ".join(f"{name}={value}" for name, value in case.parameters.items())]
            for workload in known
            for case in workload.cases
        ],
    )


@list_app.command("runs")
def list_runs(results: ResultsOption = RESULTS, as_json: JsonOption = False) -> None:
    """List the runs in the results folder.

    Example: rtsite list runs --results results
    """
    found = [(path, load_run(path)) for path in sorted(results.glob("*/*/run.yml"))]
    if as_json:
        print_json(
            {
                "runs": [
                    {
                        "path": str(path.parent),
                        "id": run.id,
                        "campaign": run.campaign,
                        "started": run.started,
                        "finished": run.finished,
                        "profile": run.profile,
                        "rounds": run.rounds,
                        "cells": len(run.cells),
                        "cpu_model": run.machine.cpu_model,
                    }
                    for path, run in found
                ]
            }
        )
        return
    if not found:
        raise NothingToDoError(f"no runs in {results}; `rtsite run` makes one")
    print_table(
        ["campaign", "run", "profile", "rounds", "cells", "machine", "state"],
        [
            [
                run.campaign,
                run.id,
                run.profile,
                str(run.rounds),
                str(len(run.cells)),
                f"{run.machine.cpu_model}, {run.machine.logical_cpus} CPUs",
                "finished" if run.finished else "not finished",
            ]
            for _, run in found
        ],
    )


@new_app.command("framework")
def new_framework(
    name: Annotated[str, typer.Argument(help="Of the folder, and of the framework until you give it a title.")],
    like: Annotated[str, typer.Option(help="The framework whose folder it begins as a copy of.")] = "starlette",
    folder: Annotated[
        Path, typer.Option(help="Where to put it.", show_default="runners/frameworks")
    ] = catalog.FRAMEWORKS,
) -> None:
    """Make a framework's folder that passes `rtsite check` as it stands, for you to change.

    Example: rtsite new framework my-framework --like flask-socketio
    """
    (model,) = catalog.choose([like])
    made = scaffold.make(name, model, folder)
    named = name if folder == catalog.FRAMEWORKS else made
    say(f"{made}: made. Put your framework into app.py, pyproject.toml and test_app.py, lock its packages, then:")
    typer.echo(f"rtsite check {named}")


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
    facts = machine.describe()
    yield "ok", "machine", f"{facts.cpu_model}, {facts.logical_cpus} CPUs, {facts.memory_mb / 1000:.0f} GB"
    yield "ok", "system", f"{facts.operating_system}, {facts.kernel}, Python {facts.python}"
    share = machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())
    yield (
        ("note", "cores", share.note)
        if share.note
        else ("ok", "cores", f"server on CPU {share.server}, generator on CPU {share.generator}")
    )
    try:
        program = broker.find()
        yield "ok", "redis", f"{program.name} {program.version} (found by {program.found_by})"
    except RtsiteError as error:
        yield "note", "redis", f"variants with a broker will fail: {error}"
    limit = facts.open_files_limit or 0
    if limit < 4096:
        yield "note", "open files", f"limit {limit}; workloads with many clients need more: `ulimit -n 65536`"
    else:
        yield "ok", "open files", f"limit {limit}"
    free_gb = shutil.disk_usage(catalog.ROOT).free / 1e9
    level: Literal["ok", "missing"] = "ok" if free_gb > 1 else "missing"
    yield level, "disk", f"{free_gb:.1f} GB free; environments and the site take about 1 GB"
    try:
        find_uv_bin()
        yield "ok", "uv", "makes the frameworks' environments"
    except FileNotFoundError:
        yield "missing", "uv", "not found; install it with `pip install uv`"
    virtual = facts.virtualisation
    if virtual:
        yield "note", "virtual machine", f"{virtual}: neighbours may disturb; steal is checked in each measurement"


@app.command()
def check(
    frameworks: Annotated[list[str] | None, typer.Argument(help="Frameworks, framework/variant, or paths.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Prove with independent clients that applications keep the contract.

    Example: rtsite check fastapi ./my-framework
    """
    reports = []
    for framework in catalog.choose(frameworks or []):
        for variant in framework.variants:
            name = f"{framework.slug}/{variant.slug}"
            say(f"checking {name} …")
            reports.append((framework.slug, variant.slug, _check_variant(framework, variant)))
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


def _check_variant(framework: Framework, variant: catalog.Variant) -> list[tuple[str, bool, str]]:
    with tempfile.TemporaryDirectory(prefix="rtsite-") as logs:
        host = Host(framework, variant, cpus=(), workers=1, logs=Path(logs))
        try:
            host.start(checks=())
            checks = [(one.name, one.ok, one.detail) for one in host.server.check()]
            graceful = host.server.stop()
            detail = "ended when asked to" if graceful else f"did not end within {process.GRACE_S:g} s of SIGTERM"
            return [*checks, ("stop", graceful, detail)]
        except StageError as error:
            return [("start", False, " | ".join([str(error), *error.failure.log[-3:]]))]
        finally:
            host.stop()


@app.command()
def run(
    framework: FrameworkOption = None,
    workload: WorkloadOption = None,
    profile: Annotated[str, typer.Option(help="How long and how often: quick, standard or full.")] = "standard",
    rounds: Annotated[int | None, typer.Option(min=1, help="Another number of rounds than the profile's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Makes the order of cells and phases repeatable.")] = None,
    results: ResultsOption = RESULTS,
    campaign_id: Annotated[
        str | None, typer.Option("--campaign", help="Folder to group runs in; the default is named by the day.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Folder of an interrupted run to continue, by its own plan.", metavar="RUN")
    ] = None,
    flame: Annotated[
        bool,
        typer.Option("--flame", help="Then record, in a pass of its own, where each server spends its time."),
    ] = False,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Measure nothing: print what would be, and how long it takes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure, and write the results.

    Example: rtsite run --framework fastapi --framework flask-socketio/gevent --workload echo --profile quick
    """
    if campaign_id is not None and not catalog.is_identifier(campaign_id):
        raise UsageError(f"{campaign_id!r} is no campaign name: letters, digits, dots, dashes and underscores only")
    if resume is not None:
        if only_plan:
            raise UsageError("--plan tells what a new run would be; a run to be resumed has its plan in its run.yml")
        if workload or rounds is not None or seed is not None or campaign_id is not None:
            raise UsageError("--resume takes workloads, rounds, seed and campaign from the run itself; leave them out")
        known = {known.slug: known for known in [*catalog.discover(), *catalog.choose(framework or [])]}
        if flame and load_run(resume / "run.yml").finished is not None:
            summary = _summary_of(resume)
        else:
            summary = measure_and_report(lambda: campaign.Run.resume(resume, list(known.values())))
    else:
        chosen = workloads.with_rounds(workloads.choose_profile(profile), rounds=rounds)
        planned = planning.plan(
            planning.choose(framework or []),
            workloads.choose(workload or [], chosen),
            chosen,
            random.randrange(2**31) if seed is None else seed,
        )
        if only_plan:
            _print_plan(planned, as_json=as_json)
            return
        known = {cell.framework.slug: cell.framework for cell in planned.cells}
        summary = measure_and_report(lambda: campaign.Run.begin(planned, results, campaign_id))
    flames = _record_flames(summary.path, list(known.values())) if flame else []
    if as_json:
        report: dict[str, Any] = {
            "run": str(summary.path),
            "measurements": summary.measurements,
            "failed": summary.failed,
            "invalid": summary.invalid,
        }
        if flame:
            failed = sum(one.failure is not None for one in flames)
            report["flames"] = {"recorded": len(flames) - failed, "failed": failed}
        print_json(report)
    if summary.failed == summary.measurements:
        raise RtsiteError("every measurement failed; the reasons stand in the result files")


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    parts = plan.parts()
    lots = planning.jobs(parts)
    if as_json:
        print_json(
            {
                "profile": plan.profile.slug,
                "rounds": plan.profile.rounds,
                "measurements": plan.measurements,
                "expected_s": round(plan.expected_s()),
                "load_s": round(sum(part.load_s for part in parts)),
                "parts": [
                    {
                        "workload": part.name,
                        "variants": part.variants,
                        "measurements": part.measurements,
                        "expected_s": round(part.expected_s),
                        "load_s": round(part.load_s),
                    }
                    for part in parts
                ],
                "jobs": [[part.name for part in lot] for lot in lots],
            }
        )
        return
    numbers = {part.name: number for number, lot in enumerate(lots, start=1) for part in lot}
    print_table(
        ["part", "variants", "measurements", "minutes", "under load", "job"],
        [
            [
                part.name,
                str(part.variants),
                str(part.measurements),
                f"{part.expected_s / 60:.0f}",
                f"{100 * part.load_s / part.expected_s:.0f} %",
                str(numbers[part.name]),
            ]
            for part in parts
        ],
    )
    hours = planning.JOB_S / 3600
    say(
        f"{plan.measurements} measurements of {len(plan.cells)} cells in {plan.profile.rounds} rounds, about"
        f" {plan.expected_s() / 60:.0f} min; {len(lots)} jobs of at most {hours:g} hours, each by --workload PART"
    )


def measure_and_report(make: Callable[[], campaign.Run]) -> campaign.Summary:
    """Execute a run with progress on stderr; Ctrl-C or SIGTERM ends it with everything so far on disk."""
    with machine.claimed("rtsite run"):
        execution = make()
        plan = execution.plan
        left = plan.measurements - execution.summary.measurements
        before = execution.summary.measurements
        minutes = plan.expected_s(after=before) / 60
        started = time.monotonic()
        say(f"{left} measurements of {len(plan.cells)} cells, about {minutes:.0f} min: {execution.path}")
        try:
            with _terminated_like_interrupted(), _Display(plan) as display:
                summary = execution.execute(display)
        except KeyboardInterrupt:
            say(f"Interrupted; `rtsite run --resume {execution.path}` goes on from here")
            raise
    took_s = time.monotonic() - started
    say(f"{summary.measurements} measurements, {summary.failed} failed, {summary.invalid} invalid: {summary.path}")
    if not summary.failed:
        say(f"{took_s / 60:.0f} min, {100 * plan.load_s(after=before) / took_s:.0f} % of it under load")
    return summary


def _summary_of(run: Path) -> campaign.Summary:
    """What a finished run came to, by its files."""
    summary = campaign.Summary(run)
    for path in sorted(run.glob("*.yml")):
        if path.name != "run.yml" and not path.name.endswith(FLAME_SUFFIX):
            for cell in load_framework(path).cells:
                for measurement in cell.measurements:
                    summary.enter(measurement)
    return summary


def _record_flames(run: Path, frameworks: list[Framework]) -> list[Flame]:
    """The flame graphs that a run lacks; each is on disk before the next is begun."""
    with machine.claimed("rtsite run --flame"), _terminated_like_interrupted():
        return record_missing(run, frameworks, say)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM takes the way of Ctrl-C, so that nothing is left running."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Display:
    """Progress on stderr: a bar on a terminal, a line per measurement elsewhere."""

    def __init__(self, plan: Plan) -> None:
        self._started = time.monotonic()
        self._first: int | None = None
        self._pace = 1.0
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if console.is_interactive():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=console.err,
                transient=True,
            )
            self._task = self._bar.add_task("preparing", total=plan.measurements, left="")

    def __enter__(self) -> _Display:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def preparing(self, framework: Framework, variant: str) -> None:
        text = f"environment of {framework.slug}/{variant}"
        if self._bar is not None:
            self._bar.update(self._task, description=text)
        else:
            say(f"{text} …")

    def measuring(self, cells: Sequence[Cell], round_number: int, done: int, plan: Plan) -> None:
        if self._first is None:
            self._first, self._started = done, time.monotonic()
        elif done > self._first:
            # Here, not where a measurement is told: of those measured together all are told at once.
            spent_s = plan.expected_s(after=self._first) - plan.expected_s(after=done)
            self._pace = (time.monotonic() - self._started) / spent_s
        if self._bar is not None:
            self._bar.update(
                self._task, description=f"round {round_number}  {_names(cells)}", left=self._left(done, plan)
            )

    def measured(self, cell: Cell, measurement: Measurement, done: int, plan: Plan) -> None:
        line = f"round {measurement.round}  {_name(cell)}: {_outcome(measurement)}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, left=self._left(done, plan))
            self._bar.console.print(line, markup=False)
        else:
            say(f"[{done}/{plan.measurements}] {line}; {self._left(done, plan)}")

    def _left(self, done: int, plan: Plan) -> str:
        """What is left by the plan, at the pace so far."""
        seconds = self._pace * plan.expected_s(after=done)
        return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"


def _name(cell: Cell) -> str:
    return f"{cell.framework.slug}/{cell.variant.slug} {_question(cell)}"


def _question(cell: Cell) -> str:
    return f"{cell.workload.slug} {cell.case.kind}" if len(cell.workload.cases) > 1 else cell.workload.slug


def _names(cells: Sequence[Cell]) -> str:
    """The cell, or what the cells that are measured together have in common."""
    if len(cells) == 1:
        return _name(cells[0])
    return f"{len(cells)} servers in turn, {_question(cells[0])}"


def _outcome(measurement: Measurement) -> str:
    if measurement.failure is not None:
        return f"FAILED at {measurement.failure.stage}: {measurement.failure.reason[:200]}"
    if measurement.capacity is not None:
        return capacity.describe(measurement.capacity)
    if (connecting := measurement.connecting) is not None:
        return f"{connecting.connections_per_s:,.0f} clients/s, {connecting.memory_per_connection_kb:.0f} kB each"
    if (recovery := measurement.recovery) is not None:
        lost = recovery.lost + recovery.unsent
        back = recovery.back_ms.max
        told = "nobody back" if back is None else f"all back after {back / 1000:.2f} s"
        return f"restarted in {recovery.restart_s:.2f} s, {told}, {lost} messages lost"
    latency = measurement.latency_ms
    parts = [f"{measurement.messages_per_s:,.0f} msg/s"] if measurement.messages_per_s else []
    if measurement.pushes_per_s:
        parts.append(f"{measurement.pushes_per_s:,.0f} pushes/s")
    if latency is not None and latency.p50 is not None:
        parts.append(f"p50 {latency.p50:.3g} ms")
    if latency is not None and latency.p99 is not None:
        parts.append(f"p99 {latency.p99:.3g} ms")
    if not measurement.valid:
        parts.append(f"INVALID: {'; '.join(measurement.invalid_reasons)}")
    return ", ".join(parts)


@app.command("load")
def load_command(
    url: Annotated[str, typer.Argument(help="ws:// or wss:// address of an echo endpoint; Socket.IO: of the server.")],
    protocol: Annotated[str, typer.Option(help="websocket or socket.io.")] = "websocket",
    connections: Annotated[int, typer.Option(min=1, help="Clients.")] = 100,
    duration: Annotated[float, typer.Option(min=0.1, help="Seconds of the timed window.")] = 10.0,
    warmup: Annotated[float, typer.Option(min=0.0, help="Seconds before it.")] = 1.0,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Messages per second over all clients; without it: closed loop.")
    ] = None,
    arrivals: Annotated[str, typer.Option(help="With --rate: steady, or poisson for independent users.")] = "steady",
    payload: Annotated[int, typer.Option(help="Bytes per message.")] = 64,
    shards: Annotated[int, typer.Option(min=1, help="Generator processes.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Point the load generator at any echo server of yours.

    Example: rtsite load ws://127.0.0.1:8000/echo --rate 1000 --json
    """
    if protocol not in ("websocket", "socket.io"):
        raise catalog.unknown("protocol", protocol, ("websocket", "socket.io"))
    if arrivals not in ("steady", "poisson"):
        raise catalog.unknown("kind of arrivals", arrivals, ("steady", "poisson"))
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise UsageError(f"{url!r} is no WebSocket address; it starts with ws:// or wss:// and names a host")
    job = load.echo_job(
        url,
        "socket.io" if protocol == "socket.io" else "websocket",
        connections=connections,
        duration_s=duration,
        warmup_s=warmup,
        rate_per_s=rate,
        payload_bytes=payload,
        arrivals="poisson" if arrivals == "poisson" else "steady",
    )
    result = load.apply(job, shards=shards)
    report = load.report(result, open_loop=rate is not None)
    if as_json:
        print_json(report)
        return
    latency = report["latency_ms"]
    kind = "latency from the intended send" if rate is not None else "service time"
    rows = [
        ["messages per second", f"{report['messages_per_second']:,.1f}"],
        *[
            [f"{kind}, {name} (ms)", "too few samples" if value is None else f"{value:.3f}"]
            for name, value in latency.items()
        ],
        *[[name, str(report[name])] for name in ("sent", "received", "lost", "duplicated", "reordered", "corrupted")],
        ["generator CPU (%)", f"{report['generator_cpu_percent']:.0f}"],
        ["valid", "yes" if report["valid"] else "no: " + "; ".join(report["invalid_reasons"])],
    ]
    print_table(["figure", "value"], rows)


@app.command()
def calibrate(
    window: Annotated[float, typer.Option(min=1.0, help="Seconds of each timed window.")] = 4.0,
    as_json: JsonOption = False,
) -> None:
    """Measure the load generator's own limits here, and prove that it sees what servers do wrong.

    Servers that lie on purpose are measured; each lie must be seen, in the right amount. Takes about three minutes.
    Example: rtsite calibrate --json
    """
    cores = machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())
    if cores.note:
        say(f"Note: {cores.note}")
    with machine.claimed("rtsite calibrate"):
        result = calibration.calibrate(cores, say, window_s=window)
    if as_json:
        print_json(result.to_json())
    else:
        _print_calibration(result)
    if not result.ok:
        missed = ", ".join(f"{proof.name} ({proof.protocol})" for proof in result.proofs if not proof.ok)
        raise RtsiteError(f"the load generator does not see: {missed}; is the machine doing something else?")


def _print_calibration(result: calibration.Calibration) -> None:
    shares = calibration.SHARES_PERCENT
    print_table(
        ["protocol", "bytes", "ceiling, msg/s", *[f"send lag p99 at {share} %, ms" for share in shares]],
        [
            [
                ceiling.protocol,
                str(ceiling.payload_bytes),
                f"{ceiling.messages_per_s:,.0f}",
                *["–" if (lag := ceiling.send_lag_p99_ms[share]) is None else f"{lag:.4f}" for share in shares],
            ]
            for ceiling in result.ceilings
        ],
        title="What one generator process can do against a bare echo server",
    )
    print_table(
        ["lie", "protocol", "", "expected", "found"],
        [
            [proof.name, proof.protocol, "seen" if proof.ok else "MISSED", proof.expected, proof.found]
            for proof in result.proofs
        ],
        title="What it sees of servers that lie",
    )


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
                        "severity": problem.severity,
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
