"""Which pages there are, how they hang together, and what stands on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Any

from jinja2 import Environment
from markupsafe import Markup
from packaging.version import InvalidVersion, Version

from generator.charts import (
    Chart,
    latency_chart,
    metric_chart,
    percentile_chart,
    range_chart,
    timeline_chart,
    trend_chart,
)
from generator.charts.wording import describe, plain
from generator.comparison import (
    CRITERIA,
    DIMENSIONS,
    METRICS,
    STACKS,
    CapacityDecision,
    CapacityTable,
    Comparison,
    Dimension,
    Known,
    PairVerdict,
    Row,
    Standing,
    Table,
    all_weighed,
    candidates,
    capacities,
    change_points,
    columns_of,
    compare,
    decide,
    judge_claim,
    leaders,
    pair_verdict,
    trends,
    undominated,
)
from generator.dataset import Claims, Dataset, Evidence, FrameworkResult, Run, Source
from generator.pages import evidence, flame
from generator.pages.code import PARTS, excerpt, highlighted
from generator.pages.markup import Page, Renderer, Section, front_matter_free, make_environment, script_json
from runners.record import FrameworkDocument, InvalidError

_COLUMNS = (
    "messages_per_s",
    "connections_per_s",
    "connect_p50",
    "connect_p99",
    "memory_per_connection_kb",
    "restart_s",
    "back_p50",
    "back_max",
    "latency_p50",
    "latency_p99",
    "latency_p999",
    "last_delivery_p50",
    "last_delivery_p99",
    "push_lateness_p50",
    "push_lateness_p99",
    "cpu_us_per_message",
    "cpu_percent",
    "pss_mean_mb",
    "broker_cpu_percent",
)


@dataclass(frozen=True)
class Site:
    """All generated pages, and the navigation that also names the hand-written ones."""

    pages: tuple[Page, ...]
    nav: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class _Code:
    """A module's code as it is now, and the digest it was measured with, if it was."""

    name: str
    html: Markup
    measured_sha256: str | None
    sha256: str


@dataclass(frozen=True)
class _Framework:
    """A framework as the pages know it: measured, or only a folder so far."""

    slug: str
    title: str
    results: tuple[FrameworkResult, ...]
    """Of the runs that measured it, the newest first."""
    source: Source | None
    evidence: Evidence | None

    @property
    def document(self) -> FrameworkDocument | None:
        """What the newest of them says of it, with the variants of all of them."""
        if not self.results:
            return None
        variants = {one.slug: one for result in reversed(self.results) for one in result.document.variants}
        broker = next((result.document.broker for result in self.results if result.document.broker), None)
        return self.results[0].document.model_copy(update={"variants": list(variants.values()), "broker": broker})

    @property
    def path(self) -> str:
        return f"frameworks/{self.slug}.md"

    @property
    def measured_version(self) -> str | None:
        """Of its package, in the first variant."""
        document = self.document
        return document.variants[0].packages.get(document.framework.package) if document else None

    @property
    def newer(self) -> str | None:
        """The release that the newest evidence knows, where the figures are of an older one."""
        measured, known = self.measured_version, self.evidence.document.version if self.evidence else None
        if measured is None or known is None:
            return None
        try:
            return known if Version(known) > Version(measured) else None
        except InvalidVersion:
            return None

    @property
    def is_reference(self) -> bool:
        return self.document is not None and self.document.framework.is_reference

    @property
    def competes(self) -> bool:
        """Whether it can be the answer; the reference and bare libraries cannot."""
        return not self.is_reference and not (self.source is not None and self.source.is_library)

    def excerpt(self, part: str) -> Markup | None:
        """The part of its app that serves one workload, as highlighted HTML."""
        text = (
            next((module.text for module in self.source.modules if module.name == "app.py"), "") if self.source else ""
        )
        found = excerpt(text, part)
        return highlighted(found) if found else None

    @property
    def code(self) -> list[_Code]:
        """The modules of the application as highlighted HTML; empty where its folder is not in the checkout."""
        if self.source is None:
            return []
        facts = self.document.framework if self.document else None
        measured = {"app.py": facts.app_sha256, **facts.sources} if facts else {}
        return [
            _Code(module.name, highlighted(module.text), measured.get(module.name), module.sha256)
            for module in self.source.modules
        ]


