"""The page of all frameworks, and of each framework its answer, its results and its code."""

from __future__ import annotations

from dataclasses import replace

from generator.charts import percentile_chart
from generator.comparison import LATENCY, STARTING_POINTS, USE_CASES, Table
from generator.pages import evidence_sections
from generator.pages.flame_drawing import lay_out_flame, shares_by_owner
from generator.pages.framework_view import FrameworkView
from generator.pages.heat import HeatTable, heat_table
from generator.pages.markup import Page, Renderer, Section, front_matter_free
from generator.pages.setting_filters import filters_section
from generator.pages.standing_chart import standing_chart
from generator.pages.table_sections import capacity_section, present, table_section
from generator.pages.view import MenuEntry, View
from generator.sentences import variants_finding
from runners.record import VariantFacts


def _index(view: View) -> Page:
    """The page of all frameworks, with the table of facts that articles usually print."""
    path = "frameworks/index.md"
    render = view.renderer(path)
    frameworks = list(view.frameworks.values())
    html = render.html("frameworks.html", frameworks=frameworks, titles=view.titles)
    sections = [Section(None, None, html=html)]
    if known := [framework for framework in frameworks if framework.evidence is not None]:
        sections.append(evidence_sections.readers_section(render, known))
    words = "Every framework here and how it was served."
    return Page(path, "Frameworks", words, tuple(sections), hide=("toc",))


def _framework_pages(view: View) -> list[Page]:
    heat = view.once(heat_table)
    found = [_index(view)]
    for framework in view.frameworks.values():
        found += [_answer(view, heat, framework), _results(view, framework), _code(view, framework)]
    return found


def _answer(view: View, heat: HeatTable, framework: FrameworkView) -> Page:
    """What to know of a framework before choosing it."""
    render = view.renderer(framework.path)
    chart = standing_chart(view, heat, framework.slug)
    html = render.html(
        "framework.html",
        framework=framework,
        chart=chart,
        headline=_headline(view, framework),
        runs=view.runs_of(framework),
        flags=view.flags.get(framework.slug, ()),
        unjudged=view.conclusions.unjudged.get(framework.slug),
        labels=_labels(view, framework.slug),
        measured=view.measured,
        titles=view.titles,
    )
    sections = [Section(None, None, html=html)]
    if document := framework.document:
        sections.append(Section("Variants", "variants", html=render.html("variants.html", document=document)))
        if cannot := document.framework.cannot:
            titles = {workload.slug: workload.title for workload in view.comparison.workloads}
            html = render.html("cannot.html", cannot=cannot, titles=titles)
            sections.append(Section("What it does not support", "cannot", html=html))
    words = f"{framework.title}: where it is among all, in which setup, what to watch out for."
    page = _of_framework(framework, framework.path, framework.title, "Answer", words, sections)
    return replace(page, charts=(chart,) if chart else ())


def _results(view: View, framework: FrameworkView) -> Page:
    """Every value of a framework, and all evidence on it."""
    render = view.renderer(framework.results_path)
    intro = render.html("framework_results.html", framework=framework, runs=view.runs_of(framework))
    sections = [Section(None, None, html=intro)]
    if framework.document:
        sections += _measured(view, render, framework)
    if framework.evidence is not None:
        sections.append(evidence_sections.framework_section(render, framework.evidence))
    if pairs := {pair: verdict for pair, verdict in view.verdicts.items() if framework.slug in pair}:
        html = render.html("pairs.html", verdicts=pairs, titles=view.titles)
        sections.append(Section("Against the others", "pairs", html=html))
    title, words = f"{framework.title}: results", f"{framework.title}: all results and all evidence."
    return _of_framework(framework, framework.results_path, title, "Results", words, sections)


def _code(view: View, framework: FrameworkView) -> Page:
    """The application, what we noticed about the framework, and where the time goes."""
    render = view.renderer(framework.code_path)
    sections = [Section(None, None, html=render.html("framework_code.html", framework=framework))]
    if framework.source and framework.source.notes:
        sections.append(Section("Notes", "about", markdown=front_matter_free(framework.source.notes)))
    sections += _flames(render, framework)
    sections.append(Section("The app", "code", html=render.html("code.html", framework=framework)))
    title, words = f"{framework.title}: code", f"{framework.title}: the application, notes, and where the time goes."
    return _of_framework(framework, framework.code_path, title, "Code", words, sections)


def _of_framework(
    framework: FrameworkView, path: str, title: str, in_group: str, words: str, sections: list[Section]
) -> Page:
    is_answer = path == framework.path
    return Page(
        path,
        title,
        words,
        tuple(sections),
        is_searched=is_answer,
        is_found=not is_answer,
        is_first=is_answer,
        group=framework.title,
        in_group=in_group,
    )


def _headline(view: View, framework: FrameworkView) -> VariantFacts | None:
    """The measured facts of the headline variant; ``None`` without."""
    variants = framework.document.variants if framework.document else []
    return next((one for one in variants if one.slug == view.headlines.get(framework.slug)), None)


def _labels(view: View, slug: str) -> list[tuple[str, str | None]]:
    """The label of the framework for each use case and starting point that it is able to serve, with its title."""
    found = view.conclusions.labels
    cases = [(case.title, found[case.slug][slug].label) for case in USE_CASES if slug in found.get(case.slug, {})]
    points = view.conclusions.starting_points
    return [
        *(
            (title, points[stack][slug].label)
            for stack, title in STARTING_POINTS.items()
            if slug in points.get(stack, {})
        ),
        *cases,
    ]


def _measured(view: View, render: Renderer, framework: FrameworkView) -> list[Section]:
    """Sections with all measured results of the framework."""
    comparison = view.comparison
    kept = {framework.slug, *view.references}
    owned = [(own, table) for table in comparison.tables if (own := table.only({framework.slug})).rows]
    results = [
        (
            own,
            _with_reference(own, table),
            [
                _with_reference(one, other)
                for other in view.other_settings.of(table)
                if (one := other.only({framework.slug})).rows
            ],
        )
        for own, table in owned
    ]
    searches = [
        (searched.only(kept), [other.only(kept) for other in view.other_settings.of_search(searched)])
        for searched in view.capacities
        if searched.only({framework.slug}).rows
    ]
    sections = filters_section(render, [*((own, others) for own, _, others in results), *searches])
    for own, table, others in results:
        more = [
            replace(chart, finding=variants_finding(own, LATENCY))
            for chart in present(percentile_chart(own, LATENCY, view.identities))
        ]
        sections.append(table_section(render, table, more=more, others=others))
    sections += [capacity_section(render, searched, others=alike) for searched, alike in searches]
    return sections


def _with_reference(own: Table, whole: Table) -> Table:
    """The table with only the rows of the reference and, below, of the framework."""
    if any(row.framework.is_reference for row in own.rows):
        return own
    reference = [row for row in whole.rows if row.framework.is_reference]
    return replace(own, rows=(*reference, *own.rows))


def _flames(render: Renderer, framework: FrameworkView) -> list[Section]:
    """The section with the flame graphs of the newest run that recorded them."""
    result = next((result for result in framework.results if result.flames and result.flames.flames), None)
    if result is None or result.flames is None:
        return []
    drawn = [(one, lay_out_flame(one), shares_by_owner(one)) for one in result.flames.flames]
    html = render.html("flame.html", flames=drawn, raw=result.flames_raw)
    return [Section("Where the time goes", "time", html=html)]


ENTRY = MenuEntry("Frameworks", position=40, pages=_framework_pages, is_long=True)
