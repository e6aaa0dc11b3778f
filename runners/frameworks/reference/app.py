"""The yardstick: the same app on a bare picows server, without a framework and without coroutines."""

import argparse
import asyncio
import json
import os
import signal
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))

Begin = Callable[[str, int, ssl.SSLContext | None], Awaitable[asyncio.Server]]

rooms: defaultdict[str, set[WSTransport]] = defaultdict(set)
viewers: set[WSTransport] = set()
panels: dict[str, dict[str, Any]] = {}


class Echo(WSListener):
    """Returns frame by frame, so that a fragmented message comes back as it was cut."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            answer_close(transport, frame)
        elif frame.msg_type != WSMsgType.PONG:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview(), frame.fin)


class Receiver(WSListener):
    """Puts frames together to messages."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            answer_close(transport, frame)
        elif frame.msg_type != WSMsgType.PONG:
            payload = frame.get_payload_as_bytes()
            if not frame.fin or self.parts:
                self.parts.append(payload)
                if not frame.fin:
                    return
                payload = b"".join(self.parts)
                self.parts.clear()
            self.on_message(transport, payload)

    def on_message(self, transport: WSTransport, payload: bytes) -> None:
        raise NotImplementedError


class Member(Receiver):
    """Belongs to a group while connected."""

    def __init__(self, group: set[WSTransport]) -> None:
        super().__init__()
        self.group = group

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.group.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.group.discard(transport)


class Room(Member):
    def __init__(self, name: str) -> None:
        super().__init__(rooms[name])
        self.name = name

    def on_message(self, transport: WSTransport, payload: bytes) -> None:
        broadcast(self.group, payload)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        super().on_ws_disconnected(transport)
        if not self.group and rooms.get(self.name) is self.group:
            del rooms[self.name]


class Dashboard(Member):
    def __init__(self) -> None:
        super().__init__(viewers)

    def on_message(self, transport: WSTransport, payload: bytes) -> None:
        try:
            update = json.loads(payload)
            name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
        except (ValueError, KeyError, TypeError):
            transport.send_close(WSCloseCode.INVALID_TEXT, b"not a panel update")
            transport.disconnect()
            return
        panel = panels.setdefault(name, {"value": value, "updates": 0})
        panel["value"] = value
        panel["updates"] += 1
        answer = {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}
        transport.send(WSMsgType.TEXT, json.dumps(answer).encode())


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


class Work(Receiver):
    """Works in a thread. What the client sends meanwhile waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: deque[bytes] = deque()

    def on_message(self, transport: WSTransport, payload: bytes) -> None:
        self.waiting.append(payload)
        if len(self.waiting) == 1:
            self.begin(transport)

    def begin(self, transport: WSTransport) -> None:
        done = asyncio.get_running_loop().run_in_executor(None, work)
        done.add_done_callback(lambda _: self.answer(transport))

    def answer(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, self.waiting.popleft())
        if self.waiting:
            self.begin(transport)


class WorkInline(Receiver):
    """The mistake: nobody else is served while it works."""

    def on_message(self, transport: WSTransport, payload: bytes) -> None:
        work()
        transport.send(WSMsgType.TEXT, payload)


def answer_close(transport: WSTransport, frame: WSFrame) -> None:
    transport.send_close(frame.get_close_code(), frame.get_close_message())
    transport.disconnect()


def broadcast(group: set[WSTransport], payload: bytes) -> None:
    for transport in tuple(group):
        transport.send(WSMsgType.TEXT, payload)


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        broadcast(viewers, json.dumps({"type": "snapshot", "seq": seq, "panels": panels}).encode())


def route(request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener | None:
    match request.path.decode().split("/"):
        case ["", "echo"]:
            return Echo()
        case ["", "room", name]:
            return Room(name)
        case ["", "dashboard"]:
            return Dashboard()
        case ["", "work"]:
            return Work()
        case ["", "work-inline"]:
            return WorkInline()
        case ["", "healthz"]:
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_ok_response(b"ok\n"), None)
    return None


def tls_of(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(arguments.certificate, arguments.key)
    return context


async def start(host: str, port: int, tls: ssl.SSLContext | None = None) -> asyncio.Server:
    return await ws_create_server(route, host, port, ssl=tls, backlog=2048)


async def main(begin: Begin, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await begin(host, port, tls)
    pusher = asyncio.create_task(push_snapshots())
    await stop.wait()
    pusher.cancel()
    server.close()


def run(begin: Begin) -> None:
    """Serve as the command line says, until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    uvloop.run(main(begin, arguments.host, arguments.port, tls_of(arguments)))


if __name__ == "__main__":
    run(start)
