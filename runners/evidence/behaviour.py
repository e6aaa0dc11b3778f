"""What a running app can do, and what it does when something goes wrong: asked from outside, by independent clients."""

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
from runners.evidence.lifecycle import checks_of, serving
from runners.record import Finding, publishable
from runners.serving import server
from runners.serving.environment import Environment
from runners.subjects.catalog import Framework, Variant

SAME_LOOKS = 5
"""One after the other with the same number of threads: it has settled."""
REACTION_S = 2.0
"""To answer: many times what a local server needs."""
ENDING_S = 8.0
"""Until a connection counts as left open. Some servers keep what they gave up until a keep-alive runs out: gunicorn's
after 2 s, uvicorn's and Hypercorn's after 5 s, by default."""
PATIENCE_S = 75.0
"""For a client that vanished: the longest default here is 20 s until a ping and 30 s until it is given up."""
VANISHED = ("vanish-noticed", "vanish-s")
CLIENTS = 20
SPREAD_TRIES = 40
"""Clients at most, until two processes have some."""
_RESERVED = bytes([0xF1, 0x85]) + b"mask" + bytes(5)
"""A masked text frame of five bytes with all reserved bits set: no extension was agreed on that would allow them."""
_ASKING = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
)


def of_server(started: server.Server) -> list[Finding]:
    """What can be asked of one running server without hurting it."""
    return [_transports(started), _broadcasts(started), _plain_websocket(started), _threads(started)]


def _transports(started: server.Server) -> Finding:
    proven: list[tuple[str, str]] = []
    failed: list[tuple[str, str]] = []
    for transport in started.variant.transports:
        check = "events" if transport == "sse" else "echo-text"
        (found,) = checks_of(started, [check], [transport])
        (proven if found.ok else failed).append((transport, found.detail))
    note = "; ".join(f"{name}: {detail}" for name, detail in failed) or None
    return Finding(item="transports", value=[name for name, _ in proven], note=note)


def _broadcasts(started: server.Server) -> Finding:
    if started.variant.broker != "none":
        return Finding(item="broadcast-alone", note="this variant is the one with a broker")
    (found,) = started.check({"room"})
    return Finding(item="broadcast-alone", value=found.ok, note=None if found.ok else found.detail)


def _plain_websocket(started: server.Server) -> Finding:
    """For Socket.IO at its own address; a plain client finds no other."""
    path = "/echo" if started.framework.protocol == "websocket" else "/socket.io/?EIO=4&transport=websocket"

    async def ask() -> tuple[bool, str]:
        try:
            async with websockets.asyncio.client.connect(
                started.websocket_url + path, proxy=None, open_timeout=REACTION_S, close_timeout=REACTION_S
            ) as plain:
                await plain.send("hello from a plain client")
                async with asyncio.timeout(REACTION_S):
                    heard = [await plain.recv()]
                    while heard[-1] != "hello from a plain client":
                        heard.append(await plain.recv())
                return True, "the text came back"
        except ConnectionClosed as closed:
            return False, _ended(closed)
        except TimeoutError:
            return False, "no answer came that was the text"
        except (OSError, WebSocketException) as error:
            return False, f"no connection: {error}"

    value, note = asyncio.run(ask())
    return Finding(item="plain-websocket", value=value, note=note)


def _threads(started: server.Server) -> Finding:
    """With clients that do nothing but stay; to a tenth, since of some servers a thread or two come and go."""
    before = _settled_threads(started.child.pid)

    async def crowd() -> int:
        async with contextlib.AsyncExitStack() as stack:
            app = contract.client_of(started.base_url, started.framework.protocol, started.variant.serializer)
            for _ in range(CLIENTS):
                echoer = await stack.enter_async_context(app.echoer("websocket"))
                await asyncio.wait_for(echoer.echo("here"), REACTION_S)
            return await asyncio.to_thread(_settled_threads, started.child.pid)

    after = asyncio.run(crowd())
    return Finding(
        item="thread-per-client",
        value=round(max(0, after - before) / CLIENTS, 1),
        note=f"{before} threads without clients, {after} with {CLIENTS}",
    )


