"""The existing applications that each framework can be part of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from generator.comparison.tables import Comparison
from generator.dataset import Evidence, normalised
from runners.record import FrameworkFacts, VariantFacts

STACKS = {"django": "Django", "flask": "Flask", "asgi": "ASGI"}
"""Stacks of existing applications: title by package or interface. They need not be compared here."""

_SERVED_BY = {"flask": "WSGI"}
"""The interface that serves the applications of a stack, if it is only one. A framework with another interface may
install the package for its code, as Quart does Flask. It is no part of such an application."""


def stacks_of(
    comparison: Comparison, evidence: Mapping[str, Evidence], frameworks: Iterable[str]
) -> dict[str, dict[str, tuple[str, ...]]]:
    """By framework and variant, the stacks that the variant can be part of."""
    measured = {item.slug: item for item in comparison.frameworks}
    found = {}
    for slug in frameworks:
        one = evidence.get(slug)
        facts = one.document.framework if one else measured.get(slug)
        found[slug] = _stacks(variants_of(one, comparison, slug), facts)
    return found


def variants_of(one: Evidence | None, comparison: Comparison, slug: str) -> tuple[VariantFacts, ...]:
    """All variants of a framework; where a variant was measured, its measured facts."""
    found = {each.variant.slug: each.variant for each in one.document.variants} if one else {}
    for run in reversed(comparison.runs):
        item = run.framework(slug)
        found |= {variant.slug: variant for variant in item.document.variants} if item else {}
    return tuple(found.values())


def _stacks(variants: Sequence[VariantFacts], framework: FrameworkFacts | None) -> dict[str, tuple[str, ...]]:
    """The stacks that each variant can be part of.

    They follow from the installed packages; an ASGI framework runs beside any ASGI application. Variants may share an
    environment, so a variant for Django can install Django for others. If titles of variants name the stack, only
    these variants count.
    """
    interfaces = framework.interface.split(", ") if framework else []
    inside: dict[str, set[str]] = {}
    for stack, title in STACKS.items():
        able = [
            variant
            for variant in variants
            if (title in interfaces if stack == "asgi" else stack in normalised(variant.packages))
            and (stack not in _SERVED_BY or _SERVED_BY[stack] in interfaces)
        ]
        named = [variant for variant in able if title in variant.title]
        inside[stack] = {variant.slug for variant in named or able}
    return {one.slug: tuple(stack for stack in STACKS if one.slug in inside[stack]) for one in variants}
