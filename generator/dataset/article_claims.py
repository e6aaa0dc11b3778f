"""Claims of published articles from ``site/claims.yml``: our transcript of values, statements and winners."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from generator.dataset.lists import load_list
from runners.record import SLUG, HttpsUrl, RtsiteError


class ClaimsError(RtsiteError):
    """The claims cannot be used."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Name = Annotated[str, Field(pattern=f"^{SLUG}$")]
VariantName = Annotated[str, Field(pattern=f"^{SLUG}(/{SLUG})?$")]
"""A framework, or one of its variants: ``fastapi/uvicorn``."""
Where = dict[str, int | float | str]
"""Parameters that select a table of a workload."""


class Article(_Strict):
    """An article: where it is published, the frameworks that it compares, and its method."""

    id: Name
    title: str
    publisher: str | None = None
    address: HttpsUrl | None = None
    """The page on which it can be read."""
    between: list[Name]
    setup: str | None = None


class WinnerClaim(_Strict):
    """The article's best framework in a dimension."""

    id: Name
    article: Name
    dimension: Literal["ease-of-use", "architecture", "performance", "development-experience"]
    winner: Name
    """A framework, or ``tie``."""


class Compared(_Strict):
    """The first is better than the second in a metric (``differ``: the two are distinguishable).

    ``claimed``: the article's ratio of the first to the second; it also determines which one should be better.
    """

    kind: Literal["compared", "differ"]
    workload: Name
    where: Where
    metric: str
    first: VariantName
    second: VariantName
    claimed: float | None = None


class Extreme(_Strict):
    """These are the best or the worst of the article's frameworks."""

    kind: Literal["first", "last"]
    workload: Name
    where: Where
    metric: str
    names: list[Name]


class Within(_Strict):
    """The value of a variant, or of a framework's headline variant, is between two limits."""

    kind: Literal["within"]
    workload: Name
    where: Where
    metric: str
    framework: VariantName
    low: float | int
    high: float | int


class EvidenceTest(_Strict):
    """An evidence item has this value in some variant, or its list contains it."""

    kind: Literal["evidence"]
    item: Name
    framework: Name
    has: bool | str


class More(_Strict):
    """The first has a higher value of an item than the second."""

    kind: Literal["more"]
    item: Name
    first: Name
    second: Name


class Measured(_Strict):
    """The variant works: it has valid values."""

    kind: Literal["measured"]
    framework: VariantName
    workload: Name


class Sustains(_Strict):
    """One core sustains this number of dashboard users."""

    kind: Literal["withstands"]
    framework: VariantName
    users: int


class InterfaceTest(_Strict):
    """All of these have this interface, alone or among others."""

    kind: Literal["interface"]
    names: list[Name]
    has: str


class ClaimVocabulary(_Strict):
    """A framework's app uses names of packages other than these."""

    kind: Literal["vocabulary"]
    framework: Name
    beyond: list[str]


class DocumentationTest(_Strict):
    """The framework's own documentation states it, and nothing here tests it."""

    kind: Literal["documented"]
    how: str
    """What it states, as a sentence."""
    source: HttpsUrl


class NoTest(_Strict):
    """Our results cannot decide the claim."""

    kind: Literal["none"]
    why: str


Test = Annotated[
    Compared
    | Extreme
    | Within
    | EvidenceTest
    | More
    | Measured
    | Sustains
    | InterfaceTest
    | ClaimVocabulary
    | DocumentationTest
    | NoTest,
    Field(discriminator="kind"),
]


class Claim(_Strict):
    """One claim in our words, and the test of it."""

    id: Name
    article: Name
    says: str
    test: Test


class Claims(_Strict):
    """All articles and their claims."""

    articles: list[Article] = []
    winners: list[WinnerClaim] = []
    claims: list[Claim] = []

    @model_validator(mode="after")
    def _of_known_articles(self) -> Claims:
        known = {article.id: article for article in self.articles}
        made: list[WinnerClaim | Claim] = [*self.winners, *self.claims]
        for claim in made:
            if claim.article not in known:
                raise ValueError(f"claim {claim.id} belongs to article {claim.article!r}, which is not listed")
            if isinstance(claim, WinnerClaim) and claim.winner not in ("tie", *known[claim.article].between):
                raise ValueError(f"claim {claim.id} names {claim.winner!r}, which its article does not compare")
        ids = [claim.id for claim in made]
        if len(ids) != len(set(ids)):
            raise ValueError("two claims have the same id")
        return self

    def article(self, claim: WinnerClaim | Claim) -> Article:
        """The article that makes the claim."""
        return next(article for article in self.articles if article.id == claim.article)


def load_claims(path: Path) -> Claims:
    """Read the claims; empty if the file does not exist. Raises `ClaimsError`."""
    return load_list(path, Claims, ClaimsError, "claims")
