"""The content of the site: compared results, conclusions, and values that several pages need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

from jinja2 import Environment

from generator.charts import Identities
from generator.comparison import (
    CapacityTable,
    Comparison,
    Conclusions,
    Dimension,
    Flag,
    History,
    Leader,
    PairVerdict,
    SettingChange,
    SettingTables,
    Sheet,
    Table,
    capacity_tables,
    compare_runs,
    compare_settings,
    conclude,
    leaders,
)
from generator.dataset import Claims, Dataset, Evidence, PublicQuestions, Run, Source, headline_variants
from generator.pages.current_setups import CurrentSetups
from generator.pages.framework_view import FrameworkView, framework_views
from generator.pages.markup import Page, Renderer, make_environment

_NOTHING_ASKED = PublicQuestions()
Made = TypeVar("Made")


class View:
    """The content of the site, computed once. Every page is made from this alone."""

    def __init__(
        self,
        dataset: Dataset,
        sources: Mapping[str, Source],
        claims: Claims,
        history: History | None = None,
        current_versions: Mapping[str, str] = MappingProxyType({}),
        asked: PublicQuestions = _NOTHING_ASKED,
        repository: str = "",
    ) -> None:
        self._made: dict[Callable[[View], Any], Any] = {}
        self.dataset = dataset
        self.history = history or History(dataset.runs)
        self.claims = claims
        self.asked = asked
        runs = dataset.headline
        self.comparison: Comparison = compare_runs(runs)
        self.capacities: tuple[CapacityTable, ...] = capacity_tables(runs)
        self.settings: tuple[SettingChange, ...] = compare_settings(runs, dataset.parts)
        self.other_settings = SettingTables(dataset.published)
        self.frameworks: dict[str, FrameworkView] = framework_views(
            runs, sources, dataset.newest_evidence, dataset.runs
        )
        self.headlines: dict[str, str] = headline_variants(dataset.runs, sources)
        """The slug of the headline variant of each framework that has one; it may be unmeasured."""
        self.competing = [framework.slug for framework in self.frameworks.values() if framework.competes]
        """Slugs of the frameworks that take part in verdicts."""
        self.evidence: dict[str, Evidence] = {
            slug: one.evidence for slug, one in self.frameworks.items() if one.evidence is not None
        }
        self.conclusions: Conclusions = conclude(
            self.comparison, self.capacities, self.evidence, self.headlines, self.competing
        )
        """Scores, flags, verdicts and labels, each framework by its headline variant."""
        measured = {one for run in dataset.runs for one in run.facts.frameworks}
        self.identities = Identities.of_frameworks(
            {one.slug for one in measured} | self.frameworks.keys(),
            {one.slug for one in measured if one.is_reference}
            | {slug for slug, source in sources.items() if source.is_reference},
        )
        self._environment: Environment = make_environment(
            self.identities, current_versions, CurrentSetups.of_sources(sources, self.headlines), repository
        )

    def once(self, make: Callable[[View], Made]) -> Made:
        """What ``make`` makes of this content, for several pages; it is called once."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made

    def renderer(self, path: str) -> Renderer:
        """The renderer for the page at this path."""
        return Renderer(self._environment, path)

    # Frameworks

    @cached_property
    def titles(self) -> dict[str, str]:
        """Titles of all frameworks, by slug."""
        return {slug: framework.title for slug, framework in self.frameworks.items()}

    @cached_property
    def measured(self) -> list[str]:
        """Slugs of all measured frameworks except the reference."""
        return [slug for slug, one in self.frameworks.items() if one.document and not one.is_reference]

    @cached_property
    def references(self) -> list[str]:
        return [slug for slug, one in self.frameworks.items() if one.is_reference]

    @cached_property
    def aside(self) -> list[str]:
        """Titles of measured frameworks and libraries that do not take part in verdicts."""
        return [one.title for one in self.frameworks.values() if one.document and not one.competes]

    def runs_of(self, framework: FrameworkView) -> tuple[Run, ...]:
        """The shown runs that measured this framework."""
        return tuple(
            run for run in self.comparison.runs if any(result in run.frameworks for result in framework.results)
        )

    # Results

    @cached_property
    def tables_of(self) -> dict[str, list[Table | CapacityTable]]:
        """The tables of each workload, including capacity searches."""
        every: list[Table | CapacityTable] = [*self.comparison.tables, *self.capacities]
        return {
            workload.slug: [table for table in every if table.workload.slug == workload.slug]
            for workload in self.comparison.workloads
        }

    @cached_property
    def further(self) -> set[str]:
        """Workloads with tables that the verdict does not rest on, including capacity searches."""
        return {table.workload.slug for table in self.comparison.further} | {
            table.workload.slug for table in self.capacities
        }

    # Verdicts

    @property
    def verdicts(self) -> dict[tuple[str, str], PairVerdict]:
        """Performance verdicts of all measured pairs."""
        return self.conclusions.pairs

    def sheet(self, dimension: Dimension) -> Sheet | None:
        """The scores of a dimension; ``None`` without any value."""
        return self.conclusions.dimensions.get(dimension.slug)

    def winners(self, dimension: Dimension) -> list[str]:
        """Titles of the frameworks that lead a dimension."""
        sheet = self.sheet(dimension)
        return [self.titles[slug] for slug in sheet.leading] if sheet else []

    @cached_property
    def flags(self) -> dict[str, tuple[Flag, ...]]:
        """The flags of each framework that has any."""
        return {slug: found for slug, found in self.conclusions.flags.items() if found}

    def leaders(self, tables: Iterable[Table]) -> tuple[Leader, ...]:
        """Per deciding metric the best headline variants of the frameworks that take part and have no hard flag."""
        able = [slug for slug in self.competing if slug not in self.conclusions.basis.barred]
        return leaders(self.conclusions.of_headlines(tables), able)


@dataclass(frozen=True)
class MenuEntry:
    """One entry of the menu. ``pages``: returns its page, or the pages of its section, index first."""

    title: str
    position: int
    """Entries are sorted by position, ascending."""
    pages: Callable[[View], Page | Sequence[Page]]
    is_detail: bool = False
    """Whether it is within the last entry of the menu, for readers who check or use the data."""
    is_long: bool = False
    """Whether its pages take much of the time of a large site, so that another process makes them."""


def pair_path(first: str, second: str) -> str:
    """The path of a pair's page; slugs in alphabetical order."""
    return f"compare/{first}-vs-{second}.md"


def run_path(run: Run) -> str:
    """The path of a run's page, from campaign and id, which cannot contain a slash."""
    return f"runs/{run.document.campaign}--{run.document.id}.md"
