"""The sizes of a test as tabs: one page per workload, one tab per scenario.

Links are the tabs, and `extra.css` shows the size that the address leads into. So they work without scripts, from the
keyboard, and as addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

from markupsafe import Markup

from generator.charts.wording import parameters_in_words
from generator.dataset import Parameters
from generator.pages.markup import Renderer, Section
from runners.record import parameter_in_words

_LONGEST_LABEL = 45
_ALL = "Results"
_SHORTER: Mapping[tuple[str, object], str] = {("search", "users"): "most users"}
"""Words for a tab, of a parameter whose usual words are longer."""


def size_labels(every: Sequence[Parameters]) -> list[str]:
    """What distinguishes each size of a workload from the others, in as few words as possible and all different.

    ``every``: the parameters of each size. A lone size is called *Results*.
    """
    if len(every) == 1:
        return [_ALL]
    names = list(dict.fromkeys(name for one in every for name in one))
    differing = [name for name in names if len({one.get(name) for one in every}) > 1]
    chosen: list[str] = []
    for name in differing:
        if _is_clear(every, chosen):
            break
        chosen.append(name)
    for name in reversed(chosen):
        rest = [one for one in chosen if one != name]
        if _is_clear(every, rest):
            chosen = rest
    return list(_different([_cut(_label(one, chosen) or parameters_in_words(one) or _ALL) for one in every]))


def sizes_section(render: Renderer, sections: Sequence[Section], labels: Sequence[str]) -> Section:
    """One section with all of these as tabs. ``labels``: of each."""
    sizes = [
        (one.anchor, label, Markup(one.html))  # noqa: S704 - made by our templates
        for one, label in zip(sections, labels, strict=True)
    ]
    return Section(None, None, html=render.html("sizes.html", sizes=sizes))


def _is_clear(every: Sequence[Parameters], names: Sequence[str]) -> bool:
    """Whether these parameters describe no size by a part of what describes another."""
    described = [{(name, one[name]) for name in names if name in one} for one in every]
    return all(not first <= second for first, second in permutations(described, 2))


def _label(parameters: Parameters, names: Sequence[str]) -> str:
    words = [
        _SHORTER.get((name, parameters[name])) or parameter_in_words(name, parameters[name])
        for name in names
        if name in parameters
    ]
    return ", ".join(words)


def _cut(label: str) -> str:
    if len(label) <= _LONGEST_LABEL:
        return label
    return f"{label[: _LONGEST_LABEL - 2].rpartition(' ')[0].rstrip(',')} …"


def _different(labels: Sequence[str]) -> Iterator[str]:
    """The labels with a capital letter; equal ones are numbered."""
    for index, label in enumerate(labels):
        earlier = labels[:index].count(label)
        yield f"{label[:1].upper()}{label[1:]}" + (f" ({earlier + 1})" if earlier else "")
