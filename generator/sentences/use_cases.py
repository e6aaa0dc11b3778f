"""What to use for what a reader builds."""

from __future__ import annotations

from dataclasses import dataclass

from generator.charts.wording import significant
from generator.comparison import BestLabelled, Conclusions, Label, UseCase
from generator.sentences.sureness import Sureness

LABELS_IN_WORDS: dict[Label, str] = {
    "recommended": "recommended",
    "good choice": "a good choice",
    "special case": "only for special needs",
    "not for new projects": "not for new projects",
}


@dataclass(frozen=True)
class CaseAnswer:
    """``frameworks``: slugs of those that the answer names, the best first; empty without an answer."""

    frameworks: tuple[str, ...]
    sentence: str
    sureness: Sureness


def case_answer(conclusions: Conclusions, case: UseCase) -> CaseAnswer:
    """The frameworks with the best label for the use case."""
    sheet = conclusions.use_cases[case.slug]
    found = conclusions.best_of_case(case.slug)
    if found is None:
        return CaseAnswer((), "No verdict yet: too few have values in all four dimensions.", "can't say yet")
    able = [slug for slug in sheet.frameworks if slug not in sheet.barred]
    behind = [times for slug in found.frameworks if (times := sheet.times_behind(slug, able)) is not None]
    limit = (
        f", up to {significant(max(behind), 2)}× behind the best in performance"
        if max(behind, default=1) >= 1.05
        else ""
    )
    return CaseAnswer(found.frameworks, f"{LABELS_IN_WORDS[found.label]}{limit}.", sureness_of(found))


def sureness_of(found: BestLabelled) -> Sureness:
    """How sure a best label is."""
    return "clearly" if found.is_robust else "likely"
