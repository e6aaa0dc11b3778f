"""A framework as pages show it: its results, evidence and source folder, each of which may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from markupsafe import Markup
from packaging.version import InvalidVersion, Version

from generator.dataset import Evidence, FrameworkResult, Run, Source, version_installed
from generator.pages.code_excerpts import ShownExchange, excerpt, highlighted
from runners.record import FrameworkDocument


@dataclass(frozen=True)
class ShownModule:
    """A module as it is in the checkout, and the digest of the measured version, if there is one."""

    name: str
    html: Markup
    measured_sha256: str | None
    sha256: str


@dataclass(frozen=True)
class FrameworkView:
    """All results, evidence and source code of one framework."""

    slug: str
    title: str
    results: tuple[FrameworkResult, ...]
    """One result per run that measured it, in the order of `Dataset.headline`."""
    source: Source | None
    evidence: Evidence | None

    @property
    def document(self) -> FrameworkDocument | None:
        """The first result, with the variants of all results."""
        if not self.results:
            return None
        variants = {one.slug: one for result in reversed(self.results) for one in result.document.variants}
        broker = next((result.document.broker for result in self.results if result.document.broker), None)
        brokers = {name: facts for result in reversed(self.results) for name, facts in result.document.brokers.items()}
        return self.results[0].document.model_copy(
            update={"variants": list(variants.values()), "broker": broker, "brokers": brokers}
        )

    @property
    def path(self) -> str:
        return f"frameworks/{self.slug}.md"

    @property
    def results_path(self) -> str:
        return f"frameworks/{self.slug}/results.md"

    @property
    def code_path(self) -> str:
        return f"frameworks/{self.slug}/code.md"

    @property
    def measured_version(self) -> str | None:
        """The version of its package in the first variant."""
        document = self.document
        return version_installed(document.variants[0].packages, document.framework.package) if document else None

    @property
    def newer(self) -> str | None:
        """The release in the newest evidence, if the results are from an older one."""
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
        """Whether it takes part in verdicts; the reference and bare libraries do not."""
        return not self.is_reference and not (self.source is not None and self.source.is_library)

    def excerpt(self, exchange: ShownExchange) -> Markup | None:
        """The part of its app that serves an exchange, as highlighted HTML."""
        text = (
            next((module.text for module in self.source.modules if module.name == "app.py"), "") if self.source else ""
        )
        found = excerpt(text, exchange)
        return highlighted(found) if found else None

    @property
    def module_names(self) -> set[str]:
        """The names of the modules in `code`."""
        return {module.name for module in self.source.modules} if self.source is not None else set()

    @property
    def code(self) -> list[ShownModule]:
        """The modules of the application as highlighted HTML; empty if its folder is not in the checkout."""
        if self.source is None:
            return []
        facts = self.document.framework if self.document else None
        measured = {"app.py": facts.app_sha256, **facts.sources} if facts else {}
        return [
            ShownModule(module.name, highlighted(module.text), measured.get(module.name), module.sha256)
            for module in self.source.modules
        ]


def framework_views(
    runs: Iterable[Run], sources: Mapping[str, Source], known: Mapping[str, Evidence], every: Sequence[Run]
) -> dict[str, FrameworkView]:
    """All frameworks with results, evidence or a source folder, by slug; the reference is last.

    ``every``: all runs, newest first. A framework that only older ones measured is here without results, so that the
    address of its page stays.
    """
    measured: dict[str, list[FrameworkResult]] = {}
    for result in chain.from_iterable(run.frameworks for run in runs):
        measured.setdefault(result.document.framework.slug, []).append(result)
    earlier = {one.slug: one.title for run in reversed(every) for one in run.facts.frameworks if not one.is_reference}
    found = {}
    for slug in sorted(measured.keys() | sources.keys() | known.keys() | earlier.keys()):
        results, source, evidence = measured.get(slug, []), sources.get(slug), known.get(slug)
        facts = results[0].document.framework if results else evidence.document.framework if evidence else None
        title = facts.title if facts else source.title if source else earlier.get(slug, slug)
        found[slug] = FrameworkView(slug, title, tuple(results), source, evidence)
    return dict(sorted(found.items(), key=lambda item: item[1].is_reference))
