"""Tests with independent clients: the features of a running application, and how it handles faults."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import CloseCode

from runners import contract, resources
from runners.evidence.copies import RAISED, HintError, raising
from runners.record import Finding, publishable
from runners.serving import server
from runners.serving.deployment import serve_variant
from runners.subjects.catalog import Framework, Variant

SETTLED_READINGS = 5
"""Number of equal readings in a row after which the number of threads has settled."""
REACTION_S = 2.0
"""Seconds to wait for an answer, many times what a local server needs."""
ENDING_S = 8.0
"""Seconds after which a connection counts as left open. Some servers keep a connection that they have given up until a
keep-alive expires, by default after 2 to 5 s."""
PATIENCE_S = 75.0
"""Seconds that we wait for a server to notice a vanished client. The longest default of a measured server is 20 s until
a ping, and 30 s until it gives up the client."""
VANISHED = ("vanish-noticed", "vanish-s")
CLIENTS = 20
"""Number of clients that stay connected while threads are counted."""
SPREAD_TRIES = 40
"""Maximum number of clients that connect until two processes have clients."""
_RESERVED = bytes([0xF1, 0x85]) + b"mask" + bytes(5)
"""A masked text frame of five bytes with all reserved bits set, which no negotiated extension allows."""
_SOCKET_IO = "/socket.io/?EIO=4&transport=websocket"
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
)


def server_findings(framework: Framework, variant: Variant, *, logs: Path) -> list[Finding]:
    """The features of one running server and, as the last test, its handling of a client that sends garbage."""
    with serve_variant(framework, variant, logs=logs) as deployment:
        started = deployment.server
        return [
            _transports(started),
            _broadcasts(started),
            _plain_websocket(started),
            _threads(started),
            *_garbage(started),
        ]


def _transports(started: server.Server) -> Finding:
    proven: list[tuple[str, str]] = []
    failed: list[tuple[str, str]] = []
    for transport in started.variant.transports:
        check = "events" if transport == "sse" else "echo-text"
        (found,) = started.check([check], [transport])
        (proven if found.ok else failed).append((transport, found.detail))
    note = "; ".join(f"{name}: {detail}" for name, detail in failed) or None
    return Finding(item="transports", value=[name for name, _ in proven], note=note)


def _broadcasts(started: server.Server) -> Finding:
    if started.variant.uses_broker:
        return Finding(item="broadcast-alone", note="this variant uses a broker")
    (found,) = started.check(["room"])
    return Finding(item="broadcast-alone", value=found.ok, note=None if found.ok else found.detail)


def _plain_websocket(started: server.Server) -> Finding:
    """Whether a WebSocket client without the framework's own protocol receives its text back."""
    path = "/echo" if started.framework.protocol == "websocket" else _SOCKET_IO

    async def exchange() -> tuple[bool, str]:
        try:
            async with websockets.asyncio.client.connect(
                started.websocket_url + path, proxy=None, open_timeout=REACTION_S, close_timeout=REACTION_S
            ) as plain:
                await plain.send("hello from a plain client")
                async with asyncio.timeout(REACTION_S):
                    while await plain.recv() != "hello from a plain client":
                        pass
                return True, "the text came back"
        except ConnectionClosed as closed:
            return False, _describe_end(closed)
        except TimeoutError:
            return False, "the text did not come back"
        except (OSError, WebSocketException) as error:
            return False, f"no connection: {error}"

    value, note = asyncio.run(exchange())
    return Finding(item="plain-websocket", value=value, note=note)


def _threads(started: server.Server) -> Finding:
    """Threads per idle client, rounded to a tenth, because one or two threads come and go in some servers."""
    before = _settled_threads(started.child.pid)

    async def count_with_clients() -> int:
        async with contextlib.AsyncExitStack() as stack:
            app = started.client()
            for _ in range(CLIENTS):
                echoer = await stack.enter_async_context(app.echoer("websocket"))
                await asyncio.wait_for(echoer.echo("here"), REACTION_S)
            return await asyncio.to_thread(_settled_threads, started.child.pid)

    after = asyncio.run(count_with_clients())
    return Finding(
        item="thread-per-client",
        value=round(max(0, after - before) / CLIENTS, 1),
        note=f"{before} threads without clients, {after} with {CLIENTS}",
    )