def _settled_threads(pid: int) -> int:
    """How many there are once the number stays; the last seen if it does not."""
    seen: list[int] = []
    until = time.monotonic() + REACTION_S
    while len(set(seen[-SAME_LOOKS:])) != 1 or len(seen) < SAME_LOOKS:
        seen.append(resources.count_threads(pid))
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    return seen[-1]


def when_it_raises(
    framework: Framework, variant: Variant, environment: Environment, *, redis_url: str | None, logs: Path
) -> list[Finding]:
    """The echo handler raises: what its client sees, what is logged, whether others go on."""
    items = ("raise-sender", "raise-logged", "raise-others")
    try:
        with (
            raising(framework) as copy,
            serving(copy, variant, environment, redis_url=redis_url, logs=logs) as (started, _),
        ):
            saw, others = asyncio.run(_beside_a_viewer(started, _ask_what_raises(started)))
            until = time.monotonic() + REACTION_S
            while (
                not (logged := RAISED in started.child.log.read_text("utf-8", "replace")) and time.monotonic() < until
            ):
                time.sleep(0.05)
    except HintError as error:
        return [Finding(item=item, note=str(error)) for item in items]
    return [
        Finding(item="raise-sender", value=saw),
        Finding(item="raise-logged", value=logged),
        Finding(item="raise-others", value=others),
    ]


async def _ask_what_raises(started: server.Server) -> str:
    app = contract.client_of(started.base_url, started.framework.protocol, started.variant.serializer)
    try:
        async with app.echoer("websocket") as echoer:
            try:
                answer = await asyncio.wait_for(echoer.echo("please raise"), ENDING_S)
            except TimeoutError:
                return "no answer, and its connection stays open"
            return f"the answer {answer!r}"[:200]
    except ConnectionClosed as closed:
        return _ended(closed)
    except Exception as error:  # noqa: BLE001 - whatever the client library makes of it is what the client sees
        return f"{type(error).__name__}: {error}"[:200]


def when_there_is_garbage(started: server.Server) -> list[Finding]:
    """A client sends what is no frame: what happens to it, and to others."""
    saw, others = asyncio.run(_beside_a_viewer(started, asyncio.to_thread(_send_garbage, started)))
    return [Finding(item="garbage-sender", value=saw), Finding(item="garbage-others", value=others)]


def _send_garbage(started: server.Server) -> str:
    with contextlib.closing(_raw(started)) as line:
        line.settimeout(ENDING_S)
        line.sendall(_RESERVED)
        heard = b""
        try:
            while piece := line.recv(4096):
                heard += piece
        except TimeoutError:
            return "nothing: its connection stays open"
        except ConnectionResetError:
            return "its connection is reset"
        return f"its connection is closed, with code {code}" if (code := _close_code(heard)) else _CUT


def _close_code(heard: bytes) -> int | None:
    """The code of the close frame among the server's frames."""
    while len(heard) >= 2:
        size, head = heard[1] & 0x7F, 2
        if size == 126:
            size, head = int.from_bytes(heard[2:4], "big"), 4
        if heard[0] & 0x0F == 0x8:
            return int.from_bytes(heard[head : head + 2], "big") if size >= 2 else 1005
        heard = heard[head + size :]
    return None


async def _beside_a_viewer(started: server.Server, deed: Awaitable[str]) -> tuple[str, bool]:
    """Do something while a viewer of the dashboard looks on; then whether it still gets answers and snapshots."""
    app = contract.client_of(started.base_url, started.framework.protocol, started.variant.serializer)
    async with app.viewer() as viewer:
        update = {"panel": "evidence", "value": 1.0, "client": 1, "seq": 1}
        await asyncio.wait_for(viewer.update(update), REACTION_S)
        saw = await deed
        viewer.forget_beats()
        try:
            await asyncio.wait_for(viewer.update(update | {"seq": 2}), REACTION_S)
            await asyncio.wait_for(viewer.next_beat(), REACTION_S)
        except Exception:  # noqa: BLE001 - however the viewer failed, it did not go on
            return saw, False
        return saw, True