def make_site(dataset: Dataset, sources: Mapping[str, Source], claims: Claims | None = None) -> Site:
    """Every page of the site; raises `InvalidError` where two would have one address."""
    return _Maker(dataset, sources, claims or Claims()).site()


class _Maker:
    """Holds what all pages share while they are made."""

    def __init__(self, dataset: Dataset, sources: Mapping[str, Source], claims: Claims) -> None:
        self._dataset = dataset
        self._claims = claims
        self._environment: Environment = make_environment()
        runs = dataset.headline.runs if dataset.headline else ()
        self._comparison = compare(runs) if runs else None
        self._capacities = capacities(runs)
        self._frameworks = _frameworks(runs, sources, dataset.newest_evidence)
        self._competing = [framework.slug for framework in self._frameworks.values() if framework.competes]
        self._verdicts = _verdicts(self._comparison) if self._comparison else {}
        self._evidence = {slug: one.evidence for slug, one in self._frameworks.items() if one.evidence is not None}
        self._weighed = all_weighed({slug: one for slug, one in self._evidence.items() if slug in self._competing})

    def site(self) -> Site:
        dimensions = [self._dimension(dimension) for dimension in DIMENSIONS]
        frameworks = [self._framework(framework) for framework in self._frameworks.values()]
        workloads = [
            self._workload(workload.slug) for workload in (self._comparison.workloads if self._comparison else ())
        ]
        pairs = [self._pair(verdict) for verdict in self._verdicts.values()]
        runs = [self._run(run) for campaign in self._dataset.published for run in campaign.runs]
        home, index = self._home(), self._framework_index()
        workload_index, pair_index, run_index = self._workload_index(), self._pair_index(), self._run_index()
        claims, pick, trend = self._claims_page(), self._pick(), self._trends()
        nav = (
            {"Home": home.path},
            {"Pick": pick.path},
            {"Dimensions": _entries(dimensions)},
            {"Frameworks": [index.path, *_entries(frameworks)]},
            {"Compare": [pair_index.path, *_entries(pairs)]},
            {"Workloads": [workload_index.path, *_entries(workloads)]},
            {"Trends": trend.path},
            {"Claims": claims.path},
            {"Runs": [run_index.path, *_entries(runs)]},
            {
                "Method": [
                    {"Methodology": "methodology.md"},
                    {"Its changes": "method-log.md"},
                    {"Data": "data.md"},
                    {"Add a framework": "add-a-framework.md"},
                    {"A site of your own": "your-own.md"},
                ]
            },
        )
        pages = (
            home,
            pick,
            *dimensions,
            index,
            *frameworks,
            pair_index,
            *pairs,
            workload_index,
            *workloads,
            trend,
            claims,
            run_index,
            *runs,
        )
        seen: set[str] = set()
        for page in pages:
            if page.path.lower() in seen:
                raise InvalidError(f"two pages would be {page.path}; rename the framework, workload or run")
            seen.add(page.path.lower())
        return Site(pages, nav)

    def _renderer(self, path: str) -> Renderer:
        return Renderer(self._environment, path)

    # Pages

    def _home(self) -> Page:
        path = "index.md"
        render = self._renderer(path)
        comparison = self._comparison
        chart = None
        if comparison:
            table = next((table for table in comparison.headline if table.deciding), None)
            chart = _best_rows_chart(table) if table else None
        html = render.html(
            "home.html",
            dimensions=[(dimension, self._answer(dimension)) for dimension in DIMENSIONS],
            leading=self._leading(),
            has_evidence=bool(self._evidence),
            unmeasured=[
                one.title.lower() for one in DIMENSIONS if one.slug in CRITERIA and one.slug not in self._weighed
            ],
            shares={
                slug: weighed.first_shares[weighed.leading[0]]
                for slug, weighed in self._weighed.items()
                if weighed.leading
            },
            runs=comparison.runs if comparison else (),
            rounds=max(table.run.document.rounds for table in comparison.tables)
            if comparison and comparison.tables
            else 0,
            leaders=leaders(comparison.headline, self._competing) if comparison else (),
            chart=chart,
            workloads=comparison.workloads if comparison else (),
            frameworks=[framework for framework in self._frameworks.values() if not framework.is_reference],
            verdicts=self._verdicts,
            titles=self._titles(),
            aside=self._aside(),
        )
        return Page(
            path,
            "Python real-time frameworks, measured",
            "Which Python framework for a real-time application: measured, with intervals and raw data.",
            (Section(None, None, html=html),),
            hide=("navigation", "toc"),
            has_own_title=True,
        )

    def _dimension(self, dimension: Dimension) -> Page:
        path = f"{dimension.slug}.md"
        render = self._renderer(path)
        if dimension.slug in CRITERIA:
            aside = [one.title for slug, one in self._frameworks.items() if slug in self._evidence and not one.competes]
            weighed = self._weighed.get(dimension.slug)
            page = evidence.dimension_page(render, path, dimension, weighed, self._evidence, self._titles(), aside)
            return replace(page, sections=(*page.sections, *self._said(render, dimension)))
        rule = Section("The rule", "rule", html=render.html("rule.html"))
        if self._comparison is None:
            sections = [Section(None, None, html=render.html("unmeasured.html", dimension=dimension)), rule]
            return Page(path, dimension.title, dimension.question, tuple(sections))
        comparison = self._comparison
        sections = [
            Section(
                None,
                None,
                html=render.html(
                    "performance.html",
                    dimension=dimension,
                    leading=self._leading(),
                    leaders=leaders(comparison.headline, self._competing),
                    aside=self._aside(),
                    runs=comparison.runs,
                    competitors=len(comparison.frameworks),
                    measured=self._measured(),
                    titles=self._titles(),
                ),
            ),
        ]
        for table in comparison.headline:
            sections += _table_sections(render, table, charts=_deciding_charts(table))
        if comparison.further or self._capacities:
            further = leaders(comparison.further, self._competing)
            workloads = [workload for workload in comparison.workloads if workload.slug in self._further()]
            html = render.html("further.html", leaders=further, workloads=workloads)
            sections.append(Section("Further questions", "further", html=html))
        sections.append(
            Section(
                "Every pair",
                "pairs",
                html=render.html("pairs.html", verdicts=self._verdicts, titles=self._titles()),
            )
        )
        sections += [rule, *self._said(render, dimension)]
        return Page(path, dimension.title, dimension.question, tuple(sections))

    def _said(self, render: Renderer, dimension: Dimension) -> list[Section]:
        """Whom articles name in this dimension, beside the verdict here on the same two."""
        said = []
        for claim in self._claims.winners:
            article = self._claims.article(claim)
            if claim.dimension != dimension.slug or len(article.between) != 2:
                continue
            first, second = sorted(article.between)
            if not {first, second} <= set(self._frameworks):
                continue
            said.append((claim, article, first, second, *self._outcome(dimension, first, second)))
        if not said:
            return []
        html = render.html("said.html", said=said, titles=self._titles())
        return [Section("What articles say", "articles", html=html)]

    def _outcome(self, dimension: Dimension, first: str, second: str) -> tuple[str, float | None]:
        """How the first of two stands to the second, and where weights decide under what share of them it is better."""
        if dimension.slug not in CRITERIA:
            verdict = self._verdicts.get((first, second))
            return (verdict.outcome if verdict else "unknown"), None
        weighed = self._weighed.get(dimension.slug)
        return weighed.standing(first, second) if weighed else ("unknown", 0.0)

    def _framework_index(self) -> Page:
        path = "frameworks/index.md"
        render = self._renderer(path)
        sections = [
            Section(
                None,
                None,
                html=render.html("frameworks.html", frameworks=list(self._frameworks.values()), titles=self._titles()),
            )
        ]
        if known := [framework for framework in self._frameworks.values() if framework.evidence is not None]:
            sections.append(evidence.readers_section(render, known))
        words = "Every framework here and how it was served."
        return Page(path, "Frameworks", words, tuple(sections), hide=("toc",))

    def _framework(self, framework: _Framework) -> Page:
        render = self._renderer(framework.path)
        sections = [
            Section(
                None,
                None,
                html=render.html(
                    "framework.html",
                    framework=framework,
                    runs=self._runs_of(framework),
                    record=self._record(framework.slug),
                    standings=[
                        (dimension, weighed.means[framework.slug], weighed.first_shares[framework.slug])
                        for dimension in DIMENSIONS
                        if (weighed := self._weighed.get(dimension.slug)) and framework.slug in weighed.points
                    ],
                ),
            )
        ]
        if framework.source and framework.source.notes:
            sections.append(Section("What it is", "about", markdown=front_matter_free(framework.source.notes)))
        if framework.document and self._comparison:
            sections.append(
                Section("Variants", "variants", html=render.html("variants.html", document=framework.document))
            )
            for table in self._comparison.tables:
                own = table.only({framework.slug})
                if own.rows:
                    sections += _table_sections(
                        render,
                        _with_reference(own, table),
                        charts=(),
                        more=_present(percentile_chart(own)),
                    )
            for searched in self._capacities:
                if searched.only({framework.slug}).rows:
                    both = searched.only({framework.slug, *self._references()})
                    sections.append(_capacity_section(render, both))
            sections += _flames(render, framework)
            cannot = framework.document.framework.cannot
            if cannot:
                titles = {workload.slug: workload.title for workload in self._comparison.workloads}
                html = render.html("cannot.html", cannot=cannot, titles=titles)
                sections.append(Section("What it cannot be asked", "cannot", html=html))
            pairs = [verdict for key, verdict in self._verdicts.items() if framework.slug in key]
            if pairs:
                sections.append(
                    Section(
                        "Against the others",
                        "pairs",
                        html=render.html(
                            "pairs.html",
                            verdicts={(v.first, v.second): v for v in pairs},
                            titles=self._titles(),
                        ),
                    )
                )
        if framework.evidence is not None:
            sections.append(evidence.framework_section(render, framework.evidence))
        sections.append(Section("The app", "code", html=render.html("code.html", framework=framework)))
        return Page(framework.path, framework.title, f"{framework.title}: variants, figures and code.", tuple(sections))

    def _runs_of(self, framework: _Framework) -> tuple[Run, ...]:
        """The runs that measured it, of those that the pages show."""
        runs = self._comparison.runs if self._comparison else ()
        return tuple(run for run in runs if any(result in run.frameworks for result in framework.results))

    def _workload_index(self) -> Page:
        path = "workloads/index.md"
        html = self._renderer(path).html("workloads.html", comparison=self._comparison, tables=self._tables_of())
        return Page(path, "Workloads", "What is asked of every framework.", (Section(None, None, html=html),))

    def _workload(self, slug: str) -> Page:
        if self._comparison is None:
            raise ValueError("a workload page needs a run")
        path = f"workloads/{slug}.md"
        render = self._renderer(path)
        workload = next(item for item in self._comparison.workloads if item.slug == slug)
        tables = self._tables_of()[slug]
        answering = [run for run in self._comparison.runs if any(table.run is run for table in tables)]
        cannot = [
            (framework, reason)
            for framework in self._frameworks.values()
            if framework.document and (reason := framework.document.framework.cannot.get(slug))
        ]
        html = render.html(
            "workload.html",
            workload=workload,
            tables=tables,
            runs=answering,
            cannot=cannot,
            leaders=leaders(self._comparison.of_workload(slug), self._competing),
            measured=self._measured(),
            titles=self._titles(),
        )
        sections = [Section(None, None, html=html)]
        for searched in (table for table in self._capacities if table.workload.slug == slug):
            charts = _present(range_chart(searched))
            sections.append(_capacity_section(render, searched, charts=charts, within_workload=True))
        for table in self._comparison.of_workload(slug):
            sections += _table_sections(
                render,
                table,
                charts=_deciding_charts(table),
                more=_further_charts(table),
                within_workload=True,
            )
        return Page(path, workload.title, workload.question, tuple(sections))

    def _pair_index(self) -> Page:
        path = "compare/index.md"
        html = self._renderer(path).html(
            "compare.html",
            verdicts=self._verdicts,
            measured=self._measured(),
            titles=self._titles(),
            has_evidence=bool(self._evidence),
        )
        return Page(path, "Compare two frameworks", "Every pair, side by side.", (Section(None, None, html=html),))

    def _pair(self, verdict: PairVerdict) -> Page:
        if self._comparison is None:
            raise ValueError("a pair page needs a run")
        path = pair_path(verdict.first, verdict.second)
        render = self._renderer(path)
        runs = self._comparison.runs
        both = [self._frameworks[verdict.first], self._frameworks[verdict.second]]
        title = f"{both[0].title} vs {both[1].title}"
        sections = [
            Section(
                None,
                None,
                html=render.html(
                    "pair.html",
                    verdict=verdict,
                    both=both,
                    standings=self._standings(verdict),
                    runs=runs,
                    titles=self._titles(),
                ),
            ),
        ]
        further = pair_verdict(self._comparison.further, verdict.first, verdict.second)
        if further.decisions:
            html = render.html("pair_further.html", verdict=further, both=both)
            sections.append(Section("Further questions", "further", html=html))
        for table in self._comparison.headline:
            narrowed = table.only({verdict.first, verdict.second})
            if narrowed.rows:
                sections += _table_sections(
                    render,
                    narrowed,
                    charts=_deciding_charts(narrowed),
                    more=_present(percentile_chart(narrowed)),
                )
        for searched in self._capacities:
            pair = searched.only({verdict.first, verdict.second})
            if pair.rows:
                charts = _present(range_chart(pair))
                decision = decide(pair, verdict.first, verdict.second)
                sections.append(_capacity_section(render, pair, charts=charts, decision=decision))
        parts = [(title, [framework.excerpt(part) for framework in both]) for part, (title, _, _) in PARTS.items()]
        html = render.html("code_pair.html", both=both, parts_of=[one for one in parts if any(one[1])])
        sections.append(Section("The same app in both", "code", html=html))
        words = f"{title}: measured on one machine in the same rounds."
        # With dozens of pairs the navigation would be longer than the page.
        return Page(path, title, words, tuple(sections), hide=("navigation",))

    def _trends(self) -> Page:
        path = "trends.md"
        render = self._renderer(path)
        found = trends(self._dataset.runs)
        changes = change_points(found)
        runs = {point.run.raw for trend in found for series in trend.series for point in series.points}
        machines = sorted({f"{cpu} with {cpus} logical CPUs" for cpu, cpus in (trend.machine for trend in found)})
        followed = [series.row.framework for trend in found for series in trend.series]
        titles = {facts.slug: facts.title for facts in followed if not facts.is_reference}
        html = render.html(
            "trends.html",
            trends=found,
            changes=changes,
            runs=len(runs),
            machines=machines,
            measured=sorted(titles),
            titles=titles,
        )
        sections = [Section(None, None, html=html)]
        for number, trend in enumerate(found):
            words = f"{trend.table.workload.title}: {describe(trend.table.parameters)}, {trend.metric.short.lower()}"
            html = render.html("trend.html", chart=trend_chart(trend, changes))
            sections.append(Section(words, f"trend-{number}-{trend.slug}", html=html))
        words = "The deciding figures over time, and what changed with them."
        return Page(path, "Trends", words, tuple(sections), hide=("navigation",))

    def _pick(self) -> Page:
        path = "pick.md"
        found = candidates(self._comparison, self._capacities, self._evidence, self._titles(), self._competing)
        users = next((one.load.users for one in found if one.load), 100)
        html = self._renderer(path).html(
            "pick.html",
            candidates=found,
            data=script_json([one.to_json() for one in found]),
            stacks=STACKS,
            users=users,
        )
        words = "A few questions, and which frameworks are left, with measured reasons."
        return Page(path, "Pick for my case", words, (Section(None, None, html=html),), hide=("navigation", "toc"))

    def _claims_page(self) -> Page:
        path = "claims.md"
        known = Known(self._comparison, self._capacities, self._evidence, self._titles())
        articles = [
            (
                article,
                [judge_claim(claim, article, known) for claim in self._claims.claims if claim.article == article.id],
            )
            for article in self._claims.articles
        ]
        verdicts = Counter(one.verdict for _, judged in articles for one in judged)
        render = self._renderer(path)
        sections = [Section(None, None, html=render.html("claims.html", counts=verdicts))]
        sections += [
            Section(article.title, article.id, html=render.html("claims_of.html", article=article, judged=judged))
            for article, judged in articles
            if judged
        ]
        words = "What articles claim, beside what was measured."
        return Page(path, "Claims", words, tuple(sections), hide=("navigation",))

    def _run_index(self) -> Page:
        path = "runs/index.md"
        published = {run.raw: run_path(run) for campaign in self._dataset.published for run in campaign.runs}
        html = self._renderer(path).html(
            "runs.html",
            runs=[(run, published.get(run.raw), _counts(run)) for run in self._dataset.runs],
        )
        return Page(
            path, "Runs", "Every run: machine, order, validity, failures, raw files.", (Section(None, None, html=html),)
        )

    def _run(self, run: Run) -> Page:
        path = run_path(run)
        render = self._renderer(path)
        comparison, searched = compare([run]), capacities([run])
        names = dict(enumerate(run.document.cells))
        sections = [
            Section(
                None,
                None,
                html=render.html("run.html", run=run, counts=_counts(run)),
            ),
            Section(
                "What does not count",
                "invalid",
                html=render.html("excluded.html", tables=(*comparison.tables, *searched)),
            ),
        ]
        for table in comparison.tables:
            sections += _table_sections(render, table, charts=(), shows_reasons=False)
        sections += [_capacity_section(render, table, shows_reasons=False) for table in searched]
        sections.append(Section("Order of the cells", "order", html=render.html("order.html", run=run, names=names)))
        return Page(
            path,
            f"Run {run.document.id}",
            f"Run of {run.document.started[:10]} on {run.document.machine.cpu_model}.",
            tuple(sections),
        )

    # Parts

    def _tables_of(self) -> dict[str, list[Table | CapacityTable]]:
        """The tables of each workload, searched ones too."""
        if self._comparison is None:
            return {}
        every: list[Table | CapacityTable] = [*self._comparison.tables, *self._capacities]
        return {
            workload.slug: [table for table in every if table.workload.slug == workload.slug]
            for workload in self._comparison.workloads
        }

    def _further(self) -> set[str]:
        """The workloads with tables that the verdict does not rest on, searched ones too."""
        tables = self._comparison.further if self._comparison else ()
        return {table.workload.slug for table in tables} | {table.workload.slug for table in self._capacities}

    def _references(self) -> list[str]:
        return [framework.slug for framework in self._frameworks.values() if framework.is_reference]

    def _leading(self) -> tuple[str, ...]:
        """The titles of those that lose to no other framework."""
        verdicts = [verdict for pair, verdict in self._verdicts.items() if set(pair) <= set(self._competing)]
        return tuple(self._frameworks[slug].title for slug in undominated(verdicts))

    def _record(self, slug: str) -> tuple[list[str], list[str], int]:
        """Whom a competitor beats in performance, who beats it (by title), and how many pairs there are."""
        verdicts = [one for pair, one in self._verdicts.items() if slug in pair and set(pair) <= set(self._competing)]
        beaten: list[str] = []
        better: list[str] = []
        for verdict in verdicts:
            other = verdict.second if verdict.first == slug else verdict.first
            if verdict.winner is not None:
                (beaten if verdict.winner == slug else better).append(self._frameworks[other].title)
        return beaten, better, len(verdicts)

    def _answer(self, dimension: Dimension) -> list[str]:
        """The titles of the dimension's winners."""
        if dimension.slug not in CRITERIA:
            return list(self._leading())
        weighed = self._weighed.get(dimension.slug)
        return [self._frameworks[slug].title for slug in weighed.leading] if weighed else []

    def _standings(self, verdict: PairVerdict) -> list[tuple[Dimension, Standing, float]]:
        """How the first of a pair stands in the dimensions that rest on evidence."""
        return [
            (dimension, *weighed.standing(verdict.first, verdict.second))
            for dimension in DIMENSIONS
            if (weighed := self._weighed.get(dimension.slug)) is not None
        ]

    def _aside(self) -> list[str]:
        """The titles of what is measured but does not compete."""
        return [item.title for item in self._frameworks.values() if item.document and not item.competes]

    def _measured(self) -> list[str]:
        """Those under comparison: whoever has a row, but for the reference."""
        return [slug for slug, one in self._frameworks.items() if one.document and not one.is_reference]

    def _titles(self) -> dict[str, str]:
        return {slug: framework.title for slug, framework in self._frameworks.items()}


