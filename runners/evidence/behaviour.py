"""Tests with independent clients: the features of a running application, and how it handles faults."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from pathlib import Path
from urllib.parse import urlsplit

import websockets.asyncio.client
from socketio.exceptions import SocketIOError
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import CloseCode

from runners import contract, resources
from runners.contract.answers import RefusedServerError
from runners.evidence import client_frames
from runners.evidence.copies import RAISED, raising, slow
from runners.evidence.tries import TRIES, describe_tries, judge_tries
from runners.loadgen.packet_filter import drop_packets
from runners.record import Finding, publishable, with_own_end
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
PATIENCE_S = 150.0
"""Seconds that we wait for a server to notice a client that is silent or dead. The longest documented default is
uWebSockets' ``idleTimeout``, 120 s without a message. Engine.IO sends a ping after 25 s and gives up 20 s later."""
VANISHED = ("silent-close-s", "silent-end-s", "dead-peer", "dead-peer-s")
LOOK_S = 1.0
"""Seconds between two looks at the kernel's table of connections."""
DRAIN_S = 10.0
"""Seconds that a server has to end after SIGTERM: those after which `docker stop` kills."""
IN_FLIGHT_S = 0.3
"""Seconds that a message takes while the server gets SIGTERM."""
PROCESSES = ("several-processes", "cross-process")
_ONE_PROCESS = "its command starts one process"
AT_ONCE = 10
"""Number of clients that cause a fault at the same time, so that servers which leave connections open take 16 s."""
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
        if not answers_messages(framework):
            return [
                *_transports(started),
                Finding(item="plain-websocket", value=False, note=why_no_messages(framework)),
                *without_messages(framework, _OF_MESSAGES),
            ]
        return [
            *_transports(started),
            _broadcasts(started),
            _plain_websocket(started),
            _threads(started),
            *_garbage(started),
        ]


_OF_MESSAGES = ("broadcast-alone", "thread-per-client", "garbage-sender", "garbage-close-frame", "garbage-others")


def answers_messages(framework: Framework) -> bool:
    """Whether clients can send messages to its application, as most tests here do."""
    return "echo" in framework.exchanges


def why_no_messages(framework: Framework) -> str:
    """The reason for what cannot be determined of an application that `answers_messages` is not true of."""
    return framework.cannot.get("echo", "its application answers no messages: its exchanges have no echo")


def without_messages(framework: Framework, items: Sequence[str]) -> list[Finding]:
    """The findings, without values, on items for which an application has to answer messages."""
    return [Finding(item=item, note=why_no_messages(framework)) for item in items]


