"""One page per use case: who fits, what it costs, what to watch out for, and what is not measured."""

from __future__ import annotations

from generator.comparison import LOAD_MODELS, USE_CASES, UseCase, facet_values, growth_of, load_costs, model_facts
from generator.pages import score_words
from generator.pages.drawn_chart import DrawnChart
from generator.pages.growth_chart import growth_chart
from generator.pages.load_table import load_rows
from generator.pages.markup import Page, Section, listed, script_json
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
    load, growth = _load(view, case)
    html = view.renderer(path).html(
        "use_case.html",
        case=case,
        answer=answer,
        sheet=sheet,
        charts=charts,
        load=load,
        growth=growth,
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
        charts=(*charts, *growth),
    )


def _load(view: View, case: UseCase) -> tuple[dict[str, object] | None, list[DrawnChart]]:
    """What the template needs to show a load that the reader sets, and the chart of how its cost grows. Nothing
    without a value that counts.
    """
    model = LOAD_MODELS[case.slug]
    found = load_costs(model, view.conclusions.basis)
    if not found:
        return None, []
    load = {
        "model": model,
        "rows": load_rows(view, model, found, model.usual),
        "lacking": [slug for slug in view.competing if slug not in {one.framework for one in found}],
        "per_s": model.units_per_s(model.usual),
        "data": script_json(model_facts(model, found)),
    }
    growth = growth_of(found)
    chart = growth_chart(view, case.slug, model, growth) if growth else None
    return load, [chart] if chart else []


def _tests(view: View, case: UseCase) -> list[WorkloadFacts]:
    """The workloads that the use case rests on and that have results."""
    wanted = {one.workload for one in case.measured}
    return [workload for workload in view.comparison.workloads if workload.slug in wanted]


ENTRY = MenuEntry("For your app", position=17, pages=_use_case_pages)
