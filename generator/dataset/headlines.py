"""The headline variant of each framework: the deployment that its own documentation recommends for production."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from generator.dataset.results import Run
from generator.dataset.sources import Source


def headline_variants(runs: Iterable[Run], sources: Mapping[str, Source]) -> dict[str, str]:
    """The slug of the headline variant of each framework that has one, by the framework's slug.

    The newest run that recorded a headline variant of the framework decides. Where none did, as in older results, the
    framework's folder does. The variant may be unmeasured: its slug is then in no table.

    ``runs``: newest first.
    """
    found: dict[str, str] = {}
    for run in runs:
        for framework, variant in run.facts.headlines.items():
            found.setdefault(framework, variant)
    declared = {slug: source.headline for slug, source in sources.items() if source.headline is not None}
    return declared | found
