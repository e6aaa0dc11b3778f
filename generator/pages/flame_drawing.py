"""A flame graph as boxes that the template places: the start, width and text of each. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from runners.record import Flame, FlameGraph

TRUNK_PERCENT = 95.0
"""Outermost calls with this share of the samples, and none of their own, are left out."""
LABELLED_PERCENT = 4.0
"""Of the width; a narrower box has no room for a word."""

Kind = Literal["app", "package", "python", "other"]


@dataclass(frozen=True)
class Box:
    """One node of the tree: place and size in percent of the width, depth in rows from the top."""

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
    """The graph with its outermost calls on top; ``None`` where there is none."""
    graph, samples = flame.graph, flame.samples
    if graph is None or not samples:
        return None
    rows = graph.rows
    first = _trunk(graph, samples)
    whole = rows[first][2] if first else samples
    boxes = []
    filled: dict[int, float] = {}
    """Per depth, where the next box begins."""
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
    """How many of the first rows only lead on: alone at their depth, nothing of their own, to nearly everything."""
    alone = Counter(depth for depth, *_ in graph.rows)
    count = 0
    for above, below in pairwise(graph.rows):
        is_only_way = above[3] == 0 and alone[above[0]] == alone[below[0]] == 1
        if not is_only_way or 100 * below[2] < TRUNK_PERCENT * samples:
            break
        count += 1
    return count


def kind_of(module: str) -> Kind:
    """The owner of the code, which the colours show."""
    root = module.partition("/")[0]
    if root == ".":
        return "app"
    if root.startswith("python3."):
        return "python"
    return "other" if root.startswith(("?", "<")) else "package"


def shares_by_owner(flame: Flame) -> list[tuple[str, float]]:
    """In whose code the samples ended, in words and percent, the most first."""
    return [(_WORDS.get(kind_of(owner), owner), share) for owner, share in flame.self_percent.items()]


_WORDS: dict[Kind, str] = {"app": "the app", "python": "Python’s own library", "other": "neither of these"}
