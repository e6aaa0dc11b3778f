"""Which hosts can apply a load together, and how it is divided."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.cluster.agreement import HostFacts, addresses_needed, connections_of, refusals, spread_over
from runners.loading.job_building import split_job
from tests.support.loading import job

OWN = HostFacts(
    name="this machine",
    address="",
    shards=0,
    cores=2,
    rtsite="0.1.0",
    code="abc",
    python="3.13.1",
    distributed="2026.1.0",
    kernel="6.1",
    open_files=1 << 20,
    memory_bytes=1 << 34,
    total_memory_bytes=1 << 35,
    cpu_model="Some CPU",
    ports=28_000,
)
HOST = replace(OWN, name="one", address="tcp://192.0.2.1:4000", shards=2)


def test_equal_hosts_are_not_refused() -> None:
    assert list(refusals([HOST, replace(HOST, name="two")], OWN, 1000)) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shards": 0}, "one does not say how many shards it runs; start its worker with `--resources shard=2`"),
        ({"code": "other"}, "install the same commit there"),
        ({"rtsite": "0.2.0"}, "one has another rtsite (0.2.0, load generator abc) than this machine (0.1.0"),
        ({"python": "3.11.2"}, "one has Python 3.11.2, and this machine 3.13.1; use the same version everywhere"),
        ({"distributed": "2025.1.0"}, "one has distributed 2025.1.0, and this machine 2026.1.0"),
        ({"system": "Darwin"}, "one runs Darwin, and the load generator needs epoll"),
        (
            {"memory_bytes": 9_999_999},
            "10,000 connections need about 0.0 GB of memory on one",
        ),
        ({"open_files": 1024}, "one allows 1,024 open files, and 5,000 connections of a shard need 5,200"),
    ],
)
def test_a_host_that_cannot_take_part_is_named_with_the_cure(change: dict[str, object], says: str) -> None:
    (fault,) = refusals([replace(HOST, **change), replace(HOST, name="two")], OWN, 20_000, 1000)  # type: ignore[arg-type]
    assert says in fault


@given(st.lists(st.integers(1, 8), min_size=1, max_size=6), st.integers(0, 5000))
def test_hosts_get_the_connections_of_their_shards(shards: list[int], more: int) -> None:
    connections = sum(shards) + more
    hosts = [replace(HOST, shards=count) for count in shards]
    parts = [part.connections for part in split_job(job("ws://x/", connections=connections), sum(shards), ())]
    shares = connections_of(hosts, connections)
    assert sum(shares) == connections
    first = 0
    for count, share in zip(shards, shares, strict=True):
        assert share == sum(parts[first : first + count])
        first += count


@pytest.mark.parametrize(("connections", "needed"), [(1, 1), (28_000, 1), (28_001, 2), (84_001, 4)])
def test_an_address_has_so_many_ports(connections: int, needed: int) -> None:
    assert addresses_needed(connections, 28_000) == needed


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.data())
def test_a_group_is_spread_over_all_hosts_before_one_has_a_second_shard(shards: list[int], data: st.DataObject) -> None:
    hosts = [replace(HOST, shards=count) for count in shards]
    wanted = data.draw(st.integers(1, sum(shards)))
    counts = spread_over(hosts, wanted)
    assert sum(counts) == wanted
    assert all(count <= host.shards for count, host in zip(counts, hosts, strict=True))
    most = max(counts)
    assert all(count >= min(host.shards, most - 1) for count, host in zip(counts, hosts, strict=True))