def _settled_threads(pid: int) -> int:
    """The number of threads once it has settled, or the last reading if it does not."""
    readings: list[int] = []
    until = time.monotonic() + REACTION_S
    while len(set(readings[-SETTLED_READINGS:])) != 1 or len(readings) < SETTLED_READINGS:
        readings.append(resources.count_threads(pid))
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    return readings[-1]


def exception_findings(framework: Framework, variant: Variant, *, logs: Path) -> list[Finding]:
    """The effects of an exception in the echo handler: for its client, in the log, and for other clients."""
    items = ("raise-sender", "raise-logged", "raise-others")
    try:
        with raising(framework) as copy, serve_variant(copy, variant, logs=logs) as deployment:
            sender, others = asyncio.run(_beside_a_viewer(deployment.server, _send_to_raising(deployment.server)))
            logged = _wait_for_text(deployment.server.child.log, RAISED)
    except HintError as error:
        return [Finding(item=item, note=str(error)) for item in items]
    return [
        Finding(item="raise-sender", value=sender),
        Finding(item="raise-logged", value=logged),
        Finding(item="raise-others", value=others),
    ]


def _wait_for_text(log: Path, text: str) -> bool:
    """Whether the log contains this text within `REACTION_S`."""
    until = time.monotonic() + REACTION_S
    while text not in log.read_text("utf-8", "replace"):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


async def _send_to_raising(started: server.Server) -> str:
    app = started.client()
    try:
        async with app.echoer("websocket") as echoer:
            try:
                answer = await asyncio.wait_for(echoer.echo("please raise"), ENDING_S)
            except TimeoutError:
                return "no answer, and its connection stays open"
            return f"the answer {answer!r}"[:200]
    except ConnectionClosed as closed:
        return _describe_end(closed)
    except Exception as error:  # noqa: BLE001 - any error that the client library raises is the result
        return f"{type(error).__name__}: {error}"[:200]


def _garbage(started: server.Server) -> list[Finding]:
    """The effects of invalid bytes instead of a frame: for the client that sends them, and for other clients."""
    sender, others = asyncio.run(_beside_a_viewer(started, asyncio.to_thread(_send_garbage, started)))
    return [Finding(item="garbage-sender", value=sender), Finding(item="garbage-others", value=others)]


def _send_garbage(started: server.Server) -> str:
    with contextlib.closing(_open_socket(started)) as connection:
        connection.settimeout(ENDING_S)
        connection.sendall(_RESERVED)
        received = b""
        try:
            while piece := connection.recv(4096):
                received += piece
        except TimeoutError:
            return "nothing: its connection stays open"
        except ConnectionResetError:
            return "its connection is reset"
        return f"its connection is closed, with code {code}" if (code := _close_code(received)) else _CUT


def _close_code(received: bytes) -> int | None:
    """The code of the close frame among the server's frames; 1005 if it has none (RFC 6455, 7.4.1)."""
    while len(received) >= 2:
        size, head = received[1] & 0x7F, 2
        if size == 126:
            size, head = int.from_bytes(received[2:4], "big"), 4
        if received[0] & 0x0F == 0x8:
            return int.from_bytes(received[head : head + 2], "big") if size >= 2 else 1005
        received = received[head + size :]
    return None


async def _beside_a_viewer(started: server.Server, fault: Awaitable[str]) -> tuple[str, bool]:
    """Cause a fault while another client views the dashboard.

    Returns the result of the fault, and whether the viewer still receives answers and snapshots afterwards.
    """
    app = started.client()
    async with app.viewer() as viewer:
        update = {"panel": "evidence", "value": 1.0, "client": 1, "seq": 1}
        await asyncio.wait_for(viewer.update(update), REACTION_S)
        sender = await fault
        viewer.forget_beats()
        try:
            await asyncio.wait_for(viewer.update(update | {"seq": 2}), REACTION_S)
            await asyncio.wait_for(viewer.next_beat(), REACTION_S)
        except Exception:  # noqa: BLE001 - any error means that the viewer does not work any more
            return sender, False
        return sender, True


