"""The frameworks with the best label of a list, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from generator.comparison import LABELS, Label, Labelled
from generator.sentences.sureness import Sureness

_WORDS: Mapping[Label, str] = {
    "recommended": "recommended",
    "good choice": "a good choice",
    "special case": "for special needs",
    "not for new projects": "not for new projects",
}


@dataclass(frozen=True)
class BestLabelled:
    """``frameworks``: slugs, the highest total first. ``words``: their label in a sentence."""

    frameworks: tuple[str, ...]
    words: str
    sureness: Sureness


def best_labelled(labelled: Mapping[str, Labelled], *, is_fragile: bool) -> BestLabelled | None:
    """Those with the best label that follows from scores; ``None`` if no label does.

    ``is_fragile``: whether leaving out a part of the results would change the leading group.
    """
    known = {slug: one for slug, one in labelled.items() if not one.by_flags}
    labels = [one.label for one in known.values() if one.label is not None]
    if not labels:
        return None
    label = min(labels, key=LABELS.index)
    best = sorted(
        (slug for slug, one in known.items() if one.label == label), key=lambda slug: -(known[slug].total or 0.0)
    )
    has_gaps = any(known[slug].left_out for slug in best)
    return BestLabelled(tuple(best), _WORDS[label], "likely" if is_fragile or has_gaps else "clearly")
