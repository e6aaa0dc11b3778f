"""One page per use case: who fits, what it costs, what to watch out for, and what is not measured."""

from __future__ import annotations

from generator.comparison import USE_CASES, UseCase, facet_values
from generator.pages import score_words
from generator.pages.markup import Page, Section, listed
from generator.pages.value_chart import value_chart
from generator.pages.view import MenuEntry, View
from generator.sentences import case_answer
from runners.record import WorkloadFacts


def _use_case_pages(view: View) -> list[Page]:
    return [_index(view), *(_page(view, case) for case in USE_CASES)]


def _index(view: View) -> Page:
    path = "for/index.md"
    answers = [(case, case_answer(view.conclusions, case)) for case in USE_CASES]
    html = view.renderer(path).html("use_cases.html", answers=answers, titles=view.titles)
    words = "What to use, by what you build."
    return Page(path, "For your app", words, (Section(None, None, html=html),), hide=("navigation", "toc"))


def _page(view: View, case: UseCase) -> Page:
    path = f"for/{case.slug}.md"
    sheet = view.conclusions.use_cases[case.slug]
    answer = case_answer(view.conclusions, case)
    charts = [value_chart(view, case.slug, found) for found in facet_values(case, view.conclusions.basis)]
    html = view.renderer(path).html(
        "use_case.html",
        case=case,
        answer=answer,
        sheet=sheet,
        charts=charts,
        flagged=[(slug, flags) for slug, flags in view.flags.items() if slug in sheet.frameworks],
        words=score_words,
        tests=_tests(view, case),
        runs=view.comparison.runs,
        titles=view.titles,
    )
    words = f"Which Python framework for {case.title.lower()}: what it costs, how sure that is, what to watch out for."
    names = listed(view.titles[slug] for slug in answer.frameworks)
    return Page(
        path,
        case.title,
        words,
        (Section(None, None, html=html),),
        hide=("navigation", "toc"),
        answer=f"{names}: {answer.sentence.rstrip('.')} ({answer.sureness})." if names else answer.sentence,
        charts=tuple(charts),
    )


def _tests(view: View, case: UseCase) -> list[WorkloadFacts]:
    """The workloads that the use case rests on and that have results."""
    wanted = {one.workload for one in case.measured}
    return [workload for workload in view.comparison.workloads if workload.slug in wanted]


ENTRY = MenuEntry("For your app", position=17, pages=_use_case_pages)
