"""What goes wrong through a proxy names the proxy: it does not start, refuses, loses patience, or holds data back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from runners import machine, measurement
from runners.contract.server_settings import ServerSettings
from runners.loadgen.pace import Open
from runners.measurement import Cell, Conditions
from runners.record.schema import Topology
from runners.serving import proxy
from runners.serving.deployment import Deployments, StageError, serve_variant
from runners.serving.proxy_log import MOST_COMPLAINTS, complaints_in
from runners.subjects import catalog
from runners.subjects.catalog import Framework
from runners.subjects.profiles import Profile
from runners.subjects.workloads import ECHO
from tests.support import needs
from tests.support.processes import until

Change = Callable[[Topology, str, str], None]


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Change:
    """Replaces a part of the configuration of a proxy, which must be there."""

    def replace_part(topology: Topology, part: str, by: str) -> None:
        needs.proxy_program(topology)
        kind = proxy._KINDS[topology]

        def configure(address: str, port: object, servers: Sequence[object], folder: object) -> str:
            text = kind.configure(address, port, servers, folder)
            assert part in text
            return text.replace(part, by)

        monkeypatch.setitem(proxy._KINDS, topology, replace(kind, configure=configure))

    return replace_part


REFUSE = "    http-request deny deny_status 403 if { hdr(upgrade) -i websocket }\n    default_backend app\n"


@pytest.mark.parametrize(
    ("topology", "part", "by", "words"),
    [
        ("nginx", "worker_processes 1;", "worker_processes some;", "nginx does not listen on port .*worker_processes"),
        ("haproxy", "mode http", "mode https", "HAProxy does not listen on port .*https"),
    ],
)
def test_one_that_does_not_start(
    reference: Framework, tmp_path: Path, change: Change, topology: Topology, part: str, by: str, words: str
) -> None:
    change(topology, part, by)
    with (
        pytest.raises(StageError, match=words) as raised,
        serve_variant(reference, reference.variants[0].under("", topology), logs=tmp_path),
    ):
        pass
    assert (raised.value.failure.stage, raised.value.unavailable) == ("proxy", True)


def test_one_that_refuses_the_upgrade(reference: Framework, tmp_path: Path, change: Change) -> None:
    change("haproxy", "    default_backend app\n", REFUSE)
    words = "echo-text: HAProxy breaks the contract: .*403.*; without it, the server passes this check"
    with (
        pytest.raises(StageError, match=words) as raised,
        serve_variant(
            reference, reference.variants[0].under("", "haproxy"), logs=tmp_path, checks={"health", "echo-text"}
        ),
    ):
        pass
    assert raised.value.failure.stage == "ready"
    assert "health" not in str(raised.value)


def test_what_the_server_itself_breaks_does_not_name_the_proxy(reference: Framework, tmp_path: Path) -> None:
    needs.proxy_program("haproxy")
    with serve_variant(reference, reference.variants[0].under("", "haproxy"), logs=tmp_path) as serving:
        server = serving.server
        elsewhere = replace(server, base_url=f"{server.base_url}/nowhere", front_url=f"{server.url}/nowhere")
        (check,) = elsewhere.check({"echo-text"})
    assert not check.ok
    assert "HAProxy" not in check.detail


@pytest.mark.parametrize(
    ("topology", "part", "by", "words"),
    [
        ("nginx", "proxy_buffering off;", "proxy_buffering off; proxy_read_timeout 1s;", "nginx: upstream timed out"),
        ("haproxy", "timeout tunnel 1h", "timeout tunnel 1s", "HAProxy: the [a-z]+ was silent until a timeout"),
    ],
)
def test_one_that_ends_an_idle_connection_logs_it(
    reference: Framework, tmp_path: Path, change: Change, topology: Topology, part: str, by: str, words: str
) -> None:
    change(topology, part, by)

    async def stay(url: str) -> None:
        async with connect(url, ping_interval=None, proxy=None) as client:
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(client.recv(), 10)

    with serve_variant(reference, reference.variants[0].under("", topology), logs=tmp_path) as serving:
        assert serving.proxy is not None
        front, began = serving.proxy, serving.proxy.log_bytes
        asyncio.run(stay(f"{serving.server.websocket_url}/echo"))
        until(lambda: bool(front.complaints()), "it is in the log")
        (complaint,) = serving.proxy.complaints(began)
        assert serving.proxy.complaints(serving.proxy.log_bytes) == []
    assert re.match(words, complaint)


BRIEF = Profile("quick", rounds=1, warmup_s=0.2, duration_s=1.5, rechecks=False)


@pytest.mark.measures
def test_a_measurement_whose_connections_it_ended_says_so(reference: Framework, change: Change) -> None:
    change("nginx", "proxy_buffering off;", "proxy_buffering off; proxy_read_timeout 1s;")
    scenario = replace(ECHO.scenarios[1], connections=4, pace=Open(1.0))
    cell = Cell(reference, reference.variants[0], ECHO, scenario).under("", "nginx")
    cores = measurement.cores_for(scenario, machine.physical_cores())
    with Deployments() as deployments:
        (result,) = measurement.measure_cells([cell], [Conditions(BRIEF, cores, 1, 0, 7)], deployments)
    found = result.measurement
    assert found.failure is None
    assert found.connections is not None
    assert found.connections.closed_early > 0
    assert found.proxy_complaints[0].startswith("nginx: upstream timed out (110: Connection timed out) while")
    (reason,) = (one for one in found.invalid_reasons if one.startswith("connections closed by the server"))
    assert reason.endswith(f", by the proxy: {found.proxy_complaints[0]}")


def test_one_that_buffers_a_stream(tmp_path: Path, change: Change) -> None:
    """As nginx by default: it asks in HTTP/1.0, so the server sends no chunks, and waits until 4 KiB are there."""
    change("nginx", "proxy_buffering off;", "")
    change("nginx", "proxy_http_version 1.1;", "")
    (framework,) = catalog.choose_frameworks(["flask-socketio/gevent"])
    behind = framework.variants[0].under("", "nginx")
    with (
        pytest.raises(
            StageError, match=r"^events: nginx buffers the stream: .*; without it, the server passes"
        ) as raised,
        serve_variant(
            framework, behind, logs=tmp_path, settings=ServerSettings(push_period_s=0.05), checks={"health", "events"}
        ),
    ):
        pass
    assert raised.value.failure.stage == "ready"


NGINX = '2026/11/28 20:00:00 [{}] 7#7: *{} {}, client: 127.0.0.1, server: , request: "GET / HTTP/1.1"'
HAPROXY = (
    '127.0.0.1:5 [28/Nov/2026:20:00:00.000] clients app/app 0/0/0/1/{} {} 129 - - {} 1/1/0/0/0 0/0 "GET / HTTP/1.1"'
)


@pytest.mark.parametrize(
    ("lines", "complaints"),
    [
        ([], []),
        ([NGINX.format("notice", 1, "signal process started"), "hello"], []),
        (
            [NGINX.format("error", number, "upstream timed out (110)") for number in range(3)],
            ["upstream timed out (110) (3 times)"],
        ),
        ([NGINX.format("info", 1, "client closed connection")], []),
        ([NGINX.format("info", 1, "client timed out (110)")], ["client timed out (110)"]),
        ([HAPROXY.format(9, 101, state) for state in ("CD--", "----", "CR--")], []),
        (
            [HAPROXY.format(9, 101, "sD--"), HAPROXY.format(9, 503, "SC--")],
            [
                "the server was silent until a timeout, in an open connection (state sD, status 101)",
                "the server refused or broke the connection, before the server was connected (state SC, status 503)",
            ],
        ),
        (
            [NGINX.format("error", 1, f"trouble {number}") for number in range(9)],
            [f"trouble {number}" for number in range(MOST_COMPLAINTS)],
        ),
    ],
)
def test_complaints_are_errors_counted_by_their_text(lines: list[str], complaints: list[str]) -> None:
    assert complaints_in(lines) == complaints
