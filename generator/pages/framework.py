"""A framework as the pages know it: measured, established by evidence, or only a folder so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from markupsafe import Markup
from packaging.version import InvalidVersion, Version

from generator.dataset import Evidence, FrameworkResult, Run, Source
from generator.pages.code import excerpt, highlighted
from runners.record import FrameworkDocument


@dataclass(frozen=True)
class Code:
    """A module's code as it is now, and the digest it was measured with, if it was."""

    name: str
    html: Markup
    measured_sha256: str | None
    sha256: str


@dataclass(frozen=True)
class Framework:
    """What there is of one framework."""

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
    def code(self) -> list[Code]:
        """The modules of the application as highlighted HTML; empty where its folder is not in the checkout."""
        if self.source is None:
            return []
        facts = self.document.framework if self.document else None
        measured = {"app.py": facts.app_sha256, **facts.sources} if facts else {}
        return [
            Code(module.name, highlighted(module.text), measured.get(module.name), module.sha256)
            for module in self.source.modules
        ]


def all_known(
    runs: Iterable[Run], sources: Mapping[str, Source], known: Mapping[str, Evidence]
) -> dict[str, Framework]:
    """Measured ones, folders, and those with evidence, by slug; the reference last."""
    measured: dict[str, list[FrameworkResult]] = {}
    for result in chain.from_iterable(run.frameworks for run in runs):
        measured.setdefault(result.document.framework.slug, []).append(result)
    found = {}
    for slug in sorted(measured.keys() | sources.keys() | known.keys()):
        results, source, established = measured.get(slug, []), sources.get(slug), known.get(slug)
        facts = results[0].document.framework if results else established.document.framework if established else None
        title = facts.title if facts else source.title if source else slug
        found[slug] = Framework(slug, title, tuple(results), source, established)
    return dict(sorted(found.items(), key=lambda item: item[1].is_reference))