def pair_path(first: str, second: str) -> str:
    return f"compare/{first}-vs-{second}.md"


def run_path(run: Run) -> str:
    """Campaign and id name a run's page; neither can hold a slash."""
    return f"runs/{run.document.campaign}--{run.document.id}.md"


def _entries(pages: Iterable[Page]) -> list[dict[str, str]]:
    return [{plain(page.title): page.path} for page in pages]


def _frameworks(
    runs: Iterable[Run], sources: Mapping[str, Source], known: Mapping[str, Evidence]
) -> dict[str, _Framework]:
    """Measured ones, folders, and those with evidence, by slug; the reference last."""
    measured: dict[str, list[FrameworkResult]] = {}
    for result in chain.from_iterable(run.frameworks for run in runs):
        measured.setdefault(result.document.framework.slug, []).append(result)
    found = {}
    for slug in sorted(measured.keys() | sources.keys() | known.keys()):
        results, source, established = measured.get(slug, []), sources.get(slug), known.get(slug)
        facts = results[0].document.framework if results else established.document.framework if established else None
        title = facts.title if facts else source.title if source else slug
        found[slug] = _Framework(slug, title, tuple(results), source, established)
    return dict(sorted(found.items(), key=lambda item: item[1].is_reference))


def _verdicts(comparison: Comparison) -> dict[tuple[str, str], PairVerdict]:
    slugs = [facts.slug for facts in comparison.frameworks]
    return {pair: pair_verdict(comparison.headline, *pair) for pair in combinations(slugs, 2)}


