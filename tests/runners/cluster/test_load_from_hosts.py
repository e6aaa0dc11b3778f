"""Load from several hosts on a real Dask cluster: it adds up, hosts are named, and faults end in one sentence."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from statistics import mean, stdev
from typing import Any

import psutil
import pytest

from runners.application.echo_load import load_echo_server
from runners.cluster import scheduling
from runners.cluster.host import HostShards
from runners.cluster.hosts import placed
from runners.cluster.scheduling import is_open_to_others
from runners.loadgen.job import ClientOptions
from runners.loadgen.pace import Closed, Open, Pace
from runners.loading.shards import LoadError, Shard
from runners.record import HostLostError, UsageError
from tests.support.hosts import Cluster, cluster, has_time_namespaces, network
from tests.support.processes import children, gone, until
from tests.support.servers import CERTIFICATE, EchoServer, Talk, serving, serving_securely

pytestmark = pytest.mark.measures


@pytest.fixture(scope="module")
def two_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.start("north", shards=1)
        made.start("south", shards=2)
        yield made


def load(server: EchoServer, scheduler: str, **changes: Any) -> dict[str, Any]:
    pace: Pace = Open(600.0)
    asked: dict[str, Any] = {
        "connections": 30,
        "duration_s": 1.0,
        "warmup_s": 0.4,
        "pace": pace,
        "payload_bytes": 64,
        "shards": 1,
        "scheduler": scheduler,
    }
    return load_echo_server(server.url, "websocket", **{**asked, **changes})


def shards_of(made: Cluster, name: str) -> list[int]:
    """The processes of the load generator that a worker has started."""
    found = psutil.Process(made.workers[name].pid).children(recursive=True)
    return [one.pid for one in found]


@pytest.mark.parametrize("pace", [Open(600.0), Closed()], ids=["open", "closed"])
def test_the_parts_of_all_hosts_add_up(two_hosts: Cluster, pace: Pace) -> None:
    with serving() as server:
        report = load(server, two_hosts.address, pace=pace)
    assert report["sent"] == report["received"] + report["lost"] + report["in_flight"]
    assert report["lost"] == report["corrupted"] == 0
    assert server.connections == report["connections"] == 30
    north, south = report["hosts"]
    assert (north["name"], south["name"]) == ("north", "south")
    assert (north["shards"], south["shards"]) == (1, 2)
    assert (north["connections"], south["connections"]) == (10, 20)
    assert north["messages_per_second"] + south["messages_per_second"] == pytest.approx(report["messages_per_second"])
    if isinstance(pace, Open):
        assert report["messages_per_second"] == pytest.approx(600, rel=0.1)
    for host in (north, south):
        assert host["memory_mb"] > 0
        assert host["generator_cpu_percent"] > 0
        assert abs(host["clock_offset_ms"]) <= host["clock_error_ms"] + 0.1, "the clock of this machine"


@pytest.mark.matrix
def test_one_of_the_hosts_can_be_enough(two_hosts: Cluster) -> None:
    with serving() as server:
        report = load(server, two_hosts.address, most_hosts=1)
    assert [host["name"] for host in report["hosts"]] == ["north"]


@pytest.mark.matrix
def test_nothing_is_left_on_the_hosts(two_hosts: Cluster) -> None:
    with serving() as server:
        load(server, two_hosts.address)
    for name in two_hosts.workers:
        # The fork server stays, which forks the next shards.
        until(lambda name=name: len(shards_of(two_hosts, name)) <= 1, f"no shard left on {name}")  # type: ignore[misc]


@contextmanager
def meanwhile(server: EchoServer, action: Any) -> Iterator[None]:
    """Do something once the load has begun."""

    def act() -> None:
        until(lambda: server.received > 100, "the load has begun")
        action()

    thread = threading.Thread(target=act)
    thread.start()
    yield
    thread.join()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "SILENCE_S", 3.0)


@pytest.mark.matrix
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_host_that_is_lost_ends_the_load_with_its_name(tmp_path: Path, number: signal.Signals) -> None:
    with cluster(tmp_path) as made, serving() as server:
        made.start("steady")
        made.start("weak")
        lost = made.workers["weak"]

        def hit() -> None:
            os.kill(lost.pid, number)

        with meanwhile(server, hit), pytest.raises(HostLostError, match=r"host weak \(tcp://.*\) is lost: "):
            load(server, made.address, duration_s=60.0)
        until(lambda: len(shards_of(made, "steady")) <= 1, "the other host has ended its shards")
        made.stop()


@pytest.mark.matrix
def test_a_host_that_hears_nothing_more_ends_its_shards(tmp_path: Path) -> None:
    with cluster(tmp_path) as made:
        made.start("alone")
        with placed(made.address, 10) as place:
            (host,) = place.members
            gone(host.call("start", 1, 1, "127.0.0.1", 1.0))


async def until_none_but(before: set[int]) -> None:
    await asyncio.to_thread(until, lambda: children() <= before, "the shards ended")


def test_shards_that_start_slowly_are_not_abandoned_meanwhile() -> None:
    async def check() -> None:
        host = HostShards()
        before = children()
        pids = await host.start(1, 3, "127.0.0.1", abandoned_s=0.0)
        assert len(pids) == 3
        await asyncio.to_thread(gone, pids)
        await until_none_but(before)

    Shard(0, Queue()).stop()  # so that the fork server runs before
    asyncio.run(check())


def test_a_load_that_is_ended_while_its_shards_start_stops_each_of_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[Shard] = []

    class Watched(Shard):
        def stop(self) -> None:
            stopped.append(self)
            if len(stopped) == 1:  # so that the next one starts while this one is being stopped
                until(lambda: len(stopped) > 1, "the shard that started meanwhile is stopped")
            super().stop()

    async def check() -> None:
        host = HostShards()
        before = children()
        starting = asyncio.create_task(host.start(1, 20, "127.0.0.1"))
        await asyncio.to_thread(until, lambda: len(children() - before) > 1, "the second shard started")
        await host.end()
        with pytest.raises(LoadError, match="was ended while its shards started"):
            await starting
        await until_none_but(before)
        assert len(stopped) == len(set(stopped))

    Shard(0, Queue()).stop()
    monkeypatch.setattr("runners.cluster.host.Shard", Watched)
    asyncio.run(check())


@pytest.mark.matrix
@pytest.mark.usefixtures("impatient")
def test_a_scheduler_that_is_killed_ends_the_load(tmp_path: Path) -> None:
    with cluster(tmp_path) as made, serving() as server:
        made.start("alone")
        scheduler = next(
            one
            for one in psutil.process_iter(["cmdline"])
            if "scheduler" in (one.info["cmdline"] or []) and one.cwd() == str(tmp_path)
        )
        with meanwhile(server, scheduler.kill), pytest.raises(HostLostError, match="host alone"):
            load(server, made.address, duration_s=60.0)


@pytest.mark.matrix
def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with serving() as server, cluster(tmp_path) as made:
        with pytest.raises(UsageError, match="has no workers; start one on each host with"):
            load(server, made.address)
        made.start("silent", shards=None)
        with pytest.raises(UsageError, match="silent does not say how many shards it runs"):
            load(server, made.address)
    with serving() as server, pytest.raises(LoadError, match="cannot be reached within"):
        load(server, "tcp://127.0.0.1:9")


def test_too_many_hosts_and_too_few_connections_are_refused(two_hosts: Cluster) -> None:
    with serving() as server:
        with pytest.raises(UsageError, match="--hosts 3: the scheduler has 2 workers"):
            load(server, two_hosts.address, most_hosts=3)
        with pytest.raises(UsageError, match="2 connections are too few for 3 shards"):
            load(server, two_hosts.address, connections=2)


@pytest.mark.parametrize("address", ["", "127.0.0.1:8786", "http://127.0.0.1:8786", "tcp://127.0.0.1", "tcp://[::1"])
def test_what_is_no_address_of_a_scheduler_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a scheduler"), placed(address, 10):
        pass


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("tcp://127.0.0.1:1", False),
        ("tcp://localhost:1", False),
        ("tcp://192.0.2.1:1", True),
        ("tls://192.0.2.1:1", False),
    ],
)
def test_a_scheduler_without_tls_is_open_to_others(address: str, is_open: bool) -> None:
    assert is_open_to_others(address) is is_open


# TLS


@pytest.mark.matrix
def test_hosts_trust_the_certificates_that_the_command_trusts(two_hosts: Cluster) -> None:
    """They get the file itself, which they do not have."""
    with serving_securely() as url:
        report = load_echo_server(
            url,
            "websocket",
            connections=6,
            duration_s=0.5,
            warmup_s=0.2,
            pace=Open(100.0),
            payload_bytes=64,
            shards=1,
            client=ClientOptions(ca=str(CERTIFICATE)),
            scheduler=two_hosts.address,
        )
    assert report["connections"] == 6
    assert report["sent"] == report["received"] > 0


@pytest.mark.matrix
def test_a_scheduler_with_certificates(tmp_path: Path) -> None:
    import dask

    key = CERTIFICATE.with_name("key.pem")
    security = ["--tls-ca-file", str(CERTIFICATE), "--tls-cert", str(CERTIFICATE), "--tls-key", str(key)]
    own = {"ca-file": str(CERTIFICATE), "client.cert": str(CERTIFICATE), "client.key": str(key)}
    with cluster(tmp_path, security=[*security, "--protocol", "tls"]) as made, serving() as server:
        assert made.address.startswith("tls://")
        made.start("safe")
        with pytest.raises(UsageError, match="needs certificates, and Dask's configuration has none"):
            load(server, made.address)
        with dask.config.set({f"distributed.comm.tls.{name}": value for name, value in own.items()}):
            report = load(server, made.address)
    assert report["sent"] == report["received"] > 0
    assert not any("plain TCP" in note for note in report["notes"])


# What several hosts measure together


@pytest.mark.matrix
def test_two_hosts_measure_what_one_host_measures(two_hosts: Cluster) -> None:
    """Three loads from each, in turn: their intervals for the mean of the median overlap."""
    found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    with serving(lie=thinking) as server:
        for hosts in (1, 2, 2, 1, 1, 2):
            found[hosts].append(load(server, two_hosts.address, most_hosts=hosts, pace=Open(300.0)))
    for reports in found.values():
        assert all(one["sent"] == one["received"] for one in reports)
        assert all(one["messages_per_second"] == pytest.approx(300, rel=0.05) for one in reports)
        assert all(one["latency_ms"]["p50"] >= 1000 * THINK_S for one in reports)
    (low, high), (other_low, other_high) = (interval([one["latency_ms"]["p50"] for one in found[n]]) for n in (1, 2))
    assert low <= other_high
    assert other_low <= high


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of three values, at least a tenth wide: Student, two degrees of freedom."""
    half = max(4.303 * stdev(values) / 3**0.5, 0.05 * mean(values))
    return mean(values) - half, mean(values) + half


