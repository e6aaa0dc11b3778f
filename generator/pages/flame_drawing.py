"""Lays out a flame graph as boxes with start, width and text, for the template. Pure functions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from runners.record import Flame, FlameGraph

TRUNK_PERCENT = 95.0
"""Outermost calls with at least this share of the samples, and none of their own, are omitted."""
LABELLED_PERCENT = 4.0
"""The least width of a box with a label, in percent of the graph."""

Kind = Literal["app", "package", "python", "other"]


@dataclass(frozen=True)
class Box:
    """One node of the tree. ``depth``: row, counted from the top. Start and width are in percent of the graph."""

    depth: int
    left_percent: float
    width_percent: float
    kind: Kind
    label: str
    title: str


@dataclass(frozen=True)
class Drawing:
    """A variant's graph. ``trunk``: the calls above its first row, outermost first."""

    boxes: tuple[Box, ...]
    levels: int
    trunk: tuple[str, ...]


def lay_out_flame(flame: Flame) -> Drawing | None:
    """Lay out the graph with its outermost calls on top; ``None`` if the recording has no graph."""
    graph, samples = flame.graph, flame.samples
    if graph is None or not samples:
        return None
    rows = graph.rows
    first = _trunk(graph, samples)
    whole = rows[first][2] if first else samples
    boxes = []
    filled: dict[int, float] = {}
    """Start of the next box in each row."""
    for depth, function, total, own in rows[first:]:
        level = depth - first
        left = filled.get(level, 0.0)
        width = 100 * total / whole
        filled[level] = left + width
        filled[level + 1] = left
        name, module = graph.functions[function], graph.modules[graph.module_of[function]]
        boxes.append(
            Box(
                depth=level,
                left_percent=round(left, 3),
                width_percent=round(width, 3),
                kind=kind_of(module),
                label=name.rpartition("<locals>.")[2] if width >= LABELLED_PERCENT else "",
                title=f"{name}, {module}: {100 * total / samples:.1f} %, {100 * own / samples:.1f} % itself",
            )
        )
    trunk = tuple(graph.functions[function] for _, function, _, _ in rows[:first])
    return Drawing(tuple(boxes), 1 + max((box.depth for box in boxes), default=0), trunk)


def _trunk(graph: FlameGraph, samples: int) -> int:
    """The number of first rows to omit: alone at their depth, without own samples, above nearly all samples."""
    alone = Counter(depth for depth, *_ in graph.rows)
    count = 0
    for above, below in pairwise(graph.rows):
        is_only_way = above[3] == 0 and alone[above[0]] == alone[below[0]] == 1
        if not is_only_way or 100 * below[2] < TRUNK_PERCENT * samples:
            break
        count += 1
    return count


def kind_of(module: str) -> Kind:
    """The owner of the code, which determines the colour."""
    root = module.partition("/")[0]
    if root == ".":
        return "app"
    if root.startswith("python3."):
        return "python"
    return "other" if root.startswith(("?", "<")) else "package"


def shares_by_owner(flame: Flame) -> list[tuple[str, float]]:
    """The owners of the code in which samples ended, in words, with their share in percent, descending."""
    return [(_WORDS.get(kind_of(owner), owner), share) for owner, share in flame.self_percent.items()]


_WORDS: dict[Kind, str] = {"app": "the app", "python": "Python’s own library", "other": "neither of these"}