def _columns(table: Table) -> list[Any]:
    deciding = {metric.key for metric in table.deciding}
    present = {metric.key for metric in table.metrics}
    chosen = [METRICS[key] for key in METRICS if key in present and (key in _COLUMNS or key in deciding)]
    # At a fixed rate every server that keeps up answers equally many: that column tells nothing.
    return [metric for metric in chosen if not (table.is_open and metric.key == "messages_per_s")]


def _with_reference(own: Table, whole: Table) -> Table:
    """A framework's rows under the reference's, as the yardstick."""
    if any(row.framework.is_reference for row in own.rows):
        return own
    reference = [row for row in whole.rows if row.framework.is_reference]
    return replace(own, rows=(*reference, *own.rows))


def _table_sections(
    render: Renderer,
    table: Table,
    *,
    charts: Iterable[Chart],
    more: Iterable[Chart] = (),
    within_workload: bool = False,
    shows_reasons: bool = True,
) -> list[Section]:
    """A heading, charts, the full table of one workload with one set of parameters, and more charts."""
    words = describe(table.parameters)
    return [
        Section(
            f"{words[:1].upper()}{words[1:]}" if within_workload else f"{table.workload.title}: {words}",
            table.slug,
            html=render.html(
                "table.html",
                table=table,
                columns=_columns(table),
                extras=columns_of(table),
                charts=list(charts),
                more=list(more),
                shows_reasons=shows_reasons,
                run=table.run,
                run_page=run_path(table.run),
            ),
        )
    ]


