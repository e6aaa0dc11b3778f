"""What is seen of a run while it goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from runners.campaign.planning import Plan
from runners.cli import console
from runners.cli.console import say
from runners.judging import capacity
from runners.measurement import Cell
from runners.record import Measurement
from runners.subjects.catalog import Framework


class Display:
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

    def __enter__(self) -> Display:
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

    def under_way(self, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, left=text)
        else:
            say(text)

    def measured(self, cell: Cell, measurement: Measurement, done: int, plan: Plan) -> None:
        again = " again" if measurement.position >= len(plan.order[measurement.round - 1]) else ""
        line = f"round {measurement.round}{again}  {_name(cell)}: {_outcome(measurement)}"
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
    return f"{cell.workload.slug} {cell.scenario.kind}" if len(cell.workload.scenarios) > 1 else cell.workload.slug


def _names(cells: Sequence[Cell]) -> str:
    """The cell, or what the cells that are measured together have in common."""
    if len(cells) == 1:
        return _name(cells[0])
    return f"{len(cells)} servers in turn, {_question(cells[0])}"


def _outcome(measurement: Measurement) -> str:
    if measurement.failure is not None:
        return f"FAILED at {measurement.failure.stage}: {measurement.failure.reason[:200]}"
    if measurement.capacity is not None:  # says itself why it is none
        return capacity.describe_capacity(measurement.capacity)
    invalid = [] if measurement.valid else [f"INVALID: {'; '.join(measurement.invalid_reasons)}"]
    return ", ".join([*_figures(measurement), *invalid])


def _figures(measurement: Measurement) -> list[str]:
    if (connecting := measurement.connecting) is not None:
        return [f"{connecting.connections_per_s:,.0f} clients/s, {connecting.memory_per_connection_kb:.0f} kB each"]
    if (recovery := measurement.recovery) is not None:
        lost = recovery.lost + recovery.unsent
        back = recovery.back_ms.max
        told = "nobody back" if back is None else f"all back after {back / 1000:.2f} s"
        return [f"restarted in {recovery.restart_s:.2f} s, {told}, {lost} messages lost"]
    latency = measurement.latency_ms
    parts = [f"{measurement.messages_per_s:,.0f} msg/s"] if measurement.messages_per_s else []
    if measurement.pushes_per_s:
        parts.append(f"{measurement.pushes_per_s:,.0f} pushes/s")
    if latency is not None and latency.p50 is not None:
        parts.append(f"p50 {latency.p50:.3g} ms")
    if latency is not None and latency.p99 is not None:
        parts.append(f"p99 {latency.p99:.3g} ms")
    return parts
