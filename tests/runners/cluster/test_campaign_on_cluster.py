"""A campaign on a real Dask cluster: blocks are measured by hosts, checked, and continued after a fault."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from runners.application.campaign_jobs import WorkflowInputs
from runners.application.cluster_campaign import measure_on_cluster
from runners.cluster import scheduling
from runners.record import NothingToDoError, UsageError, load_run
from tests.support.hosts import cluster, full_disk

pytestmark = [pytest.mark.measures, pytest.mark.matrix]

INPUTS = WorkflowInputs("websockets", "echo/closed", "quick", "1")


def test_blocks_are_measured_and_what_is_missing_is_measured_again(tmp_path: Path) -> None:
    results, said = tmp_path / "results", list[str]()
    with cluster(tmp_path) as made:
        made.start("north")
        found = measure_on_cluster(INPUTS, 2, made.address, results, said.append, campaign="both")
        assert (found.lost, found.kept) == ((), ())
        assert len(found.added) == 2
        for path in found.added:
            run = load_run(path / "run.yml")
            assert run.campaign == "both"
            assert run.finished is not None
        assert any("block-1-lot-1 begins on north" in line for line in said)
        with pytest.raises(NothingToDoError, match="has the results of all its 2 jobs"):
            measure_on_cluster(INPUTS, 2, made.address, results, said.append, campaign="both")
        shutil.rmtree(found.added[0])
        again = measure_on_cluster(INPUTS, 2, made.address, results, said.append, campaign="both")
        assert len(again.added) == len(again.kept) == 1


def test_a_host_that_is_killed_loses_its_block_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "SILENCE_S", 3.0)
    results, said = tmp_path / "results", list[str]()
    with cluster(tmp_path) as made:
        made.start("weak")

        def show(line: str) -> None:
            said.append(line)
            if line.startswith("weak: "):
                os.kill(made.workers["weak"].pid, signal.SIGKILL)

        lost = measure_on_cluster(INPUTS, 1, made.address, results, show, campaign="one")
        assert lost.added == ()
        (why,) = lost.lost
        assert why.startswith("block-1-lot-1: host weak (")
        made.start("strong")
        found = measure_on_cluster(INPUTS, 1, made.address, results, said.append, campaign="one")
        assert len(found.added) == 1


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a valid campaign name"):
        measure_on_cluster(INPUTS, 1, "tcp://127.0.0.1:1", tmp_path, print, campaign="../x")


def test_a_host_with_a_full_disk_loses_its_block_by_name(tmp_path: Path) -> None:
    results, said = tmp_path / "results", list[str]()
    with cluster(tmp_path) as made, full_disk(tmp_path / "full") as full:
        made.start("crammed", temporary=full)
        found = measure_on_cluster(INPUTS, 1, made.address, results, said.append, campaign="full")
        made.stop()
    assert found.added == ()
    (lost,) = found.lost
    assert "crammed" in lost
    assert "No space left on device" in lost
