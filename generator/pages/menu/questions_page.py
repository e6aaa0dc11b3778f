"""What people ask in public, each with an answer from results."""

from __future__ import annotations

from collections import Counter

from generator.pages.markup import Page, Section
from generator.pages.view import MenuEntry, View
from generator.sentences import AnsweredQuestion, answer_questions


def _questions_page(view: View) -> Page:
    """All of them by topic; those without an answer too."""
    path = "questions.md"
    render = view.renderer(path)
    answered = answer_questions(view.asked, view.conclusions, view.settings, view.titles)
    by_topic: dict[str, list[AnsweredQuestion]] = {}
    for one in answered:
        by_topic.setdefault(one.asked.topic, []).append(one)
    counts = Counter(one.state for one in answered)
    sections = [
        Section(None, None, html=render.html("questions.html", counts=counts, total=len(answered))),
        *(
            Section(
                topic,
                topic.lower().replace(" ", "-"),
                html=render.html("questions_of.html", answered=found, known=_known(view)),
            )
            for topic, found in by_topic.items()
        ),
    ]
    words = "What people ask about Python real-time servers, answered from measurements."
    return Page(path, "Questions", words, tuple(sections), hide=("navigation",))


def _known(view: View) -> set[str]:
    """The pages of workloads that are there."""
    return {f"tests/{workload.slug}.md" for workload in view.comparison.workloads}


ENTRY = MenuEntry("Questions", position=55, pages=_questions_page)
