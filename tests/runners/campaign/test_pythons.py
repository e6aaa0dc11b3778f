"""A Python that lacks a wheel fails the variants that need it, and the others of the run go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runners.campaign import execution, planning
from runners.measurement import window
from runners.record import load_framework, problems_in
from runners.serving import environment
from runners.subjects import catalog
from tests.support import frameworks, needs
from tests.support.frameworks import wheel_for_this_python_alone
from tests.support.short_runs import BRIEFEST, SMALL, Silent


@pytest.mark.runs
def test_where_a_wheel_is_missing_the_others_go_on(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = needs.other_python()
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setattr(window, "IDLE_S", 0.1)
    good, lacking = (frameworks.make(tmp_path / name, ["good"]) for name in ("good", "lacking"))
    lock = lacking / "requirements.txt"
    lock.write_text(lock.read_text() + wheel_for_this_python_alone(tmp_path / "wheels"))
    plan = planning.plan_run(
        [catalog.read_folder(good), catalog.read_folder(lacking)], [SMALL], replace(BRIEFEST, rounds=1), 5,
        pythons=["", version],
    )  # fmt: skip
    summary = execution.RunExecution.begin(plan, tmp_path / "results", "tested").execute(Silent())
    assert (summary.measurements, summary.failed) == (4, 1)
    cells = {
        (name, cell.parameters.get("python")): cell.measurements
        for name in ("good", "lacking")
        for cell in load_framework(summary.path / f"{name}.yml").cells
    }
    ((failed,),) = (ones for ones in cells.values() if ones[0].failure is not None)
    assert cells["lacking", version] == [failed]
    assert failed.failure is not None
    assert failed.failure.stage == "environment"
    assert f"only-here has no wheel for Python {version}" in failed.failure.reason
    assert not [problem for path in summary.path.glob("*.yml") for problem in problems_in(path)]