THINK_S = 0.05


def thinking(talk: Talk, answer: bytes) -> None:
    talk.server.loop.call_later(THINK_S, talk.send, answer)


@pytest.mark.matrix
def test_throughput_is_that_of_all_hosts(tmp_path: Path) -> None:
    """By Little's law, throughput times mean latency is the number of clients, on a busy machine too. Ten per host."""
    with cluster(tmp_path) as made, serving(lie=thinking) as server:
        for number in range(4):
            made.start(f"host-{number}")
        for hosts in (1, 2, 4):
            report = load(server, made.address, most_hosts=hosts, connections=10 * hosts, pace=Closed())
            assert len(report["hosts"]) == hosts
            assert report["latency_ms"]["p50"] >= 1000 * THINK_S
            low, high = (report["messages_per_second"] * report["latency_ms"][of] / 1000 for of in ("p50", "max"))
            assert 0.9 * low <= 10 * hosts <= 1.1 * high, "the mean is between them"


# Hosts of their own


@pytest.mark.matrix
def test_a_clock_that_is_ahead_changes_no_round_trip(tmp_path: Path) -> None:
    if not has_time_namespaces():
        pytest.skip("another clock needs root and time namespaces (Linux 5.6)")
    with cluster(tmp_path) as made, serving() as server:
        made.start("ahead", ahead_s=0.25)
        report = load(server, made.address)
    (host,) = report["hosts"]
    assert host["clock_offset_ms"] == pytest.approx(250, abs=host["clock_error_ms"] + 0.1)
    assert report["latency_ms"]["p50"] < 100


@pytest.mark.matrix
def test_load_comes_from_the_addresses_of_the_hosts(tmp_path: Path) -> None:
    with network(2) as net, serving(at=net.address) as server, cluster(tmp_path, at=net.address) as made:
        for number, host in enumerate(net.hosts):
            made.start(f"host-{number}", host=host)
        report = load(server, made.address)
        peers = server.peers
    assert peers == {host.address for host in net.hosts}
    assert any("plain TCP" in note for note in report["notes"])


@pytest.mark.matrix
def test_a_host_with_few_ports_uses_more_addresses(tmp_path: Path) -> None:
    with (
        network(1, more_addresses=2) as net,
        serving(at=net.address) as server,
        cluster(tmp_path, at=net.address) as made,
    ):
        (host,) = net.hosts
        made.start("small", host=host)
        host.set_ports(33_000, 33_019)
        report = load(server, made.address, connections=50)
        assert report["connections"] == 50
        assert len(server.peers) == 3
        with pytest.raises(LoadError, match="61 connections from one host need 4 addresses, because each has 20 ports"):
            load(server, made.address, connections=61)
