"""The contract check against real servers: one correct, and many that each break one rule."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import textwrap
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args

import pytest
import uv
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from runners.contract import CHECKS, Check, check_contract, checks_for, promises
from runners.contract.server_settings import ServerSettings
from runners.loadgen.job import Exchange, Transport
from runners.process import ProcessError
from tests.support import web
from tests.support.byte_servers import HEAD, ByteServer, serving_bytes
from tests.support.chunks import Habit, serving_streams
from tests.support.http_servers import StreamServer, serving_stream
from tests.support.marks import few_of
from tests.support.publishing import PostHabit, serving_posts
from tests.support.web import serving_web

pytestmark = pytest.mark.measures

CROWD = 6
"""As many as several servers in one event loop can serve in time."""
KEPT: tuple[Exchange, ...] = tuple(one for one in get_args(Exchange) if one not in ("work", "session"))
"""The exchanges of an honest server. Those of realistic handlers have tests of their own (`test_contract_handlers`)."""
ASKED = checks_for(KEPT) - {"events", "stream-events", "compression", "publisher"}
"""Where no event stream is offered, and there is no program that publishes."""
READS_NO_BODIES: list[Exchange] = [name for name in KEPT if name != "publish"]
"""The exchanges of a server of the library ``websockets``."""
ROOT = Path(__file__).parents[2]
FLASK_SOCKETIO = ROOT / "runners" / "frameworks" / "flask-socketio"
Message = str | bytes


class Honest:
    """Keeps every promise; a cheat overrides the method that keeps one."""

    connection: type[ServerConnection] = ServerConnection
    beat_s = 0.7
    server: Server

    def __init__(self) -> None:
        self.rooms: defaultdict[str, list[ServerConnection]] = defaultdict(list)
        self.viewers: set[ServerConnection] = set()
        self.panels: dict[str, dict[str, Any]] = {}
        self.seq = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        async with serve(
            self.route, "127.0.0.1", 0, process_request=self.answer_http, create_connection=self.connection
        ) as self.server:
            self.pusher = asyncio.create_task(self.push())
            yield f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
            self.pusher.cancel()

    def answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(self.health(), "") if request.path == "/healthz" else None

    async def route(self, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        match websocket.request.path.split("/"):
            case ["", "echo"]:
                async for message in websocket:
                    await websocket.send(self.echoed(message))
            case ["", "room", name]:
                self.rooms[name].append(websocket)
                try:
                    async for message in websocket:
                        for member in self.recipients(name, websocket):
                            await member.send(message)
                finally:
                    self.rooms[name].remove(websocket)
            case ["", "dashboard"]:
                self.viewers.add(websocket)
                try:
                    async for message in websocket:
                        try:
                            answer = self.updated(json.loads(message))
                        except (ValueError, KeyError, TypeError):
                            await self.reject(websocket)
                        else:
                            await websocket.send(json.dumps(answer))
                finally:
                    self.viewers.discard(websocket)
            case ["", "stream"]:
                async for message in websocket:
                    async for chunk in self.chunks(**json.loads(message)):
                        await websocket.send(json.dumps(chunk))

    async def chunks(self, chunks: int, per_s: float) -> AsyncIterator[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for seq in range(chunks):
            await asyncio.sleep(begun + seq / per_s - loop.time())
            yield {"seq": seq, "text": "a few words "}

    async def push(self) -> None:
        while True:
            await asyncio.sleep(self.beat_s)
            await self.send_snapshot()

    async def send_snapshot(self) -> None:
        text = json.dumps(self.snapshot())
        for viewer in tuple(self.viewers):
            with suppress(ConnectionClosed):  # it left while we were sending
                await viewer.send(text)

    def health(self) -> HTTPStatus:
        return HTTPStatus.OK

    def echoed(self, message: Message) -> Message:
        return message

    def recipients(self, room: str, sender: ServerConnection) -> Collection[ServerConnection]:
        return self.rooms[room]

    def updated(self, update: dict[str, Any]) -> dict[str, Any]:
        panel = self.panels.setdefault(update["panel"], {"value": 0, "updates": 0})
        panel["value"] = update["value"]
        panel["updates"] += 1
        return {"type": "panel", **panel, **{key: update[key] for key in ("panel", "client", "seq")}}

    async def reject(self, websocket: ServerConnection) -> None:
        await websocket.close(1007)

    def snapshot(self) -> dict[str, Any]:
        self.seq += 1
        return {"type": "snapshot", "seq": self.seq, "panels": self.panels}


class Unhealthy(Honest):
    def health(self) -> HTTPStatus:
        return HTTPStatus.SERVICE_UNAVAILABLE


class CutsLongText(Honest):
    def echoed(self, message: Message) -> Message:
        return message[:100_000] if isinstance(message, str) else message


class CutsBinary(Honest):
    def echoed(self, message: Message) -> Message:
        return message[:32] if isinstance(message, bytes) else message


class SwapsOneByte(Honest):
    def echoed(self, message: Message) -> Message:
        if isinstance(message, str) or len(message) < 64:
            return message
        return message[:40] + bytes([message[40] ^ 1]) + message[41:]


class BinaryAsText(Honest):
    def echoed(self, message: Message) -> Message:
        return message if isinstance(message, str) else message.decode("latin-1")


class ForgetsTheLastMember(Honest):
    def recipients(self, room: str, sender: ServerConnection) -> Collection[ServerConnection]:
        members = self.rooms[room]
        return [member for member in members if len(members) < 3 or member is sender or member is not members[-1]]


class ForgetsTheSender(Honest):
    def recipients(self, room: str, sender: ServerConnection) -> Collection[ServerConnection]:
        return [member for member in self.rooms[room] if member is not sender]


class DeliversTwice(Honest):
    def recipients(self, room: str, sender: ServerConnection) -> Collection[ServerConnection]:
        return [*self.rooms[room], self.rooms[room][0]]


class IgnoresRooms(Honest):
    def recipients(self, room: str, sender: ServerConnection) -> Collection[ServerConnection]:
        return [member for members in self.rooms.values() for member in members]


class NeverCounts(Honest):
    def updated(self, update: dict[str, Any]) -> dict[str, Any]:
        return {**super().updated(update), "updates": 1}


class TurnsSeqIntoText(Honest):
    def updated(self, update: dict[str, Any]) -> dict[str, Any]:
        return {**super().updated(update), "seq": str(update["seq"])}


class NeverPushes(Honest):
    beat_s = 3600.0


class PushesTooFast(Honest):
    beat_s = 0.01  # so that a machine that stands still for a moment hardly ever does so between two


class PushesNothing(Honest):
    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "panels": {}}


class SkipsNumbers(Honest):
    def snapshot(self) -> dict[str, Any]:
        self.seq += 1
        return super().snapshot()


class AdmitsFew(Honest):
    async def route(self, websocket: ServerConnection) -> None:
        if len(self.viewers) < CROWD - 2:
            await super().route(websocket)


class EchoAlone(Honest):
    async def route(self, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        if websocket.request.path == "/echo":
            await super().route(websocket)
        else:
            websocket.transport.abort()


class DiesOfGarbage(Honest):
    async def reject(self, websocket: ServerConnection) -> None:
        self.server.close()


class StopsPushingAfterGarbage(Honest):
    async def reject(self, websocket: ServerConnection) -> None:
        self.pusher.cancel()


class DropsWithoutWord(Honest):
    async def reject(self, websocket: ServerConnection) -> None:
        websocket.transport.abort()


class StreamsWithoutWaiting(Honest):
    async def chunks(self, chunks: int, per_s: float) -> AsyncIterator[dict[str, Any]]:
        async for chunk in super().chunks(chunks, 1e9):
            yield chunk


class StreamsOneByOne(Honest):
    def __init__(self) -> None:
        super().__init__()
        self.turn = asyncio.Lock()

    async def chunks(self, chunks: int, per_s: float) -> AsyncIterator[dict[str, Any]]:
        async with self.turn:
            async for chunk in super().chunks(min(chunks, 150), per_s):
                yield chunk


class SkipsAChunk(Honest):
    async def chunks(self, chunks: int, per_s: float) -> AsyncIterator[dict[str, Any]]:
        async for chunk in super().chunks(chunks, per_s):
            if chunk["seq"] != 3:
                yield chunk


class StreamsTooMuch(Honest):
    async def chunks(self, chunks: int, per_s: float) -> AsyncIterator[dict[str, Any]]:
        async for chunk in super().chunks(chunks + 1, per_s):
            yield chunk


class StreamsWithoutWords(Honest):
    async def chunks(self, chunks: int, per_s: float) -> AsyncIterator[dict[str, Any]]:
        async for chunk in super().chunks(chunks, per_s):
            yield {**chunk, "text": ""}


class _Rude(ServerConnection):
    def data_received(self, data: bytes) -> None:
        if data[0] == 0x88 and len(data) < 140:  # a close frame; what is larger is a part of a message
            self.transport.abort()
        else:
            super().data_received(data)


class HangsUp(Honest):
    connection = _Rude


BREAKS: dict[type[Honest], tuple[str, str]] = {
    Unhealthy: ("health", "expected status 200 from GET /healthz, got 503"),
    CutsLongText: ("echo-text", "(100000 characters), which differs from character 100000"),
    CutsBinary: ("echo-binary", "(64 bytes), got binary"),
    SwapsOneByte: ("echo-binary", "which differs from byte 40"),
    BinaryAsText: ("echo-binary", "expected binary"),
    ForgetsTheLastMember: ("room", "expected member 3 of 3 to get all of 6 messages ('message 0 of member 0'"),
    ForgetsTheSender: ("room", "expected member 1 of 3 to get its own 'hello 0'"),
    DeliversTwice: ("room", "expected member 1 of 3 to get each message once, got 'message 0 of member 0' twice"),
    IgnoresRooms: ("room", "expected nothing in another room, got 'message 0 of member 0'"),
    NeverCounts: ("dashboard-answer", '"updates": 2}, got {'),
    TurnsSeqIntoText: ("dashboard-answer", '"seq": "12"'),
    NeverPushes: ("dashboard-push", "expected a pushed snapshot within 4 s, got nothing"),
    PushesTooFast: ("dashboard-push", "expected 0.5 to 1.6 s between two snapshots, got 0."),
    PushesNothing: ("dashboard-push", '"panels": {}'),
    SkipsNumbers: ("dashboard-push", "expected the snapshot after number"),
    AdmitsFew: ("crowd", f"expected {CROWD} viewers at once to be answered, got"),
    DiesOfGarbage: ("bad-message", "after bad messages on other connections"),
    StopsPushingAfterGarbage: ("bad-message", "expected the push to go on after bad messages"),
    DropsWithoutWord: ("bad-message", "got a dropped connection"),
    StreamsWithoutWaiting: ("stream", "per second to take 1.4"),
    StreamsOneByOne: ("stream", "s, beside another stream, got them in "),
    SkipsAChunk: ("stream", 'expected {"seq": 3, "text": some text}, got {"seq": 4'),
    StreamsTooMuch: ("stream", 'chunks, got another: {"seq": '),
    StreamsWithoutWords: ("stream", '"text": ""}'),
    HangsUp: ("close", "expected a close frame with code 1000 back from /echo, got none"),
}

Verdicts = dict[type[Honest], list[Check]]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    """A few servers are tested at once. Each check mostly waits for a push, but one event loop serves all of them."""
    few = asyncio.Semaphore(5)

    async def ask(server: Honest) -> list[Check]:
        async with few, server.running() as url:
            return await check_contract(url, "websocket", exchanges=READS_NO_BODIES, timeout_s=4)

    async def ask_all() -> Verdicts:
        kinds: list[type[Honest]] = [Honest, *BREAKS]
        return dict(zip(kinds, await asyncio.gather(*(ask(kind()) for kind in kinds)), strict=True))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promises, "CROWD", CROWD)
        return asyncio.run(ask_all())


def failed(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.detail for check in checks if not check.ok}


def test_an_honest_server_passes_every_check(verdicts: Verdicts) -> None:
    assert failed(verdicts[Honest]) == {}
    assert {check.name for check in verdicts[Honest]} == {*ASKED} - {"publish"}


async def test_a_crowd_is_one() -> None:
    async with Honest().running() as url:
        (check,) = await check_contract(url, "websocket", only={"crowd"})
    assert check.ok, check.detail
    assert "expected 120 viewers" in check.detail


async def test_an_event_stream_is_tested_where_it_is_offered() -> None:
    with serving_web() as server:
        url = server.url.replace("ws://", "http://")
        offered: list[Transport] = ["websocket", "sse"]
        (check,) = await check_contract(
            url, "websocket", only={"events"}, transports=offered, settings=ServerSettings(web.BEAT_S)
        )
        assert check.ok, check.detail
        (check,) = await check_contract(url, "websocket", only={"events"}, transports=offered)
        assert (check.ok, "expected 0.5 to 1.6 s between two snapshots" in check.detail) == (False, True)
        assert await check_contract(url, "websocket", only={"events"}) == []


class PushesAsTold(Honest):
    beat_s = 0.25


async def test_a_server_that_is_told_another_period_pushes_by_it() -> None:
    async with PushesAsTold().running() as url:
        (check,) = await check_contract(url, "websocket", only={"dashboard-push"}, settings=ServerSettings(0.25))
    assert check.ok, check.detail
    assert "expected a snapshot of all panels every 0.25 s, got one every 0." in check.detail


class HaltsOnce(Honest):
    """Sends what was due in a halt all at once, as after a halt of the whole machine."""

    halts_for = 4

    async def push(self) -> None:
        await self.pushed_once_there_are(2)
        for _ in range(self.halts_for):
            await self.send_snapshot()
        await super().push()

    async def pushed_once_there_are(self, viewers: int) -> None:
        while len(self.viewers) < viewers or not self.panels:
            await asyncio.sleep(0)


async def test_one_whose_machine_halted_is_watched_again() -> None:
    async with HaltsOnce().running() as url:
        (check,) = await check_contract(url, "websocket", only={"dashboard-push"})
    assert check.ok, check.detail


async def test_one_that_pushes_as_always_fails_and_its_author_is_told_the_line_to_write() -> None:
    async with Honest().running() as url:
        (check,) = await check_contract(url, "websocket", only={"dashboard-push"}, settings=ServerSettings(0.25))
    assert not check.ok
    assert check.detail.startswith("expected 0.125 to 0.4 s between two snapshots, got 0.")
    assert f"PUSH_PERIOD_S=0.25 is in its environment: read it once with `{promises.PERIOD_LINE}`" in check.detail
    assert promises.PERIOD_LINE in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize(
    "app", [*(ROOT / "runners").glob("frameworks/*/app.py"), ROOT / "benchmarks/power/twins/app.py"]
)
def test_every_application_reads_its_period_by_that_line(app: Path) -> None:
    assert f"\n{promises.PERIOD_LINE}\n" in app.read_text()


async def test_an_event_stream_that_ends_or_is_none_fails() -> None:
    with serving_web(ends_after=1) as server:
        url = server.url.replace("ws://", "http://")
        (check,) = await check_contract(url, "websocket", only={"events"}, transports=["sse"])
        assert (check.ok, "but it ended" in check.detail) == (False, True)
    async with Honest().running() as url:
        (check,) = await check_contract(url, "websocket", only={"events"}, transports=["sse"])
        assert (check.ok, "expected an event stream" in check.detail) == (False, True)


@pytest.mark.parametrize(
    ("habit", "says"),
    [
        ("honest", "expected 2 streams at once, each at its own pace, after one was cancelled, so they were"),
        ("stalls", "expected 2 streams at once, each at its own pace, after one was cancelled, so they were"),
        ("cuts", "but the stream ended after"),
        ("refuses", "expected an event stream from GET /stream/events?chunks=1000&per_s=20, but "),
        ("skips", 'expected {"seq": 9, "text": some text}, got {"seq": 10'),
        ("talks", "got another: "),
        pytest.param("waits", "beside another stream, got them in", marks=pytest.mark.matrix),
    ],
)
async def test_a_stream_of_events(habit: Habit, says: str) -> None:
    with serving_streams(habit) as server:
        url = f"http://{server.address}"
        (check,) = await check_contract(url, "websocket", only={"stream-events"}, transports=["sse"])
    assert says in check.detail
    assert check.ok == (habit in ("honest", "stalls"))


async def test_events_of_another_type_are_named() -> None:
    named = StreamServer("named", event=lambda text: b"event: snapshot\ndata: " + text + b"\n\n")
    with serving_stream(named) as address:
        (check,) = await check_contract(
            f"http://{address}", "websocket", only={"events"}, transports=["sse"], timeout_s=0.5
        )
    assert not check.ok
    assert "got only events of the type 'snapshot'; a message has the type 'message' or none" in check.detail


@pytest.mark.parametrize("cheat", BREAKS, ids=lambda cheat: cheat.__name__)
def test_a_cheat_fails_exactly_the_check_it_breaks(verdicts: Verdicts, cheat: type[Honest]) -> None:
    check, says = BREAKS[cheat]
    failures = failed(verdicts[cheat])
    assert list(failures) == [check], failures
    assert says in failures[check]


POSTED: dict[PostHabit, str] = {
    "honest": "",
    "closes": "",
    "twice": "expected member 1 of 3 to get each message once, got 'message 0 from outside' twice",
    "forgets": "expected member 3 of 3 to get all of 3 messages ('message 0 from outside' is missing) within 1 s",
    "leaks": "expected nothing in another room, got 'message 0 from outside'",
    "refuses": "but the server answered 503 Service Unavailable instead of a status of 200 to 299 to POST /publish/",
    "drops": "expected an answer, got none: the server closed the connection before it answered",
    "hangs": "expected 'message 0 from outside' to be taken that was posted to a room within 1 s, got nothing",
    "babbles": "got 'something else' which nobody sent",
}


@pytest.mark.parametrize("habit", POSTED)
async def test_what_is_posted_must_reach_the_members_of_a_room_once(habit: PostHabit) -> None:
    with serving_posts(habit) as server:
        (check,) = await check_contract(f"http://{server.address}", "websocket", only={"publish"}, timeout_s=1)
    assert check.ok == (not POSTED[habit]), check.detail
    assert POSTED[habit] in check.detail


class Program:
    """A program beside a server, which posts what it publishes; it ``fails`` as its name says."""

    def __init__(self, address: str, fails: str) -> None:
        self._address, self._fails = address, fails

    def __enter__(self) -> Program:
        if self._fails == "at once":
            raise ProcessError("x: its publisher ended with status 1")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if self._fails == "later":
            raise ProcessError(f"{error}; x: its publisher ended with status 3")

    def publish(self, room: str, text: str) -> None:
        if self._fails != "later":
            request = urllib.request.Request(f"http://{self._address}/publish/{room}", text.encode(), method="POST")
            urllib.request.urlopen(request).close()


@pytest.mark.parametrize(
    ("habit", "fails", "says"),
    [
        ("honest", "", ""),
        ("twice", "", "got 'message 0 from outside' twice"),
        ("honest", "at once", "x: its publisher ended with status 1"),
        ("honest", "later", "within 1 s, got nothing; x: its publisher ended with status 3"),
    ],
)
async def test_what_another_process_publishes_must_reach_the_members_of_a_room_once(
    habit: PostHabit, fails: str, says: str
) -> None:
    with serving_posts(habit) as server:
        url = f"http://{server.address}"
        program = partial(Program, server.address, fails)
        (check,) = await check_contract(url, "websocket", only={"publisher"}, publisher=program, timeout_s=1)
        assert await check_contract(url, "websocket", only={"publisher"}) == []
    assert check.ok == (not says), check.detail
    assert says in check.detail


async def test_only_some_checks_can_be_selected() -> None:
    async with Honest().running() as url:
        checks = await check_contract(url, "websocket", only={"health", "echo-text"})
    assert [(check.name, check.ok) for check in checks] == [("health", True), ("echo-text", True)]


async def test_what_an_application_does_not_implement_is_not_checked() -> None:
    async with EchoAlone().running() as url:
        checks = await check_contract(url, "websocket", exchanges=["echo"])
    assert {check.name for check in checks} == {"health", "echo-text", "echo-binary", "close"}
    assert failed(checks) == {}


def test_every_check_concerns_all_applications_or_those_with_an_exchange() -> None:
    assert checks_for(get_args(Exchange)) == set(CHECKS)
    assert checks_for([]) == {"health", "close", "compression"}
    assert checks_for(["events"]) == {"health", "events"}
    assert checks_for(["events", "stream-events"]) == {"health", "events", "stream-events"}
    assert checks_for(["dashboard"]) == {
        "health",
        "compression",
        "close",
        "dashboard-answer",
        "dashboard-push",
        "crowd",
        "bad-message",
    }


async def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown check: ehco; there are health, echo-text"):
        await check_contract("http://127.0.0.1:1", "websocket", only={"ehco"})


@pytest.mark.parametrize("protocol", ["websocket", "socket.io"])
async def test_nothing_listening_fails_every_check_and_raises_nothing(protocol: Any) -> None:
    checks = await check_contract(f"http://127.0.0.1:{free_port()}", protocol, timeout_s=2)
    assert [check.ok for check in checks] == [False] * len(ASKED | {"work"})
    assert all("expected" in check.detail and re.search(", (got|but) ", check.detail) for check in checks)


@pytest.mark.parametrize("protocol", ["websocket", "socket.io"])
async def test_a_server_that_never_answers_fails_every_check_in_time(protocol: Any) -> None:
    served: list[asyncio.Task[Any] | None] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        with suppress(ConnectionError):
            while await reader.read(1024):
                pass
        writer.close()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(10):
            checks = await check_contract(url, protocol, timeout_s=0.3)
            await asyncio.gather(*filter(None, served))
    assert [check.ok for check in checks] == [False] * len(ASKED | {"work"})


async def test_cancelling_is_not_swallowed() -> None:
    async with Honest().running() as url:
        asking = asyncio.create_task(check_contract(url, "websocket"))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


# Socket.IO: the Flask-SocketIO app in an environment of its own, with one handler replaced.

SOCKETIO_BREAKS = {
    "honest": ("", {}),
    "cuts": (
        """
        @application.socketio.on("echo")
        def echo(data):
            return data[:32]
        """,
        {"echo-text": "(32 characters), which differs", "echo-binary": "(32 bytes), which differs from byte 32"},
    ),
    "forgets-the-sender": (
        """
        @application.socketio.on("publish")
        def publish(message):
            application.emit("message", message["text"], to=message["room"], include_self=False)
        """,
        dict.fromkeys(("room", "publish"), "expected member 1 of 3 to get its own 'hello 0'"),
    ),
    "posts-to-nobody": (
        """
        application.app.view_functions["post_to_room"] = lambda room: ("", 204)
        """,
        {"publish": "expected member 1 of 3 to get all of 3 messages"},
    ),
    "never-pushes": ("application.push_snapshots = lambda: None", {"dashboard-push": "expected a pushed snapshot"}),
    "never-acknowledges": (
        """
        @application.socketio.on("update")
        def update(data):
            raise SystemExit
        """,
        {
            "dashboard-answer": "expected an answer to the update",
            "dashboard-push": "expected an answer to the update",
            "crowd": f"expected {CROWD} viewers at once to be answered",
            "bad-message": "expected an answer to the update",
        },
    ),
}


@pytest.fixture(scope="module")
def flask_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment = tmp_path_factory.mktemp("flask-socketio") / "venv"
    uv_bin = os.fsdecode(uv.find_uv_bin())
    subprocess.run([uv_bin, "venv", "-q", "--python", sys.executable, environment], check=True)
    python = environment / "bin" / "python"
    lock = FLASK_SOCKETIO / "requirements.txt"
    subprocess.run([uv_bin, "pip", "sync", "-q", "--require-hashes", "--python", python, lock], check=True)
    return python


@contextmanager
def flask_server(python: Path, replaced: str, folder: Path) -> Iterator[str]:
    script, port = folder / "serve.py", free_port()
    script.write_text(
        textwrap.dedent(
            """
            import sys
            sys.pycache_prefix = {compiled!r}
            sys.path.insert(0, {folder!r})
            import app as application
            {replaced}
            application.socketio.start_background_task(application.push_snapshots)
            application.socketio.run(application.app, port={port}, allow_unsafe_werkzeug=True)
            """
        ).format(
            compiled=str(python.parents[1] / "compiled"),
            folder=str(FLASK_SOCKETIO),
            replaced=textwrap.dedent(replaced),
            port=port,
        )
    )
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([python, script], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(5)


@pytest.mark.parametrize("kind", few_of(SOCKETIO_BREAKS, {"honest", "never-acknowledges"}))
async def test_socketio_servers_fail_what_they_break(
    kind: str, flask_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced, expected = SOCKETIO_BREAKS[kind]
    if kind != "honest":
        monkeypatch.setattr(promises, "CROWD", CROWD)
    with flask_server(flask_python, replaced, tmp_path) as url:
        await until_it_answers(url)
        checks = await check_contract(url, "socket.io", transports=["websocket", "polling"], timeout_s=2)
    failures = failed(checks)
    assert failures.keys() == expected.keys(), failures
    for name, says in expected.items():
        assert says in failures[name]


async def until_it_answers(url: str) -> None:
    async with asyncio.timeout(20):
        while failed(await check_contract(url, "socket.io", only={"health"}, timeout_s=1)):
            await asyncio.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("answer", "ok", "words"),
    [
        (b"permessage-deflate; server_no_context_takeover", True, "got permessage-deflate; server_no_context_takeover"),
        (b"", True, "got none: it declines"),
        (b"permessage-deflate; server_max_window_bits=16", False, "needs a number from 8 to 15"),
        (b"permessage-deflate; client_no_context_takeover=1", False, "gives client_no_context_takeover a value"),
        (b"x-webkit-deflate-frame", False, "an extension that was not offered"),
    ],
)
def test_the_answer_to_offered_compression_must_be_legal(answer: bytes, ok: bool, words: str) -> None:
    field = b"\r\nSec-WebSocket-Extensions: " + answer if answer else b""
    server = ByteServer("", HEAD.replace(b"\r\n\r\n", field + b"\r\n\r\n"))
    with serving_bytes(server) as place:
        (check,) = asyncio.run(
            check_contract(
                f"http://{place}", "websocket", only={"compression"}, exchanges=["echo"], offers_deflate=True
            )
        )
        assert asyncio.run(check_contract(f"http://{place}", "websocket", only={"compression"})) == []
    assert (check.name, check.ok) == ("compression", ok), check.detail
    assert words in check.detail
