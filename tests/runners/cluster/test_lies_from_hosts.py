"""The proofs of calibration hold for load from two hosts: whatever a server does to their messages is seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runners import machine
from runners.calibration import proofs
from runners.cluster.hosts import placed
from runners.loadgen.job import Job
from runners.loading import driver
from runners.loading.load_result import LoadResult
from runners.loading.shards import Events, ShardHandle
from tests.support.hosts import Cluster, cluster

pytestmark = [pytest.mark.measures, pytest.mark.matrix]


TIMED = ("delayed answers", "stalling server", "stopped load generator")
"""Those that a busy machine disturbs."""


@pytest.fixture(scope="module")
def two_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.start("north")
        made.start("south")
        yield made


@pytest.mark.parametrize("name", [name for name in proofs.PROOFS if name not in TIMED])
def test_a_lie_is_seen_from_two_hosts(name: str, two_hosts: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    applied = driver.apply
    shards: list[int] = []

    def apply(job: Job, *, cpus: Any = (), hooks: driver.Hooks | None = None) -> LoadResult:
        del cpus
        known = hooks or driver.Hooks()
        with placed(two_hosts.address, job.connections) as place:
            count = place.most_shards()
            launcher = place.launcher(count)

            def launch(index: int, events: Events) -> ShardHandle:
                handle = launcher(index, events)
                if index == count - 1:
                    known.started([pid for host in place.members for pid in host.pids])
                return handle

            shards.append(count)
            return applied(job, shards=count, hooks=known, launch=launch)

    monkeypatch.setattr(driver, "apply", apply)
    monkeypatch.setattr(proofs, "LIE_EVERY", 5)
    cores = machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())
    found = proofs.PROOFS[name](name, "websocket", cores, 2.0)
    assert found.ok, found
    assert set(shards) == {2}
