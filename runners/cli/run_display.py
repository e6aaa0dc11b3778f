"""The display of a run: a progress bar on a terminal, one line per measurement elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from runners.campaign.observer import RunSummary
from runners.campaign.planning import Limits, Plan
from runners.cli import console
from runners.cli.console import say
from runners.judging import capacity
from runners.measurement import Cell
from runners.record import Ending, HostLostError, Look, Measurement, as_command, parameter_in_words
from runners.subjects import catalog
from runners.subjects.catalog import Framework


class RunDisplay:
    """A `RunObserver` that writes to stderr. It is a context manager that ends the progress bar.

    ``options``: options of the command to repeat in the one that continues an interrupted run.
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        self._path: Path | None = None
        self._named: list[str | Path] = []
        self._options = options
        self._started = self._measuring_since = time.monotonic()
        self._done_before = 0
        self._is_measuring = False
        self._pace = 1.0
        """Ratio of elapsed to planned time so far."""
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> RunDisplay:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        can_continue = kind is not None and issubclass(kind, (KeyboardInterrupt, HostLostError))
        if can_continue and self._path is not None:
            command = as_command("run", "--resume", self._path, *self._named, *self._options)
            say(f"`{command}` continues this run")

    def started(self, path: Path, done: int, plan: Plan) -> None:
        self._path, self._done_before, self._started = path, done, time.monotonic()
        self._named = catalog.naming_options(cell.framework for cell in plan.cells)
        minutes = plan.expected_s(after=done) / 60
        say(f"{plan.measurements - done} measurements of {len(plan.cells)} cells, about {minutes:.0f} min: {path}")
        if plan.limits is not None and not done:
            say(further_in_words(plan, plan.limits))
        if console.is_interactive():
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=console.err,
                transient=True,
            )
            self._task = self._bar.add_task("preparing", total=plan.measurements, left="")
            self._bar.start()

    def preparing(self, framework: Framework, variant: str) -> None:
        text = f"environment of {framework.slug}/{variant}"
        if self._bar is not None:
            self._bar.update(self._task, description=text)
        else:
            say(f"{text} …")

    def measuring(self, cells: Sequence[Cell], round_number: int, done: int, plan: Plan) -> None:
        if not self._is_measuring:
            self._is_measuring, self._measuring_since = True, time.monotonic()
        elif done > self._done_before:
            # Updated here and not in `measured`, because cells that are measured together finish at the same moment.
            planned_s = plan.expected_s(after=self._done_before) - plan.expected_s(after=done)
            self._pace = (time.monotonic() - self._measuring_since) / planned_s
        if self._bar is not None:
            self._bar.update(
                self._task, description=f"round {round_number}  {_names(cells)}", left=self._left(done, plan)
            )

    def progress(self, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, left=text)
        else:
            say(text)

    def measured(self, cell: Cell, measurement: Measurement, done: int, plan: Plan) -> None:
        repeated = " repeated" if measurement.position >= len(plan.order[measurement.round - 1]) else ""
        line = f"round {measurement.round}{repeated}  {_name(cell)}: {_result(measurement)}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, left=self._left(done, plan))
            self._bar.console.print(console.as_text(line))
        else:
            say(f"[{done}/{plan.measurements}] {line}; {self._left(done, plan)}")

    def looked(self, look: Look, ended: Ending | None, plan: Plan) -> None:
        for line in _look_in_words(look):
            say(line)
        if ended is not None:
            say(f"No further round: {ended}.")
            return
        turn = plan.order[-1]
        seconds = self._pace * plan.round_s(turn)
        say(f"Round {len(plan.order)} measures {len(turn)} of {len(plan.cells)} cells, about {seconds / 60:.0f} min.")
        if self._bar is not None:
            self._bar.update(self._task, total=plan.measurements)

    def finished(self, summary: RunSummary, plan: Plan) -> None:
        took_s = time.monotonic() - self._started
        say(f"{summary}: {summary.path}")
        if not summary.failed and not summary.repeated:
            loaded_s = plan.load_s(after=self._done_before)
            say(f"{took_s / 60:.0f} min, {100 * loaded_s / took_s:.0f} % of it under load")

    def _left(self, done: int, plan: Plan) -> str:
        """The expected remaining time, at the pace so far."""
        seconds = self._pace * plan.expected_s(after=done)
        left = f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"
        return left if plan.limits is None else f"{left} in the rounds planned so far"


def further_in_words(plan: Plan, limits: Limits) -> str:
    """What an adaptive run does after the rounds of everything, and for how long."""
    forecast = plan.forecast
    rounds = limits.most_rounds - limits.first_rounds
    allowed = ""
    left_s = limits.budget_s - forecast.first_s
    if 0 <= left_s < math.inf and forecast.further_s:
        allowed = (
            f" The budget of {limits.budget_s / 60:.0f} min leaves {left_s / 60:.0f} min for it: as much as"
            f" {min(left_s / forecast.further_s, rounds):.1f} rounds of all that is compared."
        )
    return (
        f"After {limits.first_rounds} rounds of everything, at most {rounds} rounds measure what is undecided: in all"
        f" about {forecast.expected_s / 60:.0f} min, at most {forecast.worst_s / 60:.0f} min.{allowed}"
    )


