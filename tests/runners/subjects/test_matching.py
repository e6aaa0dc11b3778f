"""A variant runs all scenarios whose requirements it meets; no list of workloads is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from runners.loadgen.codecs import codec_for
from runners.loadgen.job import Exchange, Transport
from runners.loadgen.message import FIRST_SEQUENCE
from runners.loading.job_building import build_job
from runners.subjects import catalog, workloads
from runners.subjects.matching import can_run, runnable_scenarios, runnable_workloads, scenarios_for
from runners.subjects.profiles import PROFILES
from runners.subjects.scenarios import Scenario
from runners.subjects.workloads import CAPACITY, ECHO, PUBLISH, SCALEOUT, SSE, STREAM, WORKLOADS

EVERY_EXCHANGE: tuple[Exchange, ...] = get_args(Exchange)


def variant(**given: Any) -> catalog.Variant:
    plain = {"slug": "v", "title": "v", "server": "v", "command": ["v", "{port}"], "transports": ["websocket"]}
    return catalog.Variant(**{**plain, **given})


def framework(*exchanges: Exchange, variants: tuple[catalog.Variant, ...] = ()) -> catalog.Framework:
    return catalog.Framework(
        slug="f",
        folder=Path(),
        title="f",
        homepage="https://example.org",
        package="f",
        protocol="websocket",
        interface="own",
        exchanges=list(exchanges),
        variants=list(variants) or [variant()],
    )


def runs(one: catalog.Variant, *exchanges: Exchange) -> set[str]:
    """The workloads that a framework with this variant alone runs."""
    return set(runnable_workloads(framework(*exchanges, variants=(one,))))


def having(wanted: Callable[[Scenario], bool]) -> set[str]:
    """The workloads with such a scenario, for one server process and no other one."""
    return {
        slug
        for slug, workload in WORKLOADS.items()
        if any(wanted(one) for one in workload.scenarios if not one.varies_workers and one.publisher != "process")
    }


@pytest.mark.parametrize(
    ("transport", "exchange", "some"),
    [
        ("websocket", "echo", {"echo", "connect", "payload", "recovery", "capacity"}),
        ("websocket", "room", {"room", "slow-consumer"}),
        ("websocket", "dashboard", {"dashboard", "crowd", "capacity"}),
        ("websocket", "events", set()),
        ("sse", "events", {"sse"}),
        ("sse", "stream-events", {"stream"}),
        ("websocket", "stream", {"stream"}),
        ("sse", "stream", set()),
        ("sse", "echo", set()),
        ("polling", "echo", {"polling"}),
        ("polling", "dashboard", set()),
    ],
)
def test_an_exchange_and_a_transport_bring_their_workloads(
    transport: Transport, exchange: Exchange, some: set[str]
) -> None:
    """All workloads with a scenario of both, and no other."""
    found = runs(variant(transports=[transport]), exchange)
    assert found == having(lambda scenario: (scenario.transport, scenario.exchange) == (transport, exchange))
    assert found >= some


def test_a_folder_may_list_the_workloads_that_it_is_measured_under() -> None:
    one = framework("echo", "room").model_copy(update={"workloads": ["room"]})
    assert runnable_workloads(one) == ["room"]
    assert scenarios_for(ECHO, one, variant()) == []
    assert scenarios_for(WORKLOADS["room"], one, variant()) == list(WORKLOADS["room"].scenarios)


def test_a_variant_may_have_fewer_exchanges_than_its_framework() -> None:
    found = runs(variant(exchanges=["room"]), *EVERY_EXCHANGE)
    assert found == having(lambda scenario: (scenario.transport, scenario.exchange) == ("websocket", "room"))
    assert "room" in found
    assert runs(variant(exchanges=[]), *EVERY_EXCHANGE) == set()


@pytest.mark.parametrize("transport", ["polling", "sse"])
def test_a_transport_is_needed(transport: Transport) -> None:
    found = runs(variant(transports=[transport]), *EVERY_EXCHANGE)
    assert found == having(lambda scenario: scenario.transport == transport)
    assert transport in found, "the workload of the same name"
    streaming = scenarios_for(STREAM, framework(*EVERY_EXCHANGE), variant(transports=["sse"]))
    assert {one.exchange for one in streaming} == {"stream-events"}
    assert scenarios_for(SSE, framework("events"), variant(transports=["sse"])) == list(SSE.scenarios)


def test_several_processes_are_measured_only_where_each_reaches_the_clients_of_all() -> None:
    everything = framework(*EVERY_EXCHANGE)
    scaling = variant(command=["v", "{port}", "{workers}"], broker="redis", transports=["websocket", "polling"])
    for one in (variant(), variant(broker="redis"), variant(command=["v", "{port}", "{workers}"])):
        assert scenarios_for(SCALEOUT, everything, one) == []
    assert [scenario.workers for scenario in scenarios_for(SCALEOUT, everything, scaling)] == [1, 2, 4]
    assert {one.kind for one in scenarios_for(workloads.POLLING, everything, scaling)} == {
        "closed",
        "open",
        "workers-2",
    }


def test_a_variant_that_has_everything_runs_every_scenario() -> None:
    everything = framework(*EVERY_EXCHANGE)
    one = variant(
        command=["v", "{port}", "{workers}"],
        broker="redis",
        publisher=["v"],
        transports=["websocket", "polling", "sse"],
    )
    for workload in WORKLOADS.values():
        assert scenarios_for(workload, everything, one) == list(workload.scenarios)


def test_a_variant_like_another_one_may_be_measured_where_it_differs() -> None:
    everything = framework("echo", "room", "dashboard")
    scales = variant(
        command=["v", "{port}", "{workers}"],
        broker="redis",
        publisher=["v"],
        transports=["websocket", "polling"],
    )
    for only, is_wanted in (
        ("connecting", lambda one: bool(one.steps)),
        ("several-processes", lambda one: one.varies_workers or one.publisher == "process"),
    ):
        narrow = scales.model_copy(update={"only": only})
        expected = [one for one in runnable_scenarios(everything, scales) if is_wanted(one)]
        assert expected
        assert runnable_scenarios(everything, narrow) == expected


def test_only_variants_with_a_publisher_publish_from_another_process() -> None:
    everything, broker = framework(*EVERY_EXCHANGE), {"broker": "redis"}
    without, having_one = variant(**broker), variant(**broker, publisher=["python", "publisher.py"])
    added = [one for one in runnable_scenarios(everything, having_one) if not can_run(everything, without, one)]
    assert [(one.kind, one.publisher) for one in added] == [("process", "process")]
    assert scenarios_for(PUBLISH, framework("room"), having_one) == added, "it needs no request to the server"


def test_only_binary_payloads_and_streams_are_left_out_for_packets_in_msgpack() -> None:
    everything = framework(*EVERY_EXCHANGE)
    packed = variant(serializer="msgpack")
    left_out = [
        one
        for workload in WORKLOADS.values()
        for one in workload.scenarios
        if can_run(everything, variant(), one) and not can_run(everything, packed, one)
    ]
    assert left_out
    assert all(one.payload_kind == "binary" or one.exchange == "stream" for one in left_out)


@pytest.mark.parametrize("framework", catalog.discover(), ids=lambda framework: framework.slug)
def test_the_load_generator_speaks_what_every_variant_is_asked(framework: catalog.Framework) -> None:
    for one in framework.variants:
        for scenario in runnable_scenarios(framework, one):
            if scenario.target is None and scenario.stream is None:
                job = build_job(
                    scenario,
                    url="ws://host:1",
                    protocol=framework.protocol,
                    serializer=one.serializer,
                    profile=PROFILES["quick"],
                    seed=1,
                )
                if scenario.transport != "sse":
                    assert codec_for(job, 0).expected(FIRST_SEQUENCE)


def test_of_a_capacity_it_runs_the_searches_whose_exchange_it_has() -> None:
    rate, users = CAPACITY.scenarios
    assert scenarios_for(CAPACITY, framework("echo", "dashboard"), variant()) == [rate, users]
    assert scenarios_for(CAPACITY, framework("dashboard"), variant()) == [users]
    assert scenarios_for(CAPACITY, framework("room"), variant()) == []


def test_only_chosen_scenarios_are_run() -> None:
    part = replace(ECHO, only=frozenset({"open"}))
    assert [scenario.kind for scenario in scenarios_for(part, framework("echo"), variant())] == ["open"]


@pytest.mark.parametrize("framework", catalog.discover(), ids=lambda framework: framework.slug)
def test_our_own_folders(framework: catalog.Framework) -> None:
    """What a folder says it cannot do exists, and is not run; every variant is measured under something."""
    runnable = {
        part
        for slug, workload in WORKLOADS.items()
        for one in framework.variants
        for scenario in scenarios_for(workload, framework, one)
        for part in (slug, f"{slug}/{scenario.kind}")
    }
    assert set(framework.cannot) <= {
        *WORKLOADS,
        *(f"{slug}/{kind}" for slug in WORKLOADS for kind in WORKLOADS[slug].kinds),
    }
    assert set(framework.cannot).isdisjoint(runnable)
    if not framework.only_streams:  # what only streams events is a library beside the frameworks
        assert {"echo", "room", "dashboard"} <= set(framework.exchanges)
    else:
        assert framework.role == "library"
    assert ("events" in framework.exchanges) == any("sse" in one.transports for one in framework.variants)
    for one in framework.variants:
        assert set(framework.exchanges_of(one)) <= set(framework.exchanges)
        assert any(can_run(framework, one, scenario) for each in WORKLOADS.values() for scenario in each.scenarios)
        if "polling" in one.transports:
            assert framework.protocol == "socket.io"
