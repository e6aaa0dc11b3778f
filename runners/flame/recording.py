"""The recording of flame graphs. After the measurements, py-spy samples a new server of each variant under the closed
echo loop.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners import machine, process
from runners.flame import sampler
from runners.flame.stacks import build_graph, count_top, read_stacks, share_by_owner
from runners.loading import driver
from runners.loading.job_building import build_job
from runners.record import (
    FLAME_SUFFIX,
    SCHEMA_VERSION,
    Flame,
    FlameDocument,
    RtsiteError,
    RunDocument,
    as_command,
    load_flames,
    load_framework,
    load_run,
    publishable,
    save,
)
from runners.serving.deployment import serve_variant, server_settings_for
from runners.subjects import matching
from runners.subjects.catalog import Framework, Variant, naming_options
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Scenario, Workload
from runners.subjects.workloads import WORKLOADS

DURATION_S = 10
"""Seconds of sampling. They give about 1,000 samples, which determine a share of 5 % to ± 1.4 percentage points."""
WARMUP_S = 2.0
STARTING_S = 2.0
"""Seconds by which the load lasts longer than the sampling, because py-spy first reads the server's symbols."""
_OVERHEAD_S = 4.0
"""Expected seconds for the server's start and end, the contract checks, and py-spy's output."""
ENDING_S = 30.0
"""Maximum seconds that py-spy may run after the load. If it fell behind its rate, it still has samples to write."""


class FlameError(RtsiteError):
    """Flame graphs cannot be added to a run."""


@dataclass(frozen=True)
class Missing:
    """A variant of a run that has no flame graph yet."""

    framework: Framework
    variant: Variant


def record_missing(run: Path, frameworks: Iterable[Framework], say: Callable[[str], None]) -> list[Flame]:
    """Record every variant of the run in this folder that has no flame graph yet; returns the new ones.

    Each is on disk as soon as it is recorded. A failure is recorded with its reason, and the variant is tried again the
    next time. Raises `RecordError` if the run's files are broken, and `FlameError` if the machine or the code differ
    from those that were measured, or if a file cannot be written.
    """
    document = load_run(run / "run.yml")
    here = machine.describe_machine().model_copy(update={"idle_cpus": document.machine.idle_cpus})
    if document.machine != here:  # idle CPUs do not change where a busy server spends its time
        raise FlameError(
            f"{run}: measured on another machine ({document.machine.cpu_model}), or with another kernel or Python;"
            " record its flame graphs where it was measured"
        )
    known = {framework.slug: framework for framework in frameworks}
    files = _read_files(run, document, known)
    made = []
    home = machine.usable_cpus()
    waiting = _missing(document, known, files)
    each_s = WARMUP_S + DURATION_S + STARTING_S + _OVERHEAD_S
    say(f"{len(waiting)} flame graphs, about {len(waiting) * each_s / 60:.0f} min: {run}")
    try:
        for number, missing in enumerate(waiting, start=1):
            name = f"{missing.framework.slug}/{missing.variant.slug}"
            flame = record_flame(missing.framework, missing.variant)
            made.append(flame)
            file = _with(files.get(missing.framework.slug), flame, document, missing.framework.slug)
            files[missing.framework.slug] = file
            _save(file, run, known.values())
            say(f"[{number}/{len(waiting)}] flame graph of {name}: {_outcome(flame)}")
    finally:
        machine.confine(sorted(home))
    return made


def _read_files(run: Path, document: RunDocument, known: Mapping[str, Framework]) -> dict[str, FlameDocument]:
    """The flame graphs so far; raises `RecordError`, and `FlameError` if an application has changed since."""
    found = {}
    for slug in {key.partition("/")[0]: None for key in document.cells}:
        measured = run / f"{slug}.yml"
        if slug in known and measured.is_file():
            sources = load_framework(measured).framework.sources
            if sources != known[slug].sources:
                raise FlameError(
                    f"{known[slug].folder}: changed since {run} was measured, so a flame graph would show other code;"
                    " start a new run"
                )
        path = run / f"{slug}{FLAME_SUFFIX}"
        if path.is_file():
            found[slug] = load_flames(path)
    return found


def _missing(
    document: RunDocument, known: Mapping[str, Framework], files: Mapping[str, FlameDocument]
) -> list[Missing]:
    """The run's variants that are known and have no flame graph, in the order of its cells."""
    there = {(slug, flame.variant) for slug, file in files.items() for flame in file.flames if flame.failure is None}
    found = []
    for name in dict.fromkeys(key.partition(" ")[0] for key in document.cells):
        slug, _, variant_slug = name.partition("/")
        variants = known[slug].variants if slug in known else []
        found += [
            Missing(known[slug], variant)
            for variant in variants
            if variant.slug == variant_slug and (slug, variant_slug) not in there
        ]
    return found


def _with(file: FlameDocument | None, flame: Flame, run: RunDocument, framework: str) -> FlameDocument:
    """The document with this flame graph, which replaces an earlier one of the same variant."""
    others = [known for known in file.flames if known.variant != flame.variant] if file else []
    return FlameDocument(
        schema_version=SCHEMA_VERSION,
        kind="flame",
        run=run.id,
        campaign=run.campaign,
        framework=framework,
        flames=[*others, flame],
    )


