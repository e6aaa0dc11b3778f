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
    case = ECHO.cases[0]
    others = [
        replace(ECHO, path="/other"),
        replace(ECHO, exchange="dashboard"),
        replace(ECHO, cases=ECHO.cases[:1]),
        replace(ECHO, cases=(replace(case, connections=7), *ECHO.cases[1:])),
        replace(ECHO, cases=(replace(case, payload_bytes=65), *ECHO.cases[1:])),
        replace(ECHO, cases=(replace(case, parameters={**case.parameters, "payload_bytes": 65}), *ECHO.cases[1:])),
    ]
    others += [replace(ECHO, edition=1), replace(ECHO, edition=2)]
    versions = {workload.version for workload in others}
    assert len(versions) == len(others)
    assert ECHO.version not in versions


def test_versions_of_published_results_stay() -> None:
    """A new field of `Case` is no new question: where it is not set, results made before it stay comparable."""
    plain = replace(ECHO, cases=tuple(replace(case, slice_s=0.0) for case in ECHO.cases))
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
    case = CAPACITY.cases[0]
    assert case.search is not None
    finer = replace(case.search, settings=replace(case.search.settings, tries=30))
    versions = {
        replace(CAPACITY, cases=(changed,)).version
        for changed in (case, replace(case, search=None), replace(case, search=finer))
    }
    assert len(versions) == 3


def test_parameters_say_what_is_done() -> None:
    for workload in WORKLOADS.values():
        assert workload.readiness <= set(contract.CHECKS)
        for case in workload.cases:
            assert case.workload == workload.slug
            shown = case.parameters
            if case.search is not None:
                assert shown["p99_limit_ms"] == case.search.settings.p99_limit_ms
                assert case.search.asks in WORKLOADS
                continue
            clients = ("connections", "users", "members", "viewers", "clients")
            assert [shown[name] for name in clients if name in shown] == [case.connections]
            cores = ("server_cores", "cores_at_most", "workers")
            assert next(shown[name] for name in cores if name in shown) == case.server_cores
            assert shown.get("workers", 1) == case.workers
            assert shown.get("payload_bytes", case.payload_bytes) == case.payload_bytes
            assert shown.get("payload_kind", case.payload_kind) == case.payload_kind
            assert shown.get("under_way", 1) == case.under_way
            assert shown.get("deaf", 0) == case.deaf
            each = shown.get("updates_per_user_per_s", shown.get("messages_per_user_per_s", 0))
            rate = shown.get("rate_per_s", each or shown.get("deliveries_per_s", 0))
            assert rate in (case.rate_per_s, case.rate_per_s / case.connections, case.rate_per_s * case.connections)
            assert (case.latency_kind == "from_intended") == (case.mode == "open")
            assert (case.rate_per_s > 0) == (case.mode == "open" and case.transport != "sse")


def test_no_two_cases_of_a_workload_have_one_name() -> None:
    for workload in WORKLOADS.values():
        assert len(workload.kinds) == len(workload.cases)
        assert len({tuple(case.parameters.items()) for case in workload.cases}) == len(workload.cases)


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
    assert workloads.cases_for(workloads.SSE, everything, variant()) == []
    assert workloads.cases_for(workloads.SSE, everything, variant(transports=["sse"])) == list(workloads.SSE.cases)
    assert workloads.cases_for(workloads.POLLING, everything, variant()) == []
    assert workloads.cases_for(ECHO, everything, variant(workloads=["room"])) == []
    assert workloads.cases_for(ECHO, framework("room"), variant()) == []


def test_several_processes_are_asked_only_of_what_reaches_the_clients_of_all() -> None:
    everything = framework(*WORKLOADS)
    scaling = variant(command=["v", "{port}", "{workers}"], broker="redis")
    for one in (variant(), variant(broker="redis"), variant(command=["v", "{port}", "{workers}"])):
        assert workloads.cases_for(workloads.SCALEOUT, everything, one) == []
    assert [case.workers for case in workloads.cases_for(workloads.SCALEOUT, everything, scaling)] == [1, 2, 4]


