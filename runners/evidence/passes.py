"""What is established once, and what again in every pass; the answers of all passes as one finding."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from socketio.exceptions import SocketIOError
from websockets.exceptions import WebSocketException

from runners.record import ITEMS, Finding, RtsiteError, publishable

TROUBLE = (RtsiteError, OSError, ValueError, subprocess.SubprocessError, WebSocketException, SocketIOError)
"""What may go wrong with one framework and is no reason to give up the others."""


@dataclass(frozen=True)
class Question:
    """Items that are established together; in every pass if one of them is repeated."""

    items: tuple[str, ...]
    ask: Callable[[Path], list[Finding]]
    """Given an empty folder for logs. The value of a repeated item is one sample."""

    @property
    def repeated(self) -> bool:
        return any(ITEMS[item].repeated for item in self.items)

    def answer(self, logs: Path) -> list[Finding]:
        """What was found; if it failed as a whole, each of the items with the reason."""
        try:
            return self.ask(logs)
        except TROUBLE as error:
            return unestablished(error, self.items)


@dataclass
class Subject:
    """A framework as a whole, or one of its variants, and what was found of it so far."""

    questions: Sequence[Question]
    _found: dict[str, list[Finding]] = field(default_factory=dict)

    def visit(self, logs: Path) -> None:
        """Ask what was not asked yet, and once more what is repeated."""
        for number, question in enumerate(self.questions):
            if self._is_open(question):
                folder = logs / str(number)
                folder.mkdir(parents=True)
                for finding in question.answer(folder):
                    self._found.setdefault(finding.item, []).append(finding)

    def findings(self) -> list[Finding]:
        """One for each item asked for so far."""
        return [merged(found) for found in self._found.values()]

    def _is_open(self, question: Question) -> bool:
        """What could not be established is not tried again."""
        so_far = [finding for item in question.items for finding in self._found.get(item, [])]
        return not so_far or (question.repeated and all(finding.value is not None for finding in so_far))


def merged(found: Sequence[Finding]) -> Finding:
    """What one or more passes found of an item: of a repeated one the median, with the extremes as its spread.

    Without a value in one of the passes there is none at all; nor of a fact that is not the same in all of them.
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
        told = ", ".join(str(one.value) for one in found)
        return Finding(item=first.item, note=publishable(f"not the same every time: {told}"[:1000]))
    return first


def _three_digits(value: float) -> float:
    """More would be noise."""
    return float(f"{value:.3g}")


def unestablished(error: Exception, items: Sequence[str]) -> list[Finding]:
    """Each of the items without a value, and with the reason."""
    why = publishable(f"{type(error).__name__}: {error}"[:1000])
    return [Finding(item=item, note=why) for item in items]