def _save(file: FlameDocument, run: Path, known: Iterable[Framework]) -> None:
    path = run / f"{file.framework}{FLAME_SUFFIX}"
    try:
        save(file, path)
    except OSError as error:
        command = as_command("run", "--flame", "--resume", run, *naming_options(known))
        raise FlameError(
            f"{path}: cannot be written: {error.strerror}; free some space, then use `{command}`"
        ) from error


def _outcome(flame: Flame) -> str:
    if flame.failure is not None:
        return f"FAILED: {flame.failure}"
    leading = f", most in {flame.top[0].function} ({flame.top[0].self_percent:.0f} %)" if flame.top else ""
    slow = f"; py-spy fell {flame.behind_s:.1f} s behind" if flame.behind_s else ""
    return f"{flame.samples} samples{leading}{slow}"


def record_flame(framework: Framework, variant: Variant) -> Flame:
    """Record one variant's flame graph. A failure is part of the result, not an error. No process is left running."""
    workload, scenario = _echo()
    cores = machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())
    machine.confine(cores.harness)
    started = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = sampler.Sampler(Path("py-spy"), "")
    command = shown.command(pid="PID", file="FILE", duration_s=DURATION_S, shares_core=bool(cores.server))
    values: dict[str, Any]
    try:
        if scenario not in matching.scenarios_for(workload, framework, variant):
            raise FlameError(f"{framework.slug} does not run the workload {workload.slug}, which flame graphs need")
        values = _record(framework, variant, scenario, cores)
    except (RtsiteError, OSError) as error:
        values = {"failure": publishable(str(error))}
    return Flame(
        variant=variant.slug,
        started=started,
        workload=workload.slug,
        workload_version=workload.version,
        parameters=scenario.parameters,
        command=" ".join(command),
        **values,
    )


def _record(framework: Framework, variant: Variant, scenario: Scenario, cores: machine.CoreShare) -> dict[str, Any]:
    """Make a recording; returns its values. Raises `RtsiteError`."""
    spy = sampler.find_sampler()
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        raw, report = _sample(framework, variant, scenario, spy, cores=cores, logs=Path(folder))
    stacks = read_stacks(raw, app=str(framework.folder))
    if not stacks:
        raise FlameError(
            "py-spy found no running thread, so there is nothing to draw; check that the server was under load"
        )
    return {
        "py_spy": spy.version,
        "duration_s": float(DURATION_S),
        "rate_per_s": float(sampler.RATE_PER_S),
        "samples": sum(stack.samples for stack in stacks),
        "errors": report.errors,
        "behind_s": report.behind_s,
        "self_percent": share_by_owner(stacks),
        "top": count_top(stacks),
        "graph": build_graph(stacks),
    }


def _echo() -> tuple[Workload, Scenario]:
    """The closed echo loop keeps the server as busy as possible, with almost no work for the application."""
    workload = WORKLOADS["echo"]
    return workload, next(scenario for scenario in workload.scenarios if scenario.mode == "closed")


def _sample(
    framework: Framework,
    variant: Variant,
    scenario: Scenario,
    spy: sampler.Sampler,
    *,
    cores: machine.CoreShare,
    logs: Path,
) -> tuple[str, sampler.SamplerReport]:
    """py-spy's recording of the server's process tree alone; raises `RtsiteError`."""
    cpus = cores.server[:1]  # one CPU, even if a core has two, so that sampler and server cannot run at the same time
    file = logs / "stacks.txt"
    sampling: list[process.Child] = []

    def start_sampling(pid: int) -> None:
        command = spy.command(pid=pid, file=file, duration_s=DURATION_S, shares_core=bool(cpus))
        variables = {"LC_ALL": "C.UTF-8"}
        log = logs / "py-spy.log"
        sampling.append(process.start("py-spy", command, folder=logs, environment=variables, cpus=cpus, log=log))

    with serve_variant(
        framework,
        variant,
        logs=logs,
        cpus=cpus,
        workers=scenario.workers,
        settings=server_settings_for(scenario),
        traceable=True,
        checks=scenario.readiness,
    ) as deployment:
        job = build_job(
            scenario,
            url=deployment.server.websocket_url,
            protocol=framework.protocol,
            serializer=variant.serializer,
            profile=Profile("quick", rounds=1, warmup_s=WARMUP_S, duration_s=DURATION_S + STARTING_S),
            seed=0,
        )
        hooks = driver.Hooks(
            window_start=lambda: start_sampling(deployment.server.child.pid),
            is_hopeless=lambda: deployment.has_ended,
        )
        try:
            driver.apply(job, cpus=cores.loadgen, hooks=hooks)
            return _collect(sampling[0], file)
        finally:
            for child in sampling:
                child.stop()


def _collect(sampling: process.Child, file: Path) -> tuple[str, sampler.SamplerReport]:
    """Wait for the end of py-spy; returns its output. Raises `SamplerError`."""
    until = time.monotonic() + ENDING_S
    while sampling.running and time.monotonic() < until:
        time.sleep(0.05)
    lines = sampling.last_lines(40)
    if sampling.running:
        raise sampler.SamplerError(
            f"py-spy did not end within {ENDING_S:.0f} s after the load; end other programs, then try again"
        )
    if sampling.status != 0 or not file.is_file():
        raise sampler.explain_failure(lines, sampling.status)
    return file.read_text(encoding="utf-8", errors="replace"), sampler.read_report(lines)