def _capacity_section(
    render: Renderer,
    table: CapacityTable,
    *,
    charts: Iterable[Chart] = (),
    decision: CapacityDecision | None = None,
    within_workload: bool = False,
    shows_reasons: bool = True,
) -> Section:
    """A heading, who is higher if two are compared, the chart, and the full table of one search."""
    words = describe({"search": table.parameters["search"]})
    return Section(
        f"{words[:1].upper()}{words[1:]}" if within_workload else f"{table.workload.title}: {words}",
        table.slug,
        html=render.html(
            "capacity.html",
            table=table,
            charts=list(charts),
            decision=decision,
            shows_reasons=shows_reasons,
            run=table.run,
            run_page=run_path(table.run),
        ),
    )


def _flames(render: Renderer, framework: _Framework) -> list[Section]:
    """Where the variants spend their time, by the newest run that says so."""
    result = next((result for result in framework.results if result.flames and result.flames.flames), None)
    if result is None or result.flames is None:
        return []
    drawn = [(one, flame.draw(one), flame.shares(one)) for one in result.flames.flames]
    html = render.html("flame.html", flames=drawn, raw=result.flames_raw)
    return [Section("Where the time goes", "time", html=html)]


def _present(*charts: Chart | None) -> list[Chart]:
    return [chart for chart in charts if chart is not None]


