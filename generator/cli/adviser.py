"""The adviser of adaptive runs: joins the half that measures with the half that compares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runners.record import Advice, FrameworkDocument, RunDocument

if TYPE_CHECKING:
    from generator.dataset import Run


class ComparingAdviser:
    """Advises by the tables and outcomes that the pages show. Other runs of the campaign are read once.

    What compares results is imported at the first look. So a command that only plans, and the rounds of everything, do
    without it.
    """

    def __init__(self) -> None:
        self._others: tuple[Run, ...] | None = None

    def __call__(self, run: RunDocument, frameworks: Sequence[FrameworkDocument], folder: Path) -> Advice:
        """See `runners.campaign.execution.Adviser`."""
        from generator.comparison import advise
        from generator.dataset import load_beside, make_run

        if self._others is None:
            self._others = load_beside(folder)
        most = run.adaptive.most_rounds - run.rounds if run.adaptive else 0
        return advise(make_run(folder, run, frameworks), self._others, most=most)
