"""What people ask in public, from ``site/questions.yml``: each in our words, with the values that answer it."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from generator.dataset.lists import load_list
from runners.record import SLUG, HttpsUrl, RtsiteError, Topology


class QuestionsError(RtsiteError):
    """The list cannot be used."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


_Name = Annotated[str, Field(pattern=f"^{SLUG}$")]
_Where = dict[str, int | float | str]
"""Parameters that select a table of a workload."""

SHOWN_VALUES = frozenset({"low", "high", "median", "count", "lowest", "highest"})
"""The names that a sentence on values may contain in braces. Values carry their unit, ``lowest`` and ``highest`` are
the names of who has them, ``count`` is how many have a value that counts."""
SHOWN_EVIDENCE = frozenset({"yes", "count", "names"})
"""The same for a sentence on evidence: how many have it, of how many, and who."""


class _Sentence(_Strict):
    """``says``: the sentence, with the names of values in braces."""

    says: str

    @property
    def shown(self) -> frozenset[str]:
        """The names in braces. Raises `ValueError` for braces that do not match."""
        return frozenset(name for _, name, _, _ in string.Formatter().parse(self.says) if name is not None)


class _OfValues(_Sentence):
    @model_validator(mode="after")
    def _shows_values(self) -> _OfValues:
        if unknown := self.shown - SHOWN_VALUES:
            raise ValueError(f"{{{min(unknown)}}} is no value; there are {', '.join(sorted(SHOWN_VALUES))}")
        return self


class Spread(_OfValues):
    """The values of all headline variants in one table."""

    kind: Literal["spread"]
    workload: _Name
    where: _Where = {}
    metric: str


class AmongVariants(_OfValues):
    """The values of all variants of one framework in one table."""

    kind: Literal["variants"]
    framework: _Name
    workload: _Name
    where: _Where = {}
    metric: str


class TwoTables(_OfValues):
    """How many times the value of one table is that of another, for each headline variant."""

    kind: Literal["times"]
    workload: _Name
    where: _Where
    over: _Where
    metric: str


class UnderSetting(_OfValues):
    """How many times a value is the usual one under another topology, for each variant that has both."""

    kind: Literal["setting"]
    workload: _Name
    where: _Where = {}
    metric: str
    topology: Topology


class SearchedCapacity(_OfValues):
    """The capacities that a search found, by headline variant."""

    kind: Literal["capacity"]
    search: str


class OfEvidence(_Sentence):
    """How many headline variants have an evidence item."""

    kind: Literal["evidence"]
    item: _Name

    @model_validator(mode="after")
    def _shows_evidence(self) -> OfEvidence:
        if unknown := self.shown - SHOWN_EVIDENCE:
            raise ValueError(f"{{{min(unknown)}}} is no value; there are {', '.join(sorted(SHOWN_EVIDENCE))}")
        return self


class TwoFrameworks(_Strict):
    """The verdict on two frameworks."""

    kind: Literal["pair"]
    first: _Name
    second: _Name


class OnPage(_Strict):
    """A page answers it. ``page``: its path, with anchor."""

    kind: Literal["page"]
    page: str
    says: str


class Unanswered(_Strict):
    """Not measured. ``why``: what is missing, as a sentence."""

    kind: Literal["none"]
    why: str


Source = Annotated[
    Spread
    | AmongVariants
    | TwoTables
    | UnderSetting
    | SearchedCapacity
    | OfEvidence
    | TwoFrameworks
    | OnPage
    | Unanswered,
    Field(discriminator="kind"),
]


class PublicQuestion(_Strict):
    """One of them. ``asked``: addresses where people ask it. ``answers``: the first that has values is shown."""

    id: _Name
    topic: str
    question: str
    asked: list[HttpsUrl] = []
    answers: list[Source] = Field(min_length=1)


class PublicQuestions(_Strict):
    questions: list[PublicQuestion] = []

    @model_validator(mode="after")
    def _distinct(self) -> PublicQuestions:
        ids = [one.id for one in self.questions]
        if len(ids) != len(set(ids)):
            raise ValueError(f"two have the id {next(one for one in ids if ids.count(one) > 1)!r}")
        return self


def load_questions(path: Path) -> PublicQuestions:
    """Read the list; empty if the file does not exist. Raises `QuestionsError`."""
    return load_list(path, PublicQuestions, QuestionsError, "questions")