def _deciding_charts(table: Table) -> list[Chart]:
    charts: list[Chart | None] = []
    for metric in table.deciding:
        if metric.key.startswith(("latency", "last_delivery", "push_lateness")):
            charts.append(latency_chart(table, metric.key.rsplit("_", 1)[0]))
        else:
            charts.append(metric_chart(table, metric))
    return _present(*charts)


def _further_charts(table: Table) -> list[Chart]:
    shown: list[Chart] = []
    deciding = {metric.key for metric in table.deciding}
    for key in ("cpu_us_per_message", "pss_mean_mb"):
        if key not in deciding and not (key == "pss_mean_mb" and not table.has_pushes and table.is_open):
            shown += _present(metric_chart(table, METRICS[key]))
    shown += _present(percentile_chart(table))
    if table.has_pushes:
        shown += _present(percentile_chart(table, "push_lateness"))
    return shown + _present(timeline_chart(table))


def _best_rows_chart(table: Table) -> Chart | None:
    """Each framework by its best variant, the reference as yardstick."""
    metric = table.deciding[0]
    best: dict[str, Row] = {}
    for row in table.valid_rows:
        best.setdefault(row.framework.slug, row)
    rows = list(best.values())
    if metric.key.startswith("latency"):
        return latency_chart(table, rows=rows)
    return metric_chart(table, metric, rows=rows)


def _counts(run: Run) -> dict[str, int]:
    measurements = [
        measurement for item in run.frameworks for cell in item.document.cells for measurement in cell.measurements
    ]
    return {
        "measurements": len(measurements),
        "valid": sum(measurement.valid for measurement in measurements),
        "failed": sum(measurement.failure is not None for measurement in measurements),
        "invalid": sum(not measurement.valid and measurement.failure is None for measurement in measurements),
        "planned": sum(len(turn) for turn in run.document.order),
    }
