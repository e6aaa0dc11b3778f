"""The setups that the folders have today, so that pages can mark results of older ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from generator.dataset import Run, Source
from generator.dataset.sources import VariantSetup
from runners.record import VariantFacts, is_same_setup

_UVLOOP = "uvloop"


@dataclass(frozen=True)
class CurrentSetups:
    """The setups of today by framework and variant. Of a framework without any, nothing is known and nothing is older.

    ``headline``: the slug of each framework's headline variant.
    """

    setups: Mapping[str, Mapping[str, VariantSetup]] = field(default_factory=dict)
    headline: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_sources(cls, sources: Mapping[str, Source], headline: Mapping[str, str]) -> CurrentSetups:
        return cls({slug: source.setups for slug, source in sources.items() if source.setups}, headline)

    def is_older(self, variant: VariantFacts, framework: str) -> bool:
        """Whether the variant was measured with another command or broker than today's, or is not there any more."""
        known = self.setups.get(framework)
        if known is None:
            return False
        setup = known.get(variant.slug)
        return setup is None or setup.broker != variant.broker or not is_same_setup(setup.command, variant.command)

    def command_of(self, variant: VariantFacts, framework: str) -> str | None:
        """Today's command of the variant; ``None`` if it is not there any more."""
        setup = self.setups.get(framework, {}).get(variant.slug)
        return setup.command if setup else None

    def loop_of(self, variant: VariantFacts, framework: str) -> str | None:
        """What ran the connections, as recorded, or as it follows from today's folder; ``None`` if it is not known.

        Older results do not record it. It follows if the setup is still the same, and uvloop was installed if that is
        what the setup runs on.
        """
        if variant.loop is not None or self.is_older(variant, framework):
            return variant.loop
        setup = self.setups.get(framework, {}).get(variant.slug)
        if setup is None or (setup.loop == _UVLOOP and _UVLOOP not in variant.packages):
            return None
        return setup.loop

    def older_headlines(self, runs: Iterable[Run], frameworks: Collection[str] | None) -> list[str]:
        """Titles of the frameworks whose headline variant one of the runs measured in an older setup.

        ``frameworks``: slugs of those that matter; ``None``: all.
        """
        found = {
            result.document.framework.slug: result.document.framework.title
            for run in runs
            for result in run.frameworks
            for variant in result.document.variants
            if (frameworks is None or result.document.framework.slug in frameworks)
            and variant.slug == self.headline.get(result.document.framework.slug)
            and self.is_older(variant, result.document.framework.slug)
        }
        return [title for _, title in sorted(found.items())]
