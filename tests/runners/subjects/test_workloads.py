"""Workloads are data: their version changes with what is asked and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runners import contract
from runners.record import UsageError
from runners.subjects import catalog, workloads
from runners.subjects.workloads import CAPACITY, DASHBOARD, ECHO, PROFILES, WORKLOADS


def test_the_version_changes_with_what_is_asked_not_with_wording() -> None:
    assert replace(ECHO, title="x", question="x", description="x").version == ECHO.version
    scenario = ECHO.scenarios[0]
    others = [
        replace(ECHO, path="/other"),
        replace(ECHO, exchange="dashboard"),
        replace(ECHO, scenarios=ECHO.scenarios[:1]),
        replace(ECHO, scenarios=(replace(scenario, connections=7), *ECHO.scenarios[1:])),
        replace(ECHO, scenarios=(replace(scenario, payload_bytes=65), *ECHO.scenarios[1:])),
        replace(
            ECHO,
            scenarios=(replace(scenario, parameters={**scenario.parameters, "payload_bytes": 65}), *ECHO.scenarios[1:]),
        ),
    ]
    others += [replace(ECHO, edition=1), replace(ECHO, edition=2)]
    versions = {workload.version for workload in others}
    assert len(versions) == len(others)
    assert ECHO.version not in versions


def test_versions_of_published_results_stay() -> None:
    """A new field of `Scenario` is no new question: where it is not set, results made before it stay comparable."""
    plain = replace(ECHO, scenarios=tuple(replace(scenario, slice_s=0.0) for scenario in ECHO.scenarios))
    first = replace(DASHBOARD, edition=0)
    assert (plain.version, first.version) == ("fbe93bebab5c", "0c94a697bd52")


def test_versions_change_only_on_purpose() -> None:
    """A change here separates results: it belongs into the log of the method's changes."""
    assert {slug: workload.version for slug, workload in WORKLOADS.items()} == {
        "echo": "9abc294f7fe3",
        "dashboard": "bd2bd9a88300",
        "crowd": "3cc53a06393d",
        "room": "326af09b0697",
        "polling": "0c406f69fb3f",
        "sse": "fe2d8a13c1b5",
        "connect": "bdd8ae6d2e0f",
        "payload": "1a73edc4cf70",
        "scaleout": "6581e1b2dee8",
        "slow-consumer": "39f7aa828f70",
        "recovery": "b9c6a83121c1",
        "capacity": "8ceaa3e46ca8",
    }


def test_a_search_is_part_of_the_question() -> None:
    scenario = CAPACITY.scenarios[0]
    assert scenario.search is not None
    finer = replace(scenario.search, settings=replace(scenario.search.settings, tries=30))
    versions = {
        replace(CAPACITY, scenarios=(changed,)).version
        for changed in (scenario, replace(scenario, search=None), replace(scenario, search=finer))
    }
    assert len(versions) == 3


def test_parameters_say_what_is_done() -> None:
    for workload in WORKLOADS.values():
        assert workload.readiness <= set(contract.CHECKS)
        for scenario in workload.scenarios:
            assert scenario.workload == workload.slug
            shown = scenario.parameters
            if scenario.search is not None:
                assert shown["p99_limit_ms"] == scenario.search.settings.p99_limit_ms
                assert scenario.search.asks in WORKLOADS
                continue
            clients = ("connections", "users", "members", "viewers", "clients")
            assert [shown[name] for name in clients if name in shown] == [scenario.connections]
            cores = ("server_cores", "cores_at_most", "workers")
            assert next(shown[name] for name in cores if name in shown) == scenario.server_cores
            assert shown.get("workers", 1) == scenario.workers
            assert shown.get("payload_bytes", scenario.payload_bytes) == scenario.payload_bytes
            assert shown.get("payload_kind", scenario.payload_kind) == scenario.payload_kind
            assert shown.get("under_way", 1) == scenario.under_way
            assert shown.get("deaf", 0) == scenario.deaf
            each = shown.get("updates_per_user_per_s", shown.get("messages_per_user_per_s", 0))
            rate = shown.get("rate_per_s", each or shown.get("deliveries_per_s", 0))
            assert rate in (
                scenario.rate_per_s,
                scenario.rate_per_s / scenario.connections,
                scenario.rate_per_s * scenario.connections,
            )
            assert (scenario.latency_kind == "from_intended") == (scenario.mode == "open")
            assert (scenario.rate_per_s > 0) == (scenario.mode == "open" and scenario.transport != "sse")


def test_no_two_cases_of_a_workload_have_one_name() -> None:
    for workload in WORKLOADS.values():
        assert len(workload.kinds) == len(workload.scenarios)
        assert len({tuple(scenario.parameters.items()) for scenario in workload.scenarios}) == len(workload.scenarios)


def variant(**told: Any) -> catalog.Variant:
    plain = {"slug": "v", "title": "v", "server": "v", "command": ["v", "{port}"], "transports": ["websocket"]}
    return catalog.Variant(**{**plain, **told})


def framework(*implemented: str) -> catalog.Framework:
    return catalog.Framework(
        slug="f",
        folder=Path(),
        title="f",
        homepage="https://example.org",
        package="f",
        protocol="websocket",
        interface="own",
        workloads=list(implemented),
        variants=[variant()],
    )


