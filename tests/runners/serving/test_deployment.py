"""What a deployment does after a load."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from runners.serving import deployment
from runners.serving.deployment import StageError, serve_variant
from runners.serving.server import NotReadyError, Server
from runners.subjects.catalog import Framework


class Busy:
    """A server that fails this many checks before it passes."""

    def __init__(self, failing: int) -> None:
        self.left = failing

    def verify(self, checks: Collection[str]) -> None:
        if self.left:
            self.left -= 1
            raise NotReadyError(f"{', '.join(checks)}: got nothing")


@pytest.mark.parametrize(("settling_s", "failing"), [(30.0, 2), (0.0, 0)])
def test_a_server_that_is_busy_after_a_load_is_checked_again(
    reference: Framework, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settling_s: float, failing: int
) -> None:
    monkeypatch.setattr(deployment, "SETTLING_S", settling_s)
    busy = Busy(failing)
    with serve_variant(reference, reference.variants[0], logs=tmp_path) as serving:
        monkeypatch.setattr(Server, "verify", lambda _, checks: busy.verify(checks))
        serving.recheck({"health"})
    assert busy.left == 0


def test_a_server_that_stays_busy_after_a_load_has_failed(
    reference: Framework, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "SETTLING_S", 0.0)
    busy = Busy(1)
    with serve_variant(reference, reference.variants[0], logs=tmp_path) as serving:
        monkeypatch.setattr(Server, "verify", lambda _, checks: busy.verify(checks))
        with pytest.raises(StageError, match="for 0 s after the load, health: got nothing"):
            serving.recheck({"health"})


def test_a_server_that_ended_under_load_is_not_waited_for(reference: Framework, tmp_path: Path) -> None:
    with serve_variant(reference, reference.variants[0], logs=tmp_path) as serving:
        serving.kill()
        with pytest.raises(StageError, match="the server ended under load, with status -9"):
            serving.recheck({"health"})
