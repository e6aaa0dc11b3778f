"""Advisers of adaptive runs for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runners.record import Advice, FrameworkDocument, RunDocument


def advise_nothing(run: RunDocument, frameworks: Sequence[FrameworkDocument], folder: Path) -> Advice:
    """Knows of nothing that is undecided."""
    return Advice()
