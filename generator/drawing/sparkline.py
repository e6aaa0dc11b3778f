"""A sparkline: a few values in order, as small as a word. One change is marked, and the text beside it has the values.

Tufte (2006), "Beautiful Evidence": small, intense graphics in the line of the text, without axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from generator.drawing.shapes import Canvas, Picture

_WIDTH_PX, _HEIGHT_PX = 96, 24
"""Text beside it has about this height."""
_EDGE_PX = 4.0


def draw_sparkline(values: Sequence[float], changed_at: int, label: str) -> Picture:
    """Draw the values, at least two, at even distances from left to right. ``changed_at``: index of the first value
    after the change, above zero.

    The lowest is at the bottom and the highest at the top, so it shows directions, not sizes.
    """
    width, height = _WIDTH_PX, _HEIGHT_PX
    low, high = min(values), max(values)
    room = height - 2 * _EDGE_PX
    step = (width - 2 * _EDGE_PX) / (len(values) - 1)
    spots = [
        (
            _EDGE_PX + step * index,
            height - _EDGE_PX - (room * (value - low) / (high - low) if high > low else room / 2),
        )
        for index, value in enumerate(values)
    ]
    canvas = Canvas(width)
    for start, end in pairwise(spots):
        canvas.line(start, end, "spark")
    canvas.dot(spots[changed_at - 1], 2.5, "spark-before")
    canvas.dot(spots[changed_at], 3.5, "spark-after")
    return canvas.finished(height, label)
