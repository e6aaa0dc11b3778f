"""Several servers of Socket.IO behind a proxy: each client stays with one of them, and where it does not, the failure
says so.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import socketio

from runners.loadgen.causes import RefusedError
from runners.loadgen.engine_io import NOT_STICKY
from runners.loadgen.pace import Closed
from runners.loadgen.polling import open_session
from runners.loading import driver
from runners.record.schema import Topology
from runners.resources import Watch
from runners.serving import proxy
from runners.serving.deployment import Deployment, serve_variant
from runners.serving.proxy import Proxy, needs_sticky_sessions, start_proxy
from runners.serving.server import Server
from runners.subjects import catalog, topologies
from runners.subjects.catalog import Framework, Variant
from tests.support import needs
from tests.support.loading import job
from tests.support.processes import gone

TOPOLOGIES: tuple[Topology, ...] = tuple(name for name, row in topologies.TOPOLOGIES.items() if row.is_proxy)
SCALING = [
    (framework, variant)
    for framework in catalog.discover()
    if framework.protocol == "socket.io"
    for variant in framework.variants
    if variant.scales and "polling" in variant.transports
]
CLIENTS = 10


def behind(server: Server, front: Proxy) -> Server:
    return replace(server, front_url=f"http://127.0.0.1:{front.port}")


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two servers behind HAProxy."""
    needs.proxy_program("haproxy")
    framework, variant = next(one for one in SCALING if one[1].broker == "redis")
    logs = tmp_path_factory.mktemp("sticky")
    with needs.serving(variant), serve_variant(framework, variant.under("", "haproxy"), logs=logs, workers=2) as one:
        yield one
        processes = [pid for watch in one.watches().values() for pid in watch.pids]
    gone(processes)


@pytest.fixture
def through_nginx(serving: Deployment, tmp_path: Path) -> Iterator[Server]:
    """The same two servers behind nginx."""
    front = start_proxy(needs.proxy_program("nginx"), *serving.server.ports, cpus=(), logs=tmp_path)
    yield behind(serving.server, front)
    front.stop()


@pytest.mark.parametrize(
    ("protocol", "topology", "workers", "is_needed"),
    [
        ("socket.io", "nginx", 2, True),
        ("socket.io", "haproxy", 4, True),
        ("socket.io", "nginx", 1, False),
        ("socket.io", "direct", 2, False),
        ("websocket", "nginx", 2, False),
    ],
)
def test_it_is_for_several_processes_of_socketio_behind_a_proxy(
    protocol: str, topology: Topology, workers: int, is_needed: bool
) -> None:
    framework, variant = SCALING[0]
    framework = framework.model_copy(update={"protocol": protocol})
    assert needs_sticky_sessions(framework, variant.under("", topology), workers) is is_needed


def test_the_servers_are_one_process_each_and_measured_together(serving: Deployment) -> None:
    assert len(set(serving.server.ports)) == len(set(serving.server.pids)) == 2
    together = serving.watches()["server"].total_cpu_s()
    assert together > max(Watch(pid).total_cpu_s() for pid in serving.server.pids)
    assert [one.workers for one in serving.server.all_servers] == [1, 1]


@pytest.mark.parametrize("topology", proxy.PROGRAMS)
def test_every_session_stays_with_its_server(
    serving: Deployment, topology: Topology, request: pytest.FixtureRequest
) -> None:
    server: Server = serving.server if topology == "haproxy" else request.getfixturevalue("through_nginx")
    assert [check for check in server.check({"echo-text", "room"}) if not check.ok] == []
    assert asyncio.run(upgraded(server.url)) == ["websocket"] * CLIENTS


async def upgraded(url: str) -> list[str]:
    """The transports of clients that begin by polling, as browsers do, while all of them are connected."""
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(CLIENTS):
            # As in browsers: cookies of IP addresses are kept too.
            session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
            await stack.enter_async_context(session)
            clients.append(socketio.AsyncClient(reconnection=False, http_session=session))
            stack.push_async_callback(clients[-1].disconnect)
            await clients[-1].connect(url)
        assert [await client.call("echo", "hello") for client in clients] == ["hello"] * CLIENTS
        return [client.transport() for client in clients]


def test_clients_are_on_all_servers(serving: Deployment) -> None:
    asked = job(serving.server.websocket_url, protocol="socket.io", transport="polling", pace=Closed())
    with driver.ShardGroup() as running:
        running.connect(asked)
        spread = serving.server.spread()
        running.load(0.2)
        result = running.finish()
    assert len(spread) == 2
    assert result.errors == {}
    assert result.ledger.sent == result.ledger.received > 0


def test_without_them_the_failure_names_them(
    serving: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = needs.proxy_program("nginx")
    monkeypatch.setattr(proxy, "_NGINX_HASH", "")  # then nginx takes turns
    front = start_proxy(program, *serving.server.ports, cpus=(), logs=tmp_path)
    server = behind(serving.server, front)
    try:
        (check,) = server.check({"echo-text"}, ["polling"])
        with pytest.raises(RefusedError) as raised:
            open_session(server.websocket_url, 5.0)
    finally:
        front.stop()
    for words in (check.detail, str(raised.value)):
        assert "Invalid session" in words
        assert NOT_STICKY in words


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_facts_have_the_configuration_for_several_servers(topology: Topology) -> None:
    program = needs.proxy_program(topology)
    facts, plain = program.facts(is_sticky=True), program.facts()
    assert facts.configuration == plain.configuration
    assert [line for line in facts.sticky_configuration if "127.0.0.1:SERVER_2" in line]
    assert plain.sticky_configuration == []
    assert plain.sticky_sha256 is None
    assert facts.sticky_sha256 not in (None, facts.sha256)


def test_a_restarted_pair_is_behind_the_same_proxy(serving: Deployment) -> None:
    before = serving.server
    serving.kill()
    serving.restart()
    assert serving.server.ports == before.ports
    assert not set(serving.server.pids) & set(before.pids)
    assert serving.server.url == before.url
    assert [check for check in serving.server.check({"echo-text"}) if not check.ok] == []


@pytest.mark.matrix
# Clients of Socket.IO over TLS leave some sockets to the garbage collector. The contract is judged by its checks.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("subject", SCALING, ids=[f"{one.slug}-{variant.slug}" for one, variant in SCALING])
def test_every_variant_that_scales_keeps_the_contract(
    subject: tuple[Framework, Variant], topology: Topology, tmp_path: Path
) -> None:
    framework, variant = subject
    needs.proxy_program(topology)
    with (
        needs.serving(variant),
        serve_variant(framework, variant.under("", topology), logs=tmp_path, workers=2) as serving,
    ):
        assert [check for check in serving.server.check({"health", "echo-text", "room"}) if not check.ok] == []
    gc.collect()  # here, where the warnings are expected
