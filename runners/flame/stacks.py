"""Sampled call stacks: read from py-spy's output, without this machine's folders in their names, and merged. Pure
functions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from runners.record import FlameFunction, FlameGraph

THRESHOLD_PERCENT = 0.5
"""Minimum share of a branch. A smaller one is too thin to see, and has fewer than five of 1,000 samples."""
MAX_ROWS = 240
"""Maximum number of rows of a graph, the largest first. A variant then needs at most 15 kB."""
MAX_TOP = 15
OWN, ELSEWHERE = ".", "?"
"""The owners of the application's own modules, and of modules that belong to no known package."""

_FRAME = re.compile(r"(?P<function>.+) \((?P<path>.+):\d+\)")
_INSTALLED = re.compile(r".*/(?:site|dist)-packages/(?P<rest>.+)")
_LIBRARY = re.compile(r".*/lib(?:64)?/(?P<rest>python3\.\d+t?/.+)")
_OUTSIDE = "no Python function"


@dataclass(frozen=True)
class StackFrame:
    """A function. ``module`` is a path in the format of the schema's ``ModulePath``."""

    module: str
    function: str

    @property
    def owner(self) -> str:
        """The application (``.``), the Python release, the installed package, or ``?``."""
        root = self.module.partition("/")[0]
        return ELSEWHERE if root.startswith("<") else root.removesuffix(".py")


@dataclass(frozen=True)
class Stack:
    """A call stack, outermost call first, and the number of samples with exactly this stack."""

    frames: tuple[StackFrame, ...]
    samples: int


@dataclass
class _Node:
    total: int = 0
    own: int = 0
    children: dict[StackFrame, _Node] = field(default_factory=dict)


def read_stacks(text: str, *, app: str) -> list[Stack]:
    """The stacks of py-spy's raw format with full file names; ``app``: the application's folder.

    A line is ``frame;frame;… count`` with frames ``function (path:line)``. Words without that form name a process and
    are left out, so the stacks of workers merge. Lines without a count at the end are ignored, because they are not
    py-spy's.
    """
    found: Counter[tuple[StackFrame, ...]] = Counter()
    for line in text.splitlines():
        words, _, count = line.rpartition(" ")
        if count.isascii() and count.isdigit():
            found[tuple(_frames(words, app)) or (StackFrame(ELSEWHERE, _OUTSIDE),)] += int(count)
    return [Stack(frames, samples) for frames, samples in found.items() if samples]


def _frames(words: str, app: str) -> Iterator[StackFrame]:
    for word in words.split(";"):
        if match := _FRAME.fullmatch(word):
            yield StackFrame(module_path(match["path"], app=app), _clean(match["function"], 120))


def module_path(path: str, *, app: str) -> str:
    """The path relative to the application, the packages or Python's library; never an absolute path."""
    if path.startswith("<"):
        return _clean(path, 160)
    inside = path.removeprefix(f"{app.rstrip('/')}/")
    if match := _INSTALLED.fullmatch(path):
        found = match["rest"]
    elif not inside.startswith("/") and ".." not in inside.split("/"):
        found = f"{OWN}/{inside}"
    elif match := _LIBRARY.fullmatch(path):
        found = match["rest"]
    else:
        found = f"{ELSEWHERE}/{path.rpartition('/')[2]}"
    return _clean(found.lstrip("/"), 160)


def _clean(text: str, longest: int) -> str:
    """Printable text on one line, as the schema requires."""
    shown = "".join(c if c.isprintable() and c != "\\" else "?" for c in text)
    return shown[:longest] or "?"


def count_top(stacks: Sequence[Stack]) -> list[FlameFunction]:
    """The functions that were most often running, and how often each was on the stack; recursion counts once."""
    samples = _samples(stacks)
    own: Counter[StackFrame] = Counter()
    total: Counter[StackFrame] = Counter()
    for stack in stacks:
        own[stack.frames[-1]] += stack.samples
        for frame in set(stack.frames):
            total[frame] += stack.samples
    leading = sorted(own, key=lambda frame: (-own[frame], -total[frame], frame.module, frame.function))
    return [
        FlameFunction(
            function=frame.function,
            module=frame.module,
            self_percent=_percent(own[frame], samples),
            total_percent=_percent(total[frame], samples),
        )
        for frame in leading[:MAX_TOP]
    ]


def share_by_owner(stacks: Sequence[Stack]) -> dict[str, float]:
    """The share of samples that ended in each owner's code, in percent; shares below the threshold are omitted."""
    samples = _samples(stacks)
    owners: Counter[str] = Counter()
    for stack in stacks:
        owners[stack.frames[-1].owner] += stack.samples
    shares = {owner: _percent(count, samples) for owner, count in sorted(owners.items(), key=lambda item: -item[1])}
    return {owner: share for owner, share in shares.items() if share >= THRESHOLD_PERCENT}


def build_graph(stacks: Sequence[Stack]) -> FlameGraph:
    """The stacks as one tree without its thin branches, the largest child first."""
    samples = _samples(stacks)
    roots = _grow(stacks)
    thick = list(_walk(roots, samples * THRESHOLD_PERCENT / 100))
    # A caller has at least as many samples as what it calls, so the largest nodes form a tree.
    ranked = sorted(range(len(thick)), key=lambda place: (-thick[place][2].total, thick[place][0], place))
    kept = [thick[place] for place in sorted(ranked[:MAX_ROWS])]
    threshold = THRESHOLD_PERCENT
    if len(thick) > len(kept):
        threshold = _percent(thick[ranked[MAX_ROWS - 1]][2].total, samples)
    frames = list(dict.fromkeys(frame for _, frame, _ in kept))
    modules = list(dict.fromkeys(frame.module for frame in frames))
    index = {frame: number for number, frame in enumerate(frames)}
    place = {module: number for number, module in enumerate(modules)}
    shown = sum(node.own for _, _, node in kept)
    return FlameGraph(
        modules=modules,
        functions=[frame.function for frame in frames],
        module_of=[place[frame.module] for frame in frames],
        rows=[[depth, index[frame], node.total, node.own] for depth, frame, node in kept],
        threshold_percent=threshold,
        dropped_percent=_percent(samples - shown, samples),
    )


def _grow(stacks: Iterable[Stack]) -> dict[StackFrame, _Node]:
    roots: dict[StackFrame, _Node] = {}
    for stack in stacks:
        level = roots
        for frame in stack.frames:
            node = level.setdefault(frame, _Node())
            node.total += stack.samples
            level = node.children
        node.own += stack.samples
    return roots


def _walk(level: dict[StackFrame, _Node], least: float, depth: int = 0) -> Iterator[tuple[int, StackFrame, _Node]]:
    """Yields every node with at least this many samples, before its children."""
    for frame, node in sorted(level.items(), key=lambda item: (-item[1].total, item[0].module, item[0].function)):
        if node.total >= least:
            yield depth, frame, node
            yield from _walk(node.children, least, depth + 1)


def _samples(stacks: Iterable[Stack]) -> int:
    return sum(stack.samples for stack in stacks)


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2)
