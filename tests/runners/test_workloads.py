"""Workloads are data: their version changes with what is asked and with nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runners import contract, workloads
from runners.record import UsageError
from runners.workloads import ECHO, PROFILES, WORKLOADS


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
    versions = {workload.version for workload in others}
    assert len(versions) == len(others)
    assert ECHO.version not in versions


def test_parameters_say_what_is_done() -> None:
    for workload in WORKLOADS.values():
        assert workload.readiness <= set(contract.CHECKS)
        for case in workload.cases:
            assert case.workload == workload.slug
            shown = case.parameters
            assert shown.get("connections", shown.get("users")) == case.connections
            assert shown["server_cores"] == case.server_cores
            assert shown.get("payload_bytes", case.payload_bytes) == case.payload_bytes
            rate = shown.get("rate_per_s", shown.get("updates_per_user_per_s", 0))
            assert rate in (case.rate_per_s, case.rate_per_s / case.connections)
            assert (case.latency_kind == "from_intended") == (case.mode == "open") == (case.rate_per_s > 0)


def test_choosing() -> None:
    assert workloads.choose([]) == list(WORKLOADS.values())
    assert workloads.choose(["dashboard", "echo"]) == [WORKLOADS["echo"], WORKLOADS["dashboard"]]
    assert workloads.with_rounds(PROFILES["quick"], rounds=9).rounds == 9
    assert workloads.with_rounds(PROFILES["quick"]) == workloads.choose_profile("quick")


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown workload 'ecco': did you mean echo?"):
        workloads.choose(["echo", "ecco"])
    with pytest.raises(UsageError, match=r"unknown profile 'quik': did you mean quick?"):
        workloads.choose_profile("quik")
