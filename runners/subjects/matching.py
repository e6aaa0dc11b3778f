"""Matching of variants and scenarios: a scenario defines its needs, a variant its features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runners.subjects.scenarios import Scenario, Workload
from runners.subjects.workloads import WORKLOADS

if TYPE_CHECKING:  # the catalog refuses folders in which nothing matches
    from runners.subjects.catalog import Framework, Variant


def can_run(framework: Framework, variant: Variant, scenario: Scenario) -> bool:
    """Whether the variant has everything that the scenario needs."""
    return (
        scenario.exchange in framework.exchanges_of(variant)
        and scenario.transport in variant.transports
        and (variant.scales or not scenario.varies_workers)
        and (variant.publisher is not None or scenario.publisher != "process")
        and (variant.only is None or scenario.is_among(variant.only))
        and (variant.serializer == "json" or (scenario.payload_kind == "text" and scenario.stream is None))
    )


def scenarios_for(workload: Workload, framework: Framework, variant: Variant) -> list[Scenario]:
    """The chosen scenarios of the workload that the variant is measured under: if its folder lists workloads, only of
    these.
    """
    if framework.workloads and workload.slug not in framework.workloads:
        return []
    return [scenario for scenario in workload.chosen if can_run(framework, variant, scenario)]


def runnable_scenarios(framework: Framework, variant: Variant) -> list[Scenario]:
    """The scenarios of all workloads that the variant can run, whether or not its folder leaves some out."""
    return [
        scenario
        for workload in WORKLOADS.values()
        for scenario in workload.scenarios
        if can_run(framework, variant, scenario)
    ]


def runnable_workloads(framework: Framework) -> list[str]:
    """The slugs of the workloads of which at least one variant is measured under a scenario."""
    return [
        slug
        for slug, workload in WORKLOADS.items()
        if any(scenarios_for(workload, framework, variant) for variant in framework.variants)
    ]