def test_a_variant_is_asked_what_it_has() -> None:
    everything = framework(*WORKLOADS)
    assert workloads.scenarios_for(workloads.SSE, everything, variant()) == []
    assert workloads.scenarios_for(workloads.SSE, everything, variant(transports=["sse"])) == list(
        workloads.SSE.scenarios
    )
    assert workloads.scenarios_for(workloads.POLLING, everything, variant()) == []
    assert workloads.scenarios_for(ECHO, everything, variant(workloads=["room"])) == []
    assert workloads.scenarios_for(ECHO, framework("room"), variant()) == []


def test_several_processes_are_asked_only_of_what_reaches_the_clients_of_all() -> None:
    everything = framework(*WORKLOADS)
    scaling = variant(command=["v", "{port}", "{workers}"], broker="redis")
    for one in (variant(), variant(broker="redis"), variant(command=["v", "{port}", "{workers}"])):
        assert workloads.scenarios_for(workloads.SCALEOUT, everything, one) == []
    assert [scenario.workers for scenario in workloads.scenarios_for(workloads.SCALEOUT, everything, scaling)] == [
        1,
        2,
        4,
    ]


def test_a_search_applies_its_load_as_the_workload_it_borrows_from_would() -> None:
    rate, users = (scenario.at(300) for scenario in CAPACITY.scenarios)
    fixed = next(scenario for scenario in ECHO.scenarios if scenario.mode == "open")
    assert rate == replace(fixed, workload="capacity", parameters=rate.parameters, rate_per_s=300.0, slice_s=0.0)
    (dashboard,) = DASHBOARD.scenarios
    assert users == replace(
        dashboard, workload="capacity", parameters=users.parameters, rate_per_s=300.0, connections=300
    )
    with pytest.raises(ValueError, match="a load of its own"):
        fixed.at(300)


def test_who_implements_a_workload_can_be_searched_under_it() -> None:
    rate, users = CAPACITY.scenarios
    assert workloads.scenarios_for(CAPACITY, framework("echo", "dashboard"), variant()) == [rate, users]
    assert workloads.scenarios_for(CAPACITY, framework("dashboard"), variant()) == [users]
    assert workloads.scenarios_for(CAPACITY, framework("capacity"), variant()) == []
    assert workloads.scenarios_for(ECHO, framework("echo"), variant()) == list(ECHO.scenarios)
    assert workloads.asked_by(CAPACITY, users) == DASHBOARD
    assert workloads.asked_by(ECHO, ECHO.scenarios[0]) == ECHO


def test_a_first_look_searches_nothing() -> None:
    assert workloads.quickstart_workloads() == [ECHO, DASHBOARD]


def test_how_long_and_how_often_a_search_takes() -> None:
    rate, users = CAPACITY.scenarios
    standard, full = PROFILES["standard"], PROFILES["full"]
    assert standard.rounds_of(ECHO.scenarios[0]) == standard.rounds
    assert (standard.rounds_of(rate), full.rounds_of(rate)) == (1, 3)
    assert workloads.with_rounds(full, rounds=2).rounds_of(rate) == 2
    probe = standard.of_probe(rate.at(8_000))
    assert (probe.warmup_s, probe.duration_s) == (standard.probe_warmup_s, standard.probe_s)
    assert standard.of_probe(users.at(100)).duration_s * 100 >= 2_000, "enough messages for a p99"
    assert full.expected_s(rate) > standard.expected_s(rate) > standard.expected_s(ECHO.scenarios[0])


STANDARD = PROFILES["standard"]


def test_choosing() -> None:
    assert workloads.choose_workloads([], STANDARD) == list(WORKLOADS.values())
    assert workloads.choose_workloads(["dashboard", "echo"], STANDARD) == [WORKLOADS["echo"], WORKLOADS["dashboard"]]
    assert workloads.with_rounds(PROFILES["quick"], rounds=9).rounds == 9
    assert workloads.with_rounds(PROFILES["quick"]) == workloads.choose_profile("quick")


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown workload 'ecco': did you mean echo?"):
        workloads.choose_workloads(["echo", "ecco"], STANDARD)
    with pytest.raises(UsageError, match=r"unknown profile 'quik': did you mean quick?"):
        workloads.choose_profile("quik")


def test_a_part_of_a_workload_is_no_other_version_of_it() -> None:
    (part,) = workloads.choose_workloads(["echo/closed"], STANDARD)
    assert [scenario.kind for scenario in workloads.scenarios_for(part, framework("echo"), variant())] == ["closed"]
    assert part.version == ECHO.version
    assert part.scenarios == ECHO.scenarios
    (rate,) = workloads.choose_workloads(["capacity/rate"], STANDARD)
    assert [scenario.kind for scenario in workloads.scenarios_for(rate, framework("echo", "dashboard"), variant())] == [
        "rate"
    ]
    (both,) = workloads.choose_workloads(["echo/closed", "echo/open"], STANDARD)
    assert workloads.scenarios_for(both, framework("echo"), variant()) == list(ECHO.scenarios)
    with pytest.raises(UsageError, match="part of echo"):
        workloads.choose_workloads(["echo/ajar"], STANDARD)