def wait_until_noticed(servers: Sequence[server.Server], clients: int) -> list[list[list[Finding]]]:
    """Measure how long each server takes to end the connection of a client that no longer answers.

    Returns the findings of each client for each server. The clients connect one after the other within a second. Some
    servers check for vanished clients once per second, so the result depends on the time of connecting.
    """

    async def wait_as_client(started: server.Server, delay_s: float) -> list[Finding]:
        await asyncio.sleep(delay_s)
        try:
            connection = await asyncio.to_thread(_open_socket, started)
        except OSError as error:
            return [Finding(item=item, note=publishable(str(error))) for item in VANISHED]
        with contextlib.closing(connection):
            if started.framework.protocol == "socket.io":
                await asyncio.to_thread(connection.sendall, _masked(b"40"))
            connection.setblocking(False)
            return await _wait_for_end(connection)

    async def wait_at(started: server.Server) -> list[list[Finding]]:
        return list(await asyncio.gather(*(wait_as_client(started, number / clients) for number in range(clients))))

    async def wait_everywhere() -> list[list[list[Finding]]]:
        return list(await asyncio.gather(*(wait_at(one) for one in servers)))

    return asyncio.run(wait_everywhere())


async def _wait_for_end(connection: socket.socket) -> list[Finding]:
    """Read without answering, until the server ends the connection or `PATIENCE_S` have passed."""
    began = time.monotonic()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while await loop.sock_recv(connection, 4096):
                pass  # pings and snapshots
    except TimeoutError:
        why = f"not within {PATIENCE_S:.0f} s"
        return [Finding(item="vanish-noticed", value=False, note=why), Finding(item="vanish-s", note=why)]
    except OSError:
        pass  # the connection was reset
    seconds = round(time.monotonic() - began)
    return [Finding(item="vanish-noticed", value=True), Finding(item="vanish-s", value=seconds)]


def cross_process_finding(framework: Framework, variant: Variant, *, logs: Path) -> Finding:
    """Whether a room of a server with two processes reaches the clients of both."""
    if not any("{workers}" in word for word in variant.command):
        return Finding(item="cross-process", value=False, note="its command starts one process")
    with serve_variant(framework, variant, logs=logs, workers=2) as deployment:
        reached, note = asyncio.run(_reaches_all(deployment.server))
        return Finding(item="cross-process", value=reached, note=note)


async def _reaches_all(started: server.Server) -> tuple[bool | None, str]:
    app = started.client()
    async with contextlib.AsyncExitStack() as stack:
        members: list[contract.Member] = []
        while len(members) < SPREAD_TRIES:
            members.append(await stack.enter_async_context(app.member("evidence")))
            if len(members) >= 4 and len(spread := resources.read_spread(started.child.pid, started.port)) > 1:
                break
        else:
            return None, f"all of {SPREAD_TRIES} clients were connected to the same process"
        await asyncio.sleep(0.5)  # the subscriptions reach the broker
        await members[0].publish("to everybody")
        received = await asyncio.gather(*(_receives(member.next_text) for member in members))
        clients = " and ".join(map(str, spread))
        note = f"{sum(received)} of {len(members)} clients received it, on processes with {clients} clients"
        return all(received), note


async def _receives(next_text: Callable[[], Awaitable[str]]) -> bool:
    try:
        async with asyncio.timeout(REACTION_S):
            while await next_text() != "to everybody":
                pass
    except TimeoutError:
        return False
    return True


def _open_socket(started: server.Server) -> socket.socket:
    """A TCP connection after the WebSocket handshake; raises `OSError`."""
    path = "/dashboard" if started.framework.protocol == "websocket" else _SOCKET_IO
    address = urlsplit(started.base_url)
    connection = socket.create_connection((address.hostname or "", address.port or 80), timeout=REACTION_S)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(_HANDSHAKE.format(path=path, host=address.netloc, key=key).encode())
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(1)
        if not piece:
            raise ConnectionResetError(f"the handshake was refused: {publishable(received.decode('latin-1'))}")
        received += piece
    return connection


def _masked(payload: bytes) -> bytes:
    """A text frame of fewer than 126 bytes, its mask all zeros."""
    return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload


def _describe_end(closed: ConnectionClosed) -> str:
    """How a connection ended, as its client's library reports it."""
    if closed.rcvd is not None:
        return f"its connection is closed, with code {closed.rcvd.code}"
    if closed.sent is not None and closed.sent.code == CloseCode.PROTOCOL_ERROR:
        return "what comes back is no WebSocket frame, and its library gives up"
    return _CUT


_CUT = "its connection is cut without a close frame"