def until_noticed(servers: Sequence[server.Server], clients: int) -> list[list[list[Finding]]]:
    """How long until a server ends the connection of a client that answers nothing any more.

    For each server what each of so many clients saw. They come one after the other within a second: some servers look
    for such clients once a second, so it depends on when one came.
    """

    async def wait(started: server.Server, delay_s: float) -> list[Finding]:
        await asyncio.sleep(delay_s)
        try:
            line = await asyncio.to_thread(_raw, started)
        except OSError as error:
            return [Finding(item=item, note=publishable(str(error))) for item in VANISHED]
        with contextlib.closing(line):
            if started.framework.protocol == "socket.io":
                await asyncio.to_thread(line.sendall, _masked(b"40"))
            line.setblocking(False)
            began = time.monotonic()
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while await loop.sock_recv(line, 4096):
                        pass  # pings and snapshots, which nobody answers
            except TimeoutError:
                why = f"not within {PATIENCE_S:.0f} s"
                return [Finding(item="vanish-noticed", value=False, note=why), Finding(item="vanish-s", note=why)]
            except OSError:
                pass  # it was reset
            seconds = round(time.monotonic() - began)
            return [Finding(item="vanish-noticed", value=True), Finding(item="vanish-s", value=seconds)]

    async def of_server(started: server.Server) -> list[list[Finding]]:
        return list(await asyncio.gather(*(wait(started, number / clients) for number in range(clients))))

    async def all_of_them() -> list[list[list[Finding]]]:
        return list(await asyncio.gather(*(of_server(one) for one in servers)))

    return asyncio.run(all_of_them())


def across_processes(
    framework: Framework, variant: Variant, environment: Environment, *, redis_url: str | None, logs: Path
) -> Finding:
    """Whether a room of a server with two processes reaches the clients of both."""
    if not any("{workers}" in word for word in variant.command):
        return Finding(item="cross-process", value=False, note="its command starts one process")
    with serving(framework, variant, environment, redis_url=redis_url, logs=logs, workers=2) as (started, _):
        reached, note = asyncio.run(_reaches_all(started))
        return Finding(item="cross-process", value=reached, note=note)


async def _reaches_all(started: server.Server) -> tuple[bool | None, str]:
    app = contract.client_of(started.base_url, started.framework.protocol, started.variant.serializer)
    async with contextlib.AsyncExitStack() as stack:
        members: list[contract.Member] = []
        while len(members) < SPREAD_TRIES:
            members.append(await stack.enter_async_context(app.member("evidence")))
            if len(members) >= 4 and len(spread := resources.read_spread(started.child.pid, started.port)) > 1:
                break
        else:
            return None, f"{SPREAD_TRIES} clients all came to the same process"
        await asyncio.sleep(0.5)  # subscriptions to the broker are on their way
        await members[0].publish("to everybody")
        heard = await asyncio.gather(*(_hears(member.next_text) for member in members))
        told = f"{sum(heard)} of {len(members)} clients heard it, on processes with {' and '.join(map(str, spread))}"
        return all(heard), told


async def _hears(next_text: Callable[[], Awaitable[str]]) -> bool:
    try:
        async with asyncio.timeout(REACTION_S):
            while await next_text() != "to everybody":
                pass
    except TimeoutError:
        return False
    return True


def _raw(started: server.Server) -> socket.socket:
    """A TCP connection on which the handshake is done, and nothing else."""
    path = "/dashboard" if started.framework.protocol == "websocket" else "/socket.io/?EIO=4&transport=websocket"
    address = urlsplit(started.base_url)
    line = socket.create_connection((address.hostname or "", address.port or 80), timeout=REACTION_S)
    key = base64.b64encode(os.urandom(16)).decode()
    line.sendall(_ASKING.format(path=path, host=address.netloc, key=key).encode())
    heard = b""
    while b"\r\n\r\n" not in heard:
        piece = line.recv(1)
        if not piece:
            raise ConnectionResetError(f"the handshake was refused: {publishable(heard.decode('latin-1'))}")
        heard += piece
    return line


def _masked(payload: bytes) -> bytes:
    """A text frame of fewer than 126 bytes, its mask all zeros."""
    return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload


def _ended(closed: ConnectionClosed) -> str:
    """What a client's library made of the end of its connection."""
    if closed.rcvd is not None:
        return f"its connection is closed, with code {closed.rcvd.code}"
    if closed.sent is not None and closed.sent.code == CloseCode.PROTOCOL_ERROR:
        return "what comes back is no WebSocket frame, and its library gives up"
    return _CUT


_CUT = "its connection is cut without a close frame"
