"""Echo, chat rooms, a live dashboard and an event stream with Tornado."""

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from itertools import count
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.process import fork_processes
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

rooms: defaultdict[str, set[WebSocketHandler]] = defaultdict(set)
viewers: set[WebSocketHandler] = set()
streams: set[RequestHandler] = set()
panels: dict[str, dict[str, Any]] = {}


class Health(RequestHandler):
    def get(self) -> None:
        self.write({"status": "ok"})


class Connection(WebSocketHandler):
    async def answer(self, message: str | bytes | dict[str, Any], *, binary: bool = False) -> None:
        with suppress(WebSocketClosedError):  # a client that vanishes is no failure of ours
            await self.write_message(message, binary)


class Echo(Connection):
    async def on_message(self, message: str | bytes) -> None:
        await self.answer(message, binary=isinstance(message, bytes))


class Room(Connection):
    def open(self, name: str) -> None:
        self.name = name
        rooms[name].add(self)

    def on_message(self, message: str | bytes) -> None:
        if isinstance(message, str):
            broadcast(rooms[self.name], message)

    def on_close(self) -> None:
        members = rooms[self.name]
        members.discard(self)
        if not members:
            del rooms[self.name]


class PostToRoom(RequestHandler):
    def post(self, name: str) -> None:
        broadcast(rooms.get(name, set()), self.request.body.decode())
        self.set_status(204)


class Dashboard(Connection):
    def open(self) -> None:
        viewers.add(self)

    async def on_message(self, message: str | bytes) -> None:
        try:
            answer = apply(json.loads(message))
        except (ValueError, KeyError, TypeError):
            self.close(1007, "not a panel update")
        else:
            await self.answer(answer)

    def on_close(self) -> None:
        viewers.discard(self)


class Events(RequestHandler):
    """The snapshots as server-sent events, until the client leaves."""

    async def get(self) -> None:
        self.left = asyncio.Event()
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.flush()
        streams.add(self)
        await self.left.wait()

    def on_connection_close(self) -> None:
        streams.discard(self)
        self.left.set()


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


class StreamEvents(RequestHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        with suppress(StreamClosedError):  # the client cancelled
            async for chunk in chunks_of(int(self.get_argument("chunks")), float(self.get_argument("per_s"))):
                self.write(f"data: {chunk}\n\n")
                await self.flush()


class Stream(Connection):
    async def on_message(self, message: str | bytes) -> None:
        asked = json.loads(message)
        with suppress(WebSocketClosedError):
            async for chunk in chunks_of(asked["chunks"], asked["per_s"]):
                await self.write_message(chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


class WorkInThread(Connection):
    async def on_message(self, message: str | bytes) -> None:
        await IOLoop.current().run_in_executor(None, work)
        await self.answer(message)


class WorkInline(Connection):
    """The mistake: nobody else is served while it works."""

    async def on_message(self, message: str | bytes) -> None:
        work()
        await self.answer(message)


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


class Session(Connection):
    async def prepare(self) -> None:
        self.current_user = await IOLoop.current().run_in_executor(None, user_of, self.get_cookie("session"))
        if self.current_user is None:
            raise HTTPError(403)

    async def on_message(self, message: str | bytes) -> None:
        await self.answer(self.current_user)


def apply(update: dict[str, Any]) -> dict[str, Any]:
    """Store one update; returns the answer to its sender."""
    name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
    panel = panels.setdefault(name, {"value": value, "updates": 0})
    panel["value"] = value
    panel["updates"] += 1
    return {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}


def broadcast(members: set[WebSocketHandler], text: str) -> None:
    for member in list(members):
        try:
            member.write_message(text)
        except WebSocketClosedError:  # it left while we were sending
            members.discard(member)


def push_snapshots() -> PeriodicCallback:
    """Push once per period from now on; Tornado keeps the beat."""
    numbers = count(1)

    def push() -> None:
        text = json.dumps({"type": "snapshot", "seq": next(numbers), "panels": panels})
        broadcast(viewers, text)
        for stream in list(streams):
            stream.write(f"data: {text}\n\n")
            stream.flush()

    beat = PeriodicCallback(push, 1000 * PUSH_PERIOD_S)
    beat.start()
    return beat


def make_app(*first: tuple[Any, ...]) -> Application:
    """``first``: handlers that come before the app's own."""
    return Application(
        [
            *first,
            (r"/healthz", Health),
            (r"/echo", Echo),
            (r"/room/([^/]+)", Room),
            (r"/publish/([^/]+)", PostToRoom),
            (r"/dashboard", Dashboard),
            (r"/events", Events),
            (r"/stream", Stream),
            (r"/stream/events", StreamEvents),
            (r"/work", WorkInThread),
            (r"/work-inline", WorkInline),
            (r"/session", Session),
        ]
    )


def tls_of(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(arguments.certificate, arguments.key)
    return context


async def main(app: Application, sockets: list[Any], tls: ssl.SSLContext | None = None) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = HTTPServer(app, ssl_options=tls)
    server.add_sockets(sockets)
    beat = push_snapshots()
    await stop.wait()
    beat.stop()
    server.stop()
    await server.close_all_connections()  # WebSockets are not among them: they end with the loop


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    listening = bind_sockets(arguments.port, arguments.host)
    if arguments.workers > 1:
        fork_processes(arguments.workers)
    asyncio.run(main(make_app(), listening, tls_of(arguments)))