def test_a_search_applies_its_load_as_the_workload_it_borrows_from_would() -> None:
    rate, users = (case.at(300) for case in CAPACITY.cases)
    fixed = next(case for case in ECHO.cases if case.mode == "open")
    assert rate == replace(fixed, workload="capacity", parameters=rate.parameters, rate_per_s=300.0, slice_s=0.0)
    (dashboard,) = DASHBOARD.cases
    assert users == replace(
        dashboard, workload="capacity", parameters=users.parameters, rate_per_s=300.0, connections=300
    )
    with pytest.raises(ValueError, match="a load of its own"):
        fixed.at(300)


def test_who_implements_a_workload_can_be_searched_under_it() -> None:
    rate, users = CAPACITY.cases
    assert workloads.cases_for(CAPACITY, framework("echo", "dashboard"), variant()) == [rate, users]
    assert workloads.cases_for(CAPACITY, framework("dashboard"), variant()) == [users]
    assert workloads.cases_for(CAPACITY, framework("capacity"), variant()) == []
    assert workloads.cases_for(ECHO, framework("echo"), variant()) == list(ECHO.cases)
    assert workloads.asked_by(CAPACITY, users) == DASHBOARD
    assert workloads.asked_by(ECHO, ECHO.cases[0]) == ECHO


def test_a_first_look_searches_nothing() -> None:
    assert workloads.for_quickstart() == [ECHO, DASHBOARD]


def test_how_long_and_how_often_a_search_takes() -> None:
    rate, users = CAPACITY.cases
    standard, full = PROFILES["standard"], PROFILES["full"]
    assert standard.rounds_of(ECHO.cases[0]) == standard.rounds
    assert (standard.rounds_of(rate), full.rounds_of(rate)) == (1, 3)
    assert workloads.with_rounds(full, rounds=2).rounds_of(rate) == 2
    probe = standard.of_probe(rate.at(8_000))
    assert (probe.warmup_s, probe.duration_s) == (standard.probe_warmup_s, standard.probe_s)
    assert standard.of_probe(users.at(100)).duration_s * 100 >= 2_000, "enough messages for a p99"
    assert full.expected_s(rate) > standard.expected_s(rate) > standard.expected_s(ECHO.cases[0])


STANDARD = PROFILES["standard"]


def test_choosing() -> None:
    assert workloads.choose([], STANDARD) == list(WORKLOADS.values())
    assert workloads.choose(["dashboard", "echo"], STANDARD) == [WORKLOADS["echo"], WORKLOADS["dashboard"]]
    assert workloads.with_rounds(PROFILES["quick"], rounds=9).rounds == 9
    assert workloads.with_rounds(PROFILES["quick"]) == workloads.choose_profile("quick")


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown workload 'ecco': did you mean echo?"):
        workloads.choose(["echo", "ecco"], STANDARD)
    with pytest.raises(UsageError, match=r"unknown profile 'quik': did you mean quick?"):
        workloads.choose_profile("quik")


def test_a_part_of_a_workload_is_no_other_version_of_it() -> None:
    (part,) = workloads.choose(["echo/closed"], STANDARD)
    assert [case.kind for case in workloads.cases_for(part, framework("echo"), variant())] == ["closed"]
    assert part.version == ECHO.version
    assert part.cases == ECHO.cases
    (rate,) = workloads.choose(["capacity/rate"], STANDARD)
    assert [case.kind for case in workloads.cases_for(rate, framework("echo", "dashboard"), variant())] == ["rate"]
    (both,) = workloads.choose(["echo/closed", "echo/open"], STANDARD)
    assert workloads.cases_for(both, framework("echo"), variant()) == list(ECHO.cases)
    with pytest.raises(UsageError, match="part of echo"):
        workloads.choose(["echo/ajar"], STANDARD)
