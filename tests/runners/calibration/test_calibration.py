"""The proofs of calibration: the load generator detects what a misbehaving server did, and a proof can fail."""

from __future__ import annotations

import pytest

from runners import machine
from runners.calibration import proofs
from runners.loadgen.job import Protocol
from runners.machine import CoreShare

pytestmark = pytest.mark.measures

COUNTED = (
    "honest server",
    "dropped messages",
    "duplicated messages",
    "reordered messages",
    "corrupted messages",
    "cut messages",
)
"""Those that time cannot disturb; the others are for a quiet machine."""

WINDOW_S = 0.5


@pytest.fixture(autouse=True)
def lies_come_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection sends 10 messages in the window, and two of them are lied about."""
    monkeypatch.setattr(proofs, "LIE_EVERY", 5)


@pytest.fixture(scope="module")
def cores() -> CoreShare:
    return machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())


@pytest.mark.parametrize("protocol", ["websocket", "socket.io"])
@pytest.mark.parametrize("name", COUNTED)
def test_every_lie_is_seen_in_the_right_amount(name: str, protocol: Protocol, cores: CoreShare) -> None:
    found = proofs.PROOFS[name](name, protocol, cores, WINDOW_S)
    assert found.ok, found


def test_a_generator_that_misses_a_lie_is_found_out(cores: CoreShare) -> None:
    blind = proofs.prove_counted("drop_every", "dropped", lambda _: 0, "unanswered")
    assert not blind("blind", "websocket", cores, WINDOW_S).ok