def _look_in_words(look: Look) -> Iterator[str]:
    """What is decided, in all and per workload, and what is left."""
    parts = look.parts.values()
    wide, values, short = (sum(getattr(part, name) for part in parts) for name in ("wide", "values", "short"))
    yield (
        f"After round {look.after_round}: {look.decided} of {look.deciding} comparisons are decided; {wide} of {values}"
        f" intervals are wider than the target; {short} {'row has' if short == 1 else 'rows have'} too few valid"
        " rounds."
    )
    counts: dict[str, list[int]] = {}
    for name, part in look.parts.items():
        of_workload = counts.setdefault(name.partition("/")[0], [0, 0])
        of_workload[0] += part.decided
        of_workload[1] += part.deciding
    decided = [f"{slug} {known} of {whole}" for slug, (known, whole) in counts.items() if whole]
    if len(decided) > 1:
        yield f"Decided by workload: {', '.join(decided)}."


def _name(cell: Cell) -> str:
    return f"{cell.framework.slug}/{cell.variant.slug} {_scenario(cell)}"


def _scenario(cell: Cell) -> str:
    name = f"{cell.workload.slug} {cell.scenario.kind}" if len(cell.workload.scenarios) > 1 else cell.workload.slug
    varied = (parameter_in_words(key, value) for key, value in cell.scenario.setting.items())
    return ", ".join([name, *varied])


def _names(cells: Sequence[Cell]) -> str:
    """The name of the cell, or what the cells that are measured together have in common."""
    if len(cells) == 1:
        return _name(cells[0])
    return f"{len(cells)} servers in turn, {_scenario(cells[0])}"


def _result(measurement: Measurement) -> str:
    if measurement.failure is not None:
        return f"FAILED at {measurement.failure.stage}: {measurement.failure.reason[:200]}"
    if measurement.capacity is not None:  # its description includes the reason if it is inconclusive
        return capacity.describe_capacity(measurement.capacity)
    invalid = [] if measurement.valid else [f"INVALID: {'; '.join(measurement.invalid_reasons)}"]
    return ", ".join([*_values(measurement), *invalid])


def _values(measurement: Measurement) -> list[str]:
    if (connecting := measurement.connecting) is not None:
        idle = connecting.idle
        return [
            f"{connecting.connections_per_s:,.0f} clients/s, {connecting.memory_per_connection_kb:.0f} kB each",
            *([f"{idle.cpu_percent:.1f} % CPU for {idle.clients:,} idle clients"] if idle else []),
            *([f"ceiling: {connecting.ceiling}"] if connecting.ceiling else []),
        ]
    if (recovery := measurement.recovery) is not None:
        lost = recovery.lost + recovery.unsent
        back_ms = recovery.back_ms.max if recovery.back_ms else None
        back = "no client reconnected" if back_ms is None else f"all clients back after {back_ms / 1000:.2f} s"
        seen = ", ".join(f"{times} × {kind}" for kind, times in recovery.endings.items())
        return [
            f"restarted in {recovery.restart_s:.2f} s, {back}, {lost} messages lost",
            *([f"the old server ended in {recovery.ended_s:.2f} s"] if recovery.ended_s is not None else []),
            *([f"clients saw {seen}"] if seen else []),
        ]
    if (streams := measurement.streams) is not None:
        late = streams.chunk_lateness_ms.p50
        cpu_us = measurement.server.cpu_us_per_message if measurement.server else None
        cut = streams.broken + streams.unfinished
        return [
            f"{streams.completed:,} of {streams.begun - streams.cancelled:,} streams whole",
            *([f"chunks late by {late:.3g} ms (p50)"] if late is not None else []),
            *([f"{cpu_us:.0f} µs of CPU per chunk"] if cpu_us is not None else []),
            *([f"{cut:,} cut"] if cut else []),
        ]
    if (deliveries := measurement.room_deliveries) is not None:
        delivered, p50 = deliveries.delivered_percent, deliveries.delivery_ms.p50
        return [
            *([f"{delivered:.1f} % delivered"] if delivered is not None else []),
            *([f"p50 {p50:.3g} ms"] if p50 is not None else []),
            f"{deliveries.departures:,} times somebody left",
            *([f"{deliveries.never_connected:,} lost although connected"] if deliveries.never_connected else []),
            *([f"{deliveries.never_back} members not back"] if deliveries.never_back else []),
        ]
    if (published := measurement.published) is not None:
        whole = 100 * published.complete / published.messages if published.messages else 0.0
        last = published.last_delivery_ms.p50
        return [
            f"{whole:.1f} % of messages reached everybody",
            *([f"p50 {last:.3g} ms until the last member had one"] if last is not None else []),
            *([f"{published.refused:,} refused"] if published.refused else []),
        ]
    latency, share = measurement.latency_ms, measurement.load_share
    parts = [f"{measurement.messages_per_s:,.0f} msg/s"] if measurement.messages_per_s else []
    if measurement.pushes_per_s:
        parts.append(f"{measurement.pushes_per_s:,.0f} pushes/s")
    if share is not None:
        parts.append(f"at {share.rate_per_s:,} of {share.capacity_per_s:,} msg/s")
    if latency is not None and latency.p50 is not None:
        parts.append(f"p50 {latency.p50:.3g} ms")
    if latency is not None and latency.p99 is not None:
        parts.append(f"p99 {latency.p99:.3g} ms")
    if measurement.second_load is not None and (p50 := measurement.second_load.latency_ms.p50) is not None:
        parts.append(f"second load: p50 {p50:.3g} ms")
    return parts
