"""The page of the claims of articles, with our verdicts."""

from __future__ import annotations

from collections import Counter

from generator.comparison import ClaimBasis, try_claim
from generator.pages.markup import Page, Section
from generator.pages.view import MenuEntry, View


def _claims_page(view: View) -> Page:
    """Every claim with its verdict, article by article."""
    path = "claims.md"
    known = ClaimBasis(view.comparison, view.capacities, view.evidence, view.titles, view.headlines)
    articles = [
        (
            article,
            [try_claim(claim, article, known) for claim in view.claims.claims if claim.article == article.id],
        )
        for article in view.claims.articles
    ]
    render = view.renderer(path)
    counts = Counter(one.verdict for _, judged in articles for one in judged)
    sections = [Section(None, None, html=render.html("claims.html", counts=counts))]
    sections += [
        Section(article.title, article.id, html=render.html("claims_of.html", article=article, judged=judged))
        for article, judged in articles
        if judged
    ]
    words = "What articles claim, beside what was measured."
    return Page(path, "Claims", words, tuple(sections), hide=("navigation",))


ENTRY = MenuEntry("Claims", position=80, pages=_claims_page, is_detail=True)
