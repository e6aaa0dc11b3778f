"""The disturbance of a measurement: the sum of what others took from the server's core."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.record import LoadgenHealth, disturbance_percent
from tests.support import documents

percent = st.floats(0, 100)


def health(**values: float | None) -> LoadgenHealth:
    return LoadgenHealth.model_validate({"shards": 1, "cpu_percent": 30.0, **values})


def disturbed(found: LoadgenHealth | None, cpus: int = 2) -> float | None:
    return disturbance_percent(documents.measurement().model_copy(update={"generator": found}), logical_cpus=cpus)


@given(foreign=percent, beside=st.none() | percent, steal=percent, cpus=st.integers(1, 64))
def test_it_is_the_sum_of_its_parts(foreign: float, beside: float | None, steal: float, cpus: int) -> None:
    old = health(foreign_cpu_percent=foreign, neighbours_cpu_percent=beside, steal_percent=steal)
    assert disturbed(old, cpus) == pytest.approx(foreign + (beside or 0.0) + steal * cpus, abs=1e-3)
    new = old.model_copy(update={"server_steal_percent": steal})
    assert disturbed(new, cpus) == pytest.approx(foreign + (beside or 0.0) + steal, abs=1e-3)


@pytest.mark.parametrize("found", [None, health(), health(foreign_cpu_percent=0.1), health(steal_percent=0.0)])
def test_what_was_not_measured_is_not_zero(found: LoadgenHealth | None) -> None:
    assert disturbed(found) is None