def _transports(started: server.Server) -> list[Finding]:
    failed: dict[str, str] = {}
    proven: list[str] = []
    for transport in started.variant.transports:
        check = "events" if transport == "sse" else "echo-text"
        (found,) = started.check([check], [transport])
        if found.ok:
            proven.append(transport)
        else:
            failed[transport] = found.detail
    note = "; ".join(f"{name}: {detail}" for name, detail in failed.items()) or None
    reasons = started.framework.cannot | failed
    return [
        Finding(item="transports", value=proven, note=note),
        *(Finding(item=one, value=one in proven, note=reasons.get(one)) for one in ("sse", "polling")),
    ]


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
    """The effects of an exception in the echo handler: for its client, in the log, and for other clients.

    Raises `HintError` if the folder does not name the handler's line.
    """
    with raising(framework) as copy, serve_variant(copy, variant, logs=logs) as deployment:
        app = deployment.server.client()
        seen, others = asyncio.run(_beside_a_viewer(deployment.server, lambda: send_to_raising(app)))
        logged = _wait_for_text(deployment.server.child.log, RAISED)
    return [
        Finding(item="raise-sender", value=describe_tries([what for what, _ in seen])),
        judge_tries("raise-reported", [is_reported for _, is_reported in seen]),
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


async def send_to_raising(app: contract.App) -> tuple[str, bool]:
    """What the client sees, and whether that reports an error: an answer, or a close frame with a code for errors."""
    try:
        async with app.echoer("websocket") as echoer:
            try:
                answer = await asyncio.wait_for(echoer.echo("please raise"), ENDING_S)
            except TimeoutError:
                return "no answer, and its connection stays open", False
            return f"the answer {answer!r}"[:200], True
    except ConnectionClosed as closed:
        return _describe_end(closed), closed.rcvd is not None and closed.rcvd.code not in _NO_ERRORS
    except RefusedServerError as refused:
        return refused.cause[:200], False
    except Exception as error:  # noqa: BLE001 - any error that the client library raises is the result
        return f"the client gave up: {error}"[:200], False


def _garbage(started: server.Server) -> list[Finding]:
    """The effects of invalid bytes instead of a frame: for the client that sends them, and for other clients."""
    seen, others = asyncio.run(_beside_a_viewer(started, lambda: asyncio.to_thread(_send_garbage, started)))
    return [
        Finding(item="garbage-sender", value=describe_tries([what for what, _ in seen])),
        judge_tries("garbage-close-frame", [has_close_frame for _, has_close_frame in seen]),
        Finding(item="garbage-others", value=others),
    ]


def _send_garbage(started: server.Server) -> tuple[str, bool]:
    """What the server does, and whether it sends a close frame with a code."""
    with contextlib.closing(open_socket(started)) as connection:
        connection.sendall(_RESERVED)
        return see_end(connection)


def see_end(connection: socket.socket) -> tuple[str, bool]:
    """How a server ends a connection, and whether it sends a close frame with a code.

    The frame counts, whatever becomes of the connection after it.
    """
    connection.settimeout(ENDING_S)
    received, end = b"", _CUT
    try:
        while piece := connection.recv(4096):
            received += piece
    except TimeoutError:
        end = "nothing: its connection stays open"
    except ConnectionResetError:
        end = "its connection is reset"
    code = client_frames.close_code(received)
    return (end, False) if code is None else (_CLOSED.format(code), code != CloseCode.NO_STATUS_RCVD)


async def _beside_a_viewer(
    started: server.Server, fault: Callable[[], Awaitable[tuple[str, bool]]]
) -> tuple[list[tuple[str, bool]], bool]:
    """Cause a fault `TRIES` times, each by a client of its own, while another client views the dashboard.

    Returns the results, and whether the viewer still receives answers and snapshots after all of them.
    """
    app = started.client()
    async with app.viewer() as viewer:
        update = {"panel": "evidence", "value": 1.0, "client": 1, "seq": 1}
        await asyncio.wait_for(viewer.update(update), REACTION_S)
        seen = await try_often(fault)
        viewer.forget_beats()
        try:
            await asyncio.wait_for(viewer.update(update | {"seq": 2}), REACTION_S)
            await asyncio.wait_for(viewer.next_beat(), REACTION_S)
        except Exception:  # noqa: BLE001 - any error means that the viewer does not work any more
            return seen, False
        return seen, True


async def try_often(test: Callable[[], Awaitable[tuple[str, bool]]]) -> list[tuple[str, bool]]:
    """The results of `TRIES` tries of a test, `AT_ONCE` of them at the same time."""
    seen: list[tuple[str, bool]] = []
    while len(seen) < TRIES:
        seen += await asyncio.gather(*(test() for _ in range(min(AT_ONCE, TRIES - len(seen)))))
    return seen


def wait_until_noticed(servers: Sequence[server.Server], clients: int) -> list[list[list[Finding]]]:
    """Measure how long each server takes to notice silent clients and dead clients, all at the same time.

    A silent client receives and acknowledges everything and answers nothing. A dead client does not even acknowledge:
    its kernel drops all packets of its connection, as if its machine had lost power.

    Returns the findings of each pair of clients for each server. The clients connect one after the other within a
    second: some servers check once per second, so the result depends on the time of connecting.
    """

    async def wait_everywhere() -> list[list[list[Finding]]]:
        dead = [_DeadClient(one, number / clients) for one in servers for number in range(clients)]
        silent = [_wait_as_silent(one, number / clients) for one in servers for number in range(clients)]
        watching = asyncio.create_task(_watch_dead(dead))
        found = await asyncio.gather(*silent)
        await watching
        pairs = [one + other.findings() for one, other in zip(found, dead, strict=True)]
        return [pairs[start : start + clients] for start in range(0, len(pairs), clients)]

    return asyncio.run(wait_everywhere())


async def _wait_as_silent(started: server.Server, delay_s: float) -> list[Finding]:
    """Read without answering, until the server ends the connection or `PATIENCE_S` have passed."""
    await asyncio.sleep(delay_s)
    try:
        connection = await asyncio.to_thread(open_client, started)
    except OSError as error:
        return [Finding(item=item, note=publishable(str(error))) for item in ("silent-close-s", "silent-end-s")]
    loop, began, received = asyncio.get_running_loop(), time.monotonic(), b""
    closed_s: float | None = None
    ended_s: float | None = None
    with contextlib.closing(connection), contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(OSError):  # the connection was reset
                while piece := await loop.sock_recv(connection, 4096):
                    received += piece
                    if closed_s is None and client_frames.says_goodbye(received, started.framework.protocol):
                        closed_s = time.monotonic() - began
            ended_s = time.monotonic() - began
    return [_seconds("silent-close-s", closed_s), _seconds("silent-end-s", ended_s)]


def _seconds(item: str, seconds: float | None) -> Finding:
    if seconds is None:
        return Finding(item=item, note=f"not within {PATIENCE_S:.0f} s")
    return Finding(item=item, value=round(seconds))


class _DeadClient:
    """A client of a server that will be dead; ``delay_s``: until it connects."""

    def __init__(self, started: server.Server, delay_s: float) -> None:
        self.started, self.delay_s = started, delay_s
        self.noticed_s: float | None = None
        self.error: str | None = None
        self.connection: socket.socket | None = None
        self.died_at = 0.0

    async def die(self) -> None:
        """Connect, and drop all further packets."""
        await asyncio.sleep(self.delay_s)
        try:
            self.connection = await asyncio.to_thread(open_client, self.started)
            drop_packets(self.connection)
        except OSError as error:
            self.error = publishable(str(error))
        self.died_at = time.monotonic()

    @property
    def waits(self) -> bool:
        return self.error is None and self.noticed_s is None

    def look(self, established: Set[tuple[int, int]]) -> None:
        """Note whether the server's end of the connection is still open."""
        assert self.connection is not None
        if self.waits and (self.started.port, self.connection.getsockname()[1]) not in established:
            self.noticed_s = time.monotonic() - self.died_at

    def findings(self) -> list[Finding]:
        if self.error is not None:
            return [Finding(item=item, note=self.error) for item in ("dead-peer", "dead-peer-s")]
        after = _seconds("dead-peer-s", self.noticed_s)
        return [Finding(item="dead-peer", value=self.noticed_s is not None, note=after.note), after]


async def _watch_dead(clients: Sequence[_DeadClient]) -> None:
    """Let the clients die, and look until their servers have noticed it or `PATIENCE_S` have passed."""
    try:
        await asyncio.gather(*(one.die() for one in clients))
        until = time.monotonic() + PATIENCE_S
        while any(one.waits for one in clients) and time.monotonic() < until:
            await asyncio.sleep(LOOK_S)
            established = resources.read_established()
            for one in clients:
                if one.waits:
                    one.look(established)
    finally:
        for one in clients:
            if one.connection is not None:
                one.connection.close()


def drain_findings(framework: Framework, variant: Variant, *, logs: Path) -> list[Finding]:
    """The effects of SIGTERM while messages are in flight and other clients are connected. The server's own timeouts
    apply.

    Raises `HintError` if the folder does not name the line of the echo handler.
    """
    patient = variant.model_copy(update={"command": with_own_end(variant.command)})
    with slow(framework, IN_FLIGHT_S) as copy, serve_variant(copy, patient, logs=logs, grace_s=DRAIN_S) as deployment:
        return asyncio.run(_terminate(deployment.server))


async def _terminate(started: server.Server) -> list[Finding]:
    """Send SIGTERM while `TRIES` clients are connected, and messages of as many others are in flight.

    If the server handles one message after the other, only one is in flight: others would not have begun.
    """
    clients = [await asyncio.to_thread(open_client, started) for _ in range(TRIES)]
    watching = [asyncio.create_task(_watch_client(one, started)) for one in clients]
    answers: list[object] = []
    ended: bool | None = None
    took_s = 0.0
    try:
        async with contextlib.AsyncExitStack() as stack:
            app = started.client()
            echoers = [await stack.enter_async_context(app.echoer("websocket")) for _ in range(TRIES)]
            began = time.monotonic()
            before = [asyncio.wait_for(one.echo("before"), REACTION_S + TRIES * IN_FLIGHT_S) for one in echoers]
            await asyncio.gather(*before)
            in_flight = TRIES if time.monotonic() - began < 2 * IN_FLIGHT_S else 1
            answering = [
                asyncio.create_task(asyncio.wait_for(one.echo("in flight"), ENDING_S)) for one in echoers[:in_flight]
            ]
            await asyncio.sleep(IN_FLIGHT_S / 3)  # the messages are at the handler, which takes longer
            began = time.monotonic()
            ended = await asyncio.to_thread(started.stop)
            took_s = time.monotonic() - began
            answers += await asyncio.gather(*answering, return_exceptions=True)
    except (ConnectionClosed, SocketIOError):
        if ended is None:  # otherwise it is the client's own end of a connection that has ended
            raise
    seen = await asyncio.gather(*watching)
    return [
        judge_tries("drain-answered", [answer == "in flight" for answer in answers], "messages"),
        judge_tries("drain-close-frame", [has_goodbye for _, has_goodbye in seen], "clients"),
        Finding(item="drain-client", value=describe_tries([what for what, _ in seen])),
        Finding(item="drain-s", value=round(took_s, 1))
        if ended
        else Finding(item="drain-s", note=f"not within {DRAIN_S:g} s; it was killed then"),
    ]


async def _watch_client(connection: socket.socket, started: server.Server) -> tuple[str, bool]:
    """Read as a client that answers a close frame: what it sees, and whether the server says goodbye before it is
    killed.
    """
    loop, received = asyncio.get_running_loop(), b""
    has_said_goodbye = False
    with contextlib.closing(connection):
        try:
            async with asyncio.timeout(DRAIN_S + ENDING_S):
                while piece := await loop.sock_recv(connection, 4096):
                    received += piece
                    if not has_said_goodbye and client_frames.says_goodbye(received, started.framework.protocol):
                        has_said_goodbye = True
                        code = client_frames.close_code(received)
                        if code is not None:
                            await loop.sock_sendall(connection, client_frames.masked_close(code))
        except TimeoutError:
            return "nothing: its connection stays open", has_said_goodbye
        except OSError:
            pass  # the connection was reset
    code = client_frames.close_code(received)
    if code is not None:
        return _CLOSED.format(code), True
    return ("a close packet of its protocol" if has_said_goodbye else _CUT), has_said_goodbye


def processes_findings(framework: Framework, variant: Variant, *, logs: Path) -> list[Finding]:
    """Whether two processes serve one address, and whether a room of such a server reaches the clients of both."""
    if not any("{workers}" in word for word in variant.command):
        return [_documented_processes(framework), Finding(item="cross-process", value=False, note=_ONE_PROCESS)]
    with serve_variant(framework, variant, logs=logs, workers=2) as deployment:
        if not answers_messages(framework):
            return _spreads_viewers(deployment.server)
        processes, spanning = asyncio.run(_reaches_all(deployment.server))
        if processes.value is True and "polling" in variant.transports:
            served = asyncio.run(_poll_processes(deployment.server))
            if served < TRIES:
                why = f"with two processes, long-polling client {served + 1} of {TRIES} was not served"
                processes = _documented_processes(framework, why)
    return [processes, spanning]


def _documented_processes(framework: Framework, why: str = _ONE_PROCESS) -> Finding:
    """Whether several processes serve one address by the documentation, where the command alone does not do it.

    ``why``: in what respect it does not.
    """
    said = framework.evidence.several_processes
    if said is None:
        return Finding(item="several-processes", value=False, note=why)
    return Finding(item="several-processes", value=said.value, note=f"{said.how}; {why}", documented=said.documented)


async def _poll_processes(started: server.Server) -> int:
    """How many of `TRIES` clients, one after the other until one fails, have an echo by long-polling.

    A session belongs to one process, and its requests come on several connections.
    """
    for served in range(TRIES):
        try:
            async with started.client().echoer("polling") as echoer:
                await asyncio.wait_for(echoer.echo("here"), REACTION_S)
        except Exception:  # noqa: BLE001 - any error means that this client is not served
            return served
    return TRIES


def _spreads_viewers(started: server.Server) -> list[Finding]:
    """Whether two processes serve viewers of the event stream, between which no message could pass."""
    host = urlsplit(started.base_url).netloc
    request = f"GET /events HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"
    (across,) = without_messages(started.framework, ("cross-process",))
    with contextlib.ExitStack() as stack:
        for _ in range(SPREAD_TRIES):
            stack.enter_context(contextlib.closing(_open(started, request, http.HTTPStatus.OK)))
            if len(spread := resources.read_spread(started.child.pid, started.port)) > 1:
                note = f"processes with {' and '.join(map(str, spread))} viewers"
                return [Finding(item="several-processes", value=True, note=note), across]
    why = f"all of {SPREAD_TRIES} viewers were connected to the same process"
    return [Finding(item="several-processes", value=False, note=why), across]


async def _reaches_all(started: server.Server) -> list[Finding]:
    app = started.client()
    async with contextlib.AsyncExitStack() as stack:
        members: list[contract.Member] = []
        while len(members) < SPREAD_TRIES:
            members.append(await stack.enter_async_context(app.member("evidence")))
            if len(members) >= 4 and len(spread := resources.read_spread(started.child.pid, started.port)) > 1:
                break
        else:
            why = f"all of {SPREAD_TRIES} clients were connected to the same process"
            return [Finding(item="several-processes", value=False, note=why), Finding(item="cross-process", note=why)]
        await asyncio.sleep(0.5)  # the subscriptions reach the broker
        await members[0].publish("to everybody")
        received = await asyncio.gather(*(_receives(member.next_text) for member in members))
        clients = " and ".join(map(str, spread))
        note = f"{sum(received)} of {len(members)} clients received it, on processes with {clients} clients"
        return [
            Finding(item="several-processes", value=True, note=f"processes with {clients} clients"),
            Finding(item="cross-process", value=all(received), note=note),
        ]


async def _receives(next_text: Callable[[], Awaitable[str]]) -> bool:
    try:
        async with asyncio.timeout(REACTION_S):
            while await next_text() != "to everybody":
                pass
    except TimeoutError:
        return False
    return True


def open_client(started: server.Server) -> socket.socket:
    """A connection of `open_socket` that has also joined its protocol, ready for a loop; raises `OSError`."""
    connection = open_socket(started)
    if started.framework.protocol == "socket.io":
        connection.sendall(client_frames.masked_text(b"40"))
    connection.setblocking(False)
    return connection


def open_socket(started: server.Server) -> socket.socket:
    """A TCP connection after the WebSocket handshake; raises `OSError`."""
    path = "/dashboard" if started.framework.protocol == "websocket" else _SOCKET_IO
    key = base64.b64encode(os.urandom(16)).decode()
    request = _HANDSHAKE.format(path=path, host=urlsplit(started.base_url).netloc, key=key)
    return _open(started, request, http.HTTPStatus.SWITCHING_PROTOCOLS)


def _open(started: server.Server, request: str, wanted: http.HTTPStatus) -> socket.socket:
    """A TCP connection after the head of the answer to this request; raises `OSError`, also if the answer has another
    status than the wanted one.
    """
    address = urlsplit(started.base_url)
    connection = socket.create_connection((address.hostname or "", address.port or 80), timeout=REACTION_S)
    connection.sendall(request.encode())
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(1)
        if not piece:
            break
        received += piece
    first = received.partition(b"\r\n")[0].decode("latin-1")
    if first.split(" ")[1:2] != [str(wanted.value)]:
        connection.close()
        raise ConnectionResetError(f"the request was refused: {publishable(first)}")
    return connection


def _describe_end(closed: ConnectionClosed) -> str:
    """How a connection ended, as its client's library reports it."""
    if closed.rcvd is not None:
        return _CLOSED.format(closed.rcvd.code)
    if closed.sent is not None and closed.sent.code == CloseCode.PROTOCOL_ERROR:
        return "what comes back is no WebSocket frame, and its library gives up"
    return _CUT


_CLOSED = "its connection is closed, with code {}"
_CUT = "its connection is cut without a close frame"
_NO_ERRORS = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD)
"""Codes of close frames that report no error (RFC 6455, 7.4.1)."""
