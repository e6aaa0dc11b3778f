"""Ratios in everyday words."""

from __future__ import annotations

from generator.charts.wording import significant

_TIMES_FROM = 1.5
"""From this factor on, a ratio is written as a multiple, below as percent."""


def less(factor: float, what: str) -> str:
    """``3.1× less CPU``, ``23 % less CPU``. ``factor``: how many times as much the other one has; above 1."""
    if factor >= _TIMES_FROM:
        return f"{significant(factor, 2)}× less {what}"
    return f"{100 * (1 - 1 / factor):.0f}\u00a0% less {what}"


def more(factor: float, what: str) -> str:
    """``3.1× more messages``, ``23 % more messages``. ``factor``: how many times as much it has; above 1."""
    if factor >= _TIMES_FROM:
        return f"{significant(factor, 2)}× more {what}"
    return f"{100 * (factor - 1):.0f}\u00a0% more {what}"


def shorter(factor: float, what: str) -> str:
    """As `less`, of what takes time."""
    return less(factor, what).replace(" less ", " shorter ", 1)
