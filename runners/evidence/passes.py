"""Probes of facts, which run once, and of repeated items, which run in every pass; the merging of their findings."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from socketio.exceptions import SocketIOError
from websockets.exceptions import WebSocketException

from runners.evidence.tries import judge_tries
from runners.record import ITEMS, Finding, RtsiteError, publishable
from runners.serving.deployment import StageError

EXPECTED_ERRORS = (RtsiteError, OSError, ValueError, WebSocketException, SocketIOError)
"""Errors of a single framework, which do not end the collection."""


@dataclass(frozen=True)
class ItemProbe:
    """Items that are determined together. The probe runs in every pass if one of them is repeated."""

    items: tuple[str, ...]
    determine: Callable[[Path], list[Finding]]
    """Determines the findings; its argument is an empty folder for logs. The value of a repeated item is one sample."""

    @property
    def repeated(self) -> bool:
        return any(ITEMS[item].repeated for item in self.items)

    def run(self, logs: Path) -> list[Finding]:
        """Run the probe; returns its findings. After an error, each item has a finding with the reason instead of a
        value.
        """
        try:
            return self.determine(logs)
        except EXPECTED_ERRORS as error:
            return not_determined(error, self.items)


@dataclass
class Findings:
    """The findings of a framework or of one of its variants, pass by pass."""

    probes: Sequence[ItemProbe]
    _found: dict[str, list[Finding]] = field(default_factory=dict)

    def collect(self, logs: Path, *, repeated: bool) -> None:
        """Run the probes of facts, or those of repeated items."""
        for number, probe in enumerate(self.probes):
            if probe.repeated is repeated and self._is_open(probe):
                folder = logs / str(number)
                folder.mkdir(parents=True)
                for finding in probe.run(folder):
                    self._found.setdefault(finding.item, []).append(finding)

    def merged(self) -> list[Finding]:
        """One finding for each item so far."""
        return [merge_findings(found) for found in self._found.values()]

    def _is_open(self, probe: ItemProbe) -> bool:
        """Whether a probe has to run; one that failed does not run again."""
        so_far = [finding for item in probe.items for finding in self._found.get(item, [])]
        return not so_far or (probe.repeated and all(finding.value is not None for finding in so_far))


def merge_findings(found: Sequence[Finding]) -> Finding:
    """Merge the findings of all passes into one. The value of a repeated item is the median, and its range is minimum
    to maximum.

    What is yes in some passes and no in others is not always so (`judge_tries`). The result has no value if one pass
    has none, or if any other fact differs between passes.
    """
    first = found[0]
    if missing := [one for one in found if one.value is None]:
        return missing[0]
    if ITEMS[first.item].repeated:
        values = [one.value for one in found if isinstance(one.value, int | float)]
        return Finding(
            item=first.item,
            value=_three_digits(statistics.median(values)),
            low=_three_digits(min(values)),
            high=_three_digits(max(values)),
            samples=len(values),
            note=first.note,
        )
    if any(one.value != first.value for one in found):
        answers = [one.value for one in found if isinstance(one.value, bool)]
        if len(answers) == len(found):
            return judge_tries(first.item, answers, "passes")
        values_seen = ", ".join(str(one.value) for one in found)
        return Finding(item=first.item, note=publishable(f"not the same every time: {values_seen}"[:1000]))
    return first


def _three_digits(value: float) -> float:
    """The value rounded to three digits; further digits would be noise."""
    return float(f"{value:.3g}")


def not_determined(error: Exception, items: Sequence[str]) -> list[Finding]:
    """A finding without a value for each item, with the reason."""
    kind = error.failure.stage if isinstance(error, StageError) else type(error).__name__
    why = publishable(f"{kind}: {error}"[:1000])
    return [Finding(item=item, note=why) for item in items]
