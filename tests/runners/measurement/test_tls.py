"""Measurements over TLS, by every procedure: what was agreed is recorded, and clients trust one certificate only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runners import machine, measurement
from runners.loadgen.pace import Open
from runners.measurement import connection_setup
from runners.measurement.cell import Cell, Conditions
from runners.record import Measurement
from runners.serving.deployment import Deployments
from runners.subjects import catalog
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Scenario, Workload
from runners.subjects.workloads import CONNECT, ECHO, RECOVERY

BRIEF = Profile("quick", rounds=1, warmup_s=0.3, duration_s=1.2)

pytestmark = pytest.mark.measures


def measured(workload: Workload, scenario: Scenario, profile: Profile = BRIEF) -> Measurement:
    (reference,) = (one for one in catalog.discover() if one.reference)
    cell = Cell(reference, reference.variants[0], workload, scenario).under("", "tls")
    cores = measurement.cores_for(scenario, machine.physical_cores())
    with Deployments() as deployments:
        (result,) = measurement.measure_cells([cell], [Conditions(profile, cores, 1, 0, 7)], deployments)
    found = result.measurement
    assert found.failure is None
    assert found.tls is not None
    assert (found.tls.version, found.tls.certificate) == ("TLSv1.3", "ECDSA secp256r1")
    return found


def test_a_window() -> None:
    scenario = replace(ECHO.scenarios[0], connections=10)
    found = measured(ECHO, scenario)
    assert found.messages is not None
    assert found.messages.sent == found.messages.received > 0


def test_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_setup, "STEP_PAUSE_S", 0.1)
    found = measured(CONNECT, replace(CONNECT.scenarios[0], connections=20, steps=(10, 20), at_once=4))
    assert found.connecting is not None
    assert [step.connections for step in found.connecting.steps] == [0, 10, 20]


def test_a_server_that_dies_and_comes_back() -> None:
    found = measured(RECOVERY, replace(RECOVERY.scenarios[0], connections=10, pace=Open(100.0), outage_s=20.0))
    assert found.recovery is not None
    assert found.recovery.noticed_ms is not None
    assert found.recovery.back_ms is not None
    assert (found.recovery.noticed_ms.count, found.recovery.back_ms.count, found.recovery.never_back) == (10, 10, 0)
