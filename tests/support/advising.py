"""Adaptive runs for tests, and an adviser of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from generator.dataset import Run
from runners.record import Adaptive, Advice, FrameworkDocument, RunDocument


def advise_nothing(run: RunDocument, frameworks: Sequence[FrameworkDocument], folder: Path) -> Advice:
    """Knows of nothing that is undecided."""
    return Advice()


def as_adaptive(run: Run, first_rounds: int = 5) -> Run:
    """The run as if it had looked at its results after each round, beginning with this one."""
    adaptive = Adaptive(first_rounds=first_rounds, most_rounds=30, target_decided_percent=95.0)
    return replace(run, document=run.document.model_copy(update={"adaptive": adaptive}))
