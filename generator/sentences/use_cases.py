"""What to use for what a reader builds."""

from __future__ import annotations

from dataclasses import dataclass

from generator.comparison import Conclusions, UseCase
from generator.sentences.labels import best_labelled
from generator.sentences.sureness import Sureness


@dataclass(frozen=True)
class CaseAnswer:
    """``frameworks``: slugs of those that the answer names, the best first; empty without an answer."""

    frameworks: tuple[str, ...]
    sentence: str
    sureness: Sureness


def case_answer(conclusions: Conclusions, case: UseCase) -> CaseAnswer:
    """The frameworks with the best label for the use case."""
    sheet = conclusions.use_cases[case.slug]
    found = best_labelled(conclusions.labels.get(case.slug, {}), is_fragile=bool(sheet.sensitivities))
    if found is None:
        return CaseAnswer((), "No verdict yet: there are not enough valid rounds.", "can't say yet")
    able = [slug for slug in sheet.frameworks if slug not in sheet.barred]
    behind = [times for slug in found.frameworks if (times := sheet.times_behind(slug, able)) is not None]
    limit = f", at most {max(behind):.2g}× behind the best in performance" if behind and max(behind) > 1.005 else ""
    return CaseAnswer(found.frameworks, f"{found.words}{limit}.", found.sureness)
