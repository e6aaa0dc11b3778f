"""Whether an app keeps the contract that every framework folder implements (see design.md, "The app").

Asked with independent clients, ``websockets`` and ``python-socketio``, never with our load generator: a
mistake they shared would go unseen. Each check answers one question in one sentence, and nothing here
starts a process, prints or raises.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp
import socketio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ProtocolName = Literal["websocket", "socket.io"]
Payload = str | bytes
Json = dict[str, Any]
T = TypeVar("T")

CHECKS = (
    "health",
    "echo-text",
    "echo-binary",
    "room",
    "dashboard-answer",
    "dashboard-push",
    "events",
    "close",
    "crowd",
    "bad-message",
)
READINESS = frozenset({"health", "echo-text"})
"""The checks that tell quickly whether a server is up and is the one that was meant."""

ECHO_SIZES = (1, 64, 4096, 200_000)
"""Bytes or characters; the last is larger than a socket buffer usually takes at once."""
PUSH_PERIOD_S = (0.5, 1.6)
"""What may lie between two pushes, for a beat of 1 s seen from a busy machine."""
CROWD = 120
"""Viewers that come at once: more than the hundred that pools and limits are often set to."""
QUIET_S = 0.2
"""How long an inbox must stay empty to count as empty: a local broadcast takes a few milliseconds."""
GARBAGE: tuple[Any, ...] = ("this is not JSON", '{"panel": "half an update"}', "[]", b"\x00\xff\xfe")
GOODBYE_S = 0.5
"""How long a polling client waits for its last poll to end; closing its HTTP session ends it then."""
DASHBOARD = "dashboard"
"""The Socket.IO room that snapshots are pushed to."""
REACTION_S = 0.5
"""How long a bad message may go unanswered before we call the server silent, which it may be."""


@dataclass(frozen=True)
class Check:
    """One promise of the contract; ``detail`` says what was expected and what came."""

    name: str
    ok: bool
    detail: str


async def check_contract(
    base_url: str,
    protocol: ProtocolName,
    *,
    only: Collection[str] | None = None,
    transports: Sequence[str] = ("websocket",),
    serializer: str = "json",
    timeout_s: float = 5.0,
) -> list[Check]:
    """Ask the app at ``base_url`` (``http://127.0.0.1:8001``) for each promise, in about three seconds.

    ``only`` chooses among `CHECKS`; the echo must work over each of Socket.IO's ``transports``. Where ``sse`` is one,
    ``events`` is asked. ``serializer``: of Socket.IO's packets, "json" or "msgpack".
    No single wait is longer than ``timeout_s``. Whatever goes wrong is a failed check, except
    cancellation. Raises `ValueError` for a name that is no check.
    """
    chosen = set(CHECKS if only is None else only)
    if unknown := chosen.difference(CHECKS):
        raise ValueError(f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
    app = client_of(base_url, protocol, serializer, transports=transports, timeout_s=timeout_s)
    if "sse" not in transports:
        chosen.discard("events")
    questions: dict[str, Callable[[App], Awaitable[str]]] = {
        "health": _health,
        "echo-text": _echo_text,
        "echo-binary": _echo_binary,
        "room": _room,
        "dashboard-answer": _dashboard_answer,
        "dashboard-push": _dashboard_push,
        "events": _events,
        "close": _close,
    }
    checks = await asyncio.gather(
        *(_judge(name, partial(question, app)) for name, question in questions.items() if name in chosen)
    )
    if "crowd" in chosen:  # alone, because so many would delay the others
        checks.append(await _judge("crowd", partial(_crowd, app)))
    if "bad-message" in chosen:  # after the others, because what it breaks would fail them too
        pushes = all(check.ok for check in checks if check.name == "dashboard-push")
        checks.append(await _judge("bad-message", partial(_bad_message, app, expect_push=pushes)))
    return list(checks)


def client_of(
    base_url: str,
    protocol: ProtocolName,
    serializer: str = "json",
    *,
    transports: Sequence[str] = ("websocket",),
    timeout_s: float = 5.0,
) -> App:
    """Clients of the app at this address, one kind per purpose."""
    if protocol == "websocket":
        return _WebSocketApp(base_url, timeout_s)
    return _SocketIoApp(base_url, timeout_s, [one for one in transports if one != "sse"], serializer)


class _BrokenError(Exception):
    """The app broke a promise; the text is the check's detail."""


class Beat(NamedTuple):
    """A snapshot and when it came, in seconds of the loop's clock."""

    at_s: float
    snapshot: Json


async def _judge(name: str, question: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name, True, await question())
    except _BrokenError as broken:
        return Check(name, False, str(broken))
    except Exception as error:  # noqa: BLE001 - any client error is the app's answer, not ours
        said = str(error) or "no more is known"
        return Check(name, False, f"expected an answer, got {type(error).__name__}: {said}")


async def _within(timeout_s: float, awaitable: Awaitable[T], expected: str) -> T:
    try:
        return await asyncio.wait_for(awaitable, timeout_s)
    except TimeoutError:
        raise _BrokenError(f"expected {expected} within {timeout_s:g} s, got nothing") from None


# The questions: one function per promise, the same for both protocols.


async def _health(app: App) -> str:
    status, _ = await _within(app.timeout_s, _http_get(app.base_url, "/healthz"), "an answer to GET /healthz")
    if status != HTTPStatus.OK:
        raise _BrokenError(f"expected status 200 from GET /healthz, got {status}")
    return "expected status 200 from GET /healthz, got it"


async def _echo_text(app: App) -> str:
    return await _echo(app, [_text(size) for size in ECHO_SIZES], "text")


async def _echo_binary(app: App) -> str:
    return await _echo(app, [random.Random(size).randbytes(size) for size in ECHO_SIZES], "binary")


async def _echo(app: App, payloads: Sequence[Payload], kind: str) -> str:
    for transport in app.transports:
        async with app.echoer(transport) as echoer:
            for payload in payloads:
                expected = f"{_shown(payload)} back over {transport}"
                got = await _within(app.timeout_s, echoer.echo(payload), expected)
                if difference := _difference(payload, got):
                    raise _BrokenError(f"{difference}, over {transport}")
            if extra := await echoer.unasked():
                raise _BrokenError(f"expected one answer per message, got another: {_shown(extra[0])}")
    return f"expected {len(payloads)} {kind} messages back over {' and '.join(app.transports)}, got them"


async def _room(app: App) -> str:
    """Three members and an outsider; each says hello first, which proves that it has joined."""
    room, elsewhere = f"contract-{_token()}", f"contract-{_token()}"
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(app.member(room)) for _ in range(3)]
        outsider = await stack.enter_async_context(app.member(elsewhere))
        for number, member in enumerate([*members, outsider]):
            await _say_hello(app, member, f"hello {number}", of=_called(number, len(members)))
        messages = [f"message {turn} of member {number}" for turn in range(2) for number in range(3)]
        for index, text in enumerate(messages):
            await _within(app.timeout_s, members[index % 3].publish(text), f"{text!r} to be taken")
        for number, member in enumerate(members):
            await _receive_each_once(app, member, messages, who=_called(number, len(members)))
        if heard := [text for text in await outsider.unread(QUIET_S) if not text.startswith("hello")]:
            raise _BrokenError(f"expected nothing in another room, got {heard[0]!r}")
    return f"expected each of 3 members to get {len(messages)} messages once and an outsider none, so it was"


async def _say_hello(app: App, member: Member, text: str, *, of: str) -> None:
    await _within(app.timeout_s, member.publish(text), f"{of} to publish {text!r}")
    expected = f"{of} to get its own {text!r}"
    while await _within(app.timeout_s, member.next_text(), expected) != text:
        pass


async def _receive_each_once(app: App, member: Member, messages: Sequence[str], *, who: str) -> None:
    left = Counter(messages)
    while left:
        expected = f"{who} to get all of {len(messages)} messages ({min(left)!r} is missing)"
        text = await _within(app.timeout_s, member.next_text(), expected)
        if text.startswith("hello"):
            continue
        if text not in left:
            wrong = "twice" if text in messages else "which nobody sent"
            raise _BrokenError(f"expected {who} to get each message once, got {text!r} {wrong}")
        del left[text]
    if extra := [text for text in await member.unread(QUIET_S) if not text.startswith("hello")]:
        raise _BrokenError(f"expected {who} to get each message once, got {extra[0]!r} again")


async def _dashboard_answer(app: App) -> str:
    one, other = f"contract-{_token()}", f"contract-{_token()}"
    steps = [(one, 41.5, 1), (one, -0.25, 2), (other, 7, 1), (one, 1e6, 3)]
    async with app.viewer() as viewer:
        for seq, (panel, value, updates) in enumerate(steps, start=12):
            got = await _update(app, viewer, panel, value, seq)
            expected = {**app.answer_frame, **_update_of(panel, value, seq), "updates": updates}
            if got != expected:
                raise _BrokenError(f"expected the answer {_shown_json(expected)}, got {_shown_json(got)}")
    return f"expected {len(steps)} updates to be counted per panel and answered to their sender, so they were"


async def _update(app: App, viewer: Viewer, panel: str, value: float, seq: int = 1) -> Any:
    update = _update_of(panel, value, seq)
    return await _within(app.timeout_s, viewer.update(update), f"an answer to the update {json.dumps(update)}")


def _update_of(panel: str, value: float, seq: int) -> Json:
    return {"panel": panel, "value": value, "client": 7, "seq": seq}


async def _dashboard_push(app: App) -> str:
    panel = f"contract-{_token()}"
    async with app.viewer() as sender, app.viewer() as onlooker:
        await _update(app, sender, panel, 41.5)
        spans = [await _watch(app, viewer, panel) for viewer in (sender, onlooker)]
    return f"expected a snapshot of all panels once per second, got two {max(spans):.2f} s apart"


async def _watch(app: App, viewer: Viewer, panel: str) -> float:
    """Two consecutive snapshots that hold the panel; returns the seconds between them."""
    started = asyncio.get_running_loop().time()
    first = await _within(app.timeout_s, viewer.next_beat(), "a pushed snapshot")
    # One may have been under way before the update, of a hasty server more.
    until = max(first.at_s, started + QUIET_S)
    while panel not in first.snapshot.get("panels", ()) and first.at_s <= until:
        first = await _within(app.timeout_s, viewer.next_beat(), "a pushed snapshot")
    second = await _within(app.timeout_s, viewer.next_beat(), "a second pushed snapshot")
    for _, snapshot in (first, second):
        held = snapshot.get("panels", {}).get(panel)
        if held != {"value": 41.5, "updates": 1} or not isinstance(snapshot.get("seq"), int):
            wanted = {"seq": "a number", "panels": {panel: {"value": 41.5, "updates": 1}}}
            raise _BrokenError(f"expected a snapshot with {json.dumps(wanted)}, got {_shown_json(snapshot)}")
    before, after = first.snapshot["seq"], second.snapshot["seq"]
    apart_s, (low_s, high_s) = second.at_s - first.at_s, PUSH_PERIOD_S
    if not low_s <= apart_s <= high_s:
        raise _BrokenError(f"expected {low_s} to {high_s} s between two snapshots, got {apart_s:.2f} s")
    if after != before + 1:
        raise _BrokenError(f"expected the snapshot after number {before} to be {before + 1}, got {after}")
    return apart_s


async def _events(app: App) -> str:
    """Two snapshots of the event stream; each is one line of data."""
    beats: list[Beat] = []
    async with aiohttp.ClientSession() as session, session.get(f"{app.base_url}/events") as response:
        if response.status != HTTPStatus.OK or response.content_type != "text/event-stream":
            raise _BrokenError(
                f"expected an event stream from GET /events, got status {response.status}, {response.content_type}"
            )
        while len(beats) < 2:
            line = await _within(app.timeout_s, response.content.readline(), "a snapshot in the event stream")
            if not line:
                raise _BrokenError("expected the event stream to go on, but it ended")
            if line.startswith(b"data:"):
                beats.append(Beat(asyncio.get_running_loop().time(), _parsed(line[5:].strip())))
    for _, snapshot in beats:
        kept = isinstance(snapshot, dict) and isinstance(snapshot.get("panels"), dict)
        if not kept or snapshot.get("type") != "snapshot" or not isinstance(snapshot.get("seq"), int):
            raise _BrokenError(
                f'expected {{"type": "snapshot", "seq": a number, "panels": {{}}}}, got {_shown_json(snapshot)}'
            )
    first, second = beats
    if second.snapshot["seq"] != first.snapshot["seq"] + 1:
        raise _BrokenError(f"expected the snapshot after {first.snapshot['seq']}, got {second.snapshot['seq']}")
    return f"expected snapshots in the event stream, got two {second.at_s - first.at_s:.2f} s apart"


async def _crowd(app: App) -> str:
    """Many viewers come at the same moment, each is answered, and all go at once."""

    async def visit() -> None:
        async with app.viewer() as viewer:
            await _update(app, viewer, f"contract-{_token()}", 1.0)

    visits = await asyncio.gather(*(visit() for _ in range(CROWD)), return_exceptions=True)
    if failures := [visit for visit in visits if isinstance(visit, BaseException)]:
        raise _BrokenError(
            f"expected {CROWD} viewers at once to be answered, got {len(failures)} who were not: {failures[0]}"
        )
    return f"expected {CROWD} viewers at once to be answered, and all were"


async def _close(app: App) -> str:
    return await app.close_cleanly()


async def _bad_message(app: App, *, expect_push: bool) -> str:
    """The witness is connected throughout; each piece of garbage has a connection of its own."""
    async with app.viewer() as witness:
        await _update(app, witness, f"contract-{_token()}", 1.0)
        await asyncio.gather(*(_send_garbage(app, garbage) for garbage in GARBAGE))
        witness.forget_beats()
        try:
            await _update(app, witness, f"contract-{_token()}", 2.0)
        except (_BrokenError, ConnectionClosed) as error:
            raise _BrokenError(f"after bad messages on other connections: {error}") from None
        async with app.viewer() as newcomer:
            await _update(app, newcomer, f"contract-{_token()}", 3.0)
        if expect_push:
            await _within(app.timeout_s, witness.next_beat(), "the push to go on after bad messages")
    return "expected bad messages to disturb nobody else, and they did not"


async def _send_garbage(app: App, garbage: Any) -> None:
    async with app.viewer() as clumsy:
        try:
            await clumsy.send_garbage(garbage)
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise _BrokenError(
                    f"expected an error or a close with a code after {_shown_json(garbage)}, got a dropped connection"
                ) from None


# What the questions need of an app, and how each protocol gives it.


class Echoer(Protocol):
    async def echo(self, payload: Payload) -> Any: ...
    async def unasked(self) -> list[Any]: ...


class Member(Protocol):
    async def publish(self, text: str) -> None: ...
    async def next_text(self) -> str: ...
    async def unread(self, within_s: float) -> list[str]: ...


class Viewer(Protocol):
    async def update(self, update: Json) -> Any: ...
    async def send_garbage(self, garbage: Any) -> None: ...
    async def next_beat(self) -> Beat: ...
    def forget_beats(self) -> None: ...


class App(Protocol):
    base_url: str
    timeout_s: float
    transports: Sequence[str]
    answer_frame: ClassVar[Json]
    """What an answer to an update holds besides the update and its count."""

    def echoer(self, transport: str) -> AbstractAsyncContextManager[Echoer]: ...
    def member(self, room: str) -> AbstractAsyncContextManager[Member]: ...
    def viewer(self) -> AbstractAsyncContextManager[Viewer]: ...
    async def close_cleanly(self) -> str: ...


class _WebSocketApp:
    """One path per purpose."""

    answer_frame: ClassVar[Json] = {"type": "panel"}
    transports: Sequence[str] = ("websocket",)

    def __init__(self, base_url: str, timeout_s: float) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s

    def _connect(self, path: str) -> connect:
        return connect(
            "ws" + self.base_url.removeprefix("http") + path,
            proxy=None,
            max_size=None,
            open_timeout=self.timeout_s,
            close_timeout=self.timeout_s,
        )

    @asynccontextmanager
    async def echoer(self, transport: str) -> AsyncIterator[Echoer]:  # noqa: ARG002 - there is but one
        async with self._connect("/echo") as websocket:
            yield _WebSocketPeer(websocket)

    @asynccontextmanager
    async def member(self, room: str) -> AsyncIterator[Member]:
        async with self._connect(f"/room/{room}") as websocket:
            yield _WebSocketPeer(websocket)

    @asynccontextmanager
    async def viewer(self) -> AsyncIterator[Viewer]:
        async with self._connect("/dashboard") as websocket:
            viewer = _WebSocketViewer(websocket)
            reader = asyncio.create_task(viewer.read())
            try:
                yield viewer
            finally:
                reader.cancel()

    async def close_cleanly(self) -> str:
        codes = []
        for path in ("/echo", f"/room/contract-{_token()}", "/dashboard"):
            async with self._connect(path) as websocket:
                await websocket.close(1000)
            if websocket.close_code in (None, 1006):
                raise _BrokenError(f"expected a close frame with code 1000 back from {path}, got none")
            codes.append(websocket.close_code)
        return f"expected a close frame with a code back from each path, got {codes}"


class _WebSocketPeer:
    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket

    async def echo(self, payload: Payload) -> Payload:
        await self._websocket.send(payload)
        return await self._websocket.recv()

    async def publish(self, text: str) -> None:
        await self._websocket.send(text)

    async def next_text(self) -> str:
        message = await self._websocket.recv()
        if isinstance(message, bytes):
            raise _BrokenError(f"expected text in the room, got {_shown(message)}")
        return message

    async def unasked(self) -> list[Any]:
        return await _collect(self._websocket.recv, QUIET_S)

    async def unread(self, within_s: float) -> list[str]:
        return await _collect(self.next_text, within_s)


class _WebSocketViewer:
    """Answers and pushes share the connection: `read` takes them apart."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._answers: _Inbox[Any] = _Inbox()
        self._beats: _Inbox[Beat] = _Inbox()

    async def read(self) -> None:
        try:
            while True:
                message = _parsed(await self._websocket.recv())
                if isinstance(message, dict) and message.get("type") == "snapshot":
                    self._beats.put(Beat(asyncio.get_running_loop().time(), message))
                else:
                    self._answers.put(message)
        except ConnectionClosed as closed:
            self._answers.close(closed)
            self._beats.close(closed)

    async def update(self, update: Json) -> Any:
        await self._websocket.send(json.dumps(update))
        return await self._answers.get()

    async def send_garbage(self, garbage: Any) -> None:
        await self._websocket.send(garbage)
        await _collect(self._answers.get, REACTION_S, most=1)

    async def next_beat(self) -> Beat:
        return await self._beats.get()

    def forget_beats(self) -> None:
        self._beats.clear()


class _SocketIoApp:
    """One event per purpose, in the default namespace."""

    answer_frame: ClassVar[Json] = {}

    def __init__(self, base_url: str, timeout_s: float, transports: Sequence[str], serializer: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s
        self.transports = transports
        self._serializer = "default" if serializer == "json" else serializer

    @asynccontextmanager
    async def _connect(self, transport: str | None = None) -> AsyncIterator[_SocketIoPeer]:
        async with aiohttp.ClientSession(middlewares=(_read_whole,)) as session:
            client = socketio.AsyncClient(reconnection=False, http_session=session, serializer=self._serializer)
            peer = _SocketIoPeer(client)
            opening = client.connect(self.base_url, transports=[transport or self.transports[0]])
            try:
                await _within(self.timeout_s, opening, "a Socket.IO connection")
                yield peer
            finally:
                with suppress(TimeoutError):  # a poll under way may last until the next ping
                    await asyncio.wait_for(client.disconnect(), GOODBYE_S)

    def echoer(self, transport: str) -> AbstractAsyncContextManager[Echoer]:
        return self._connect(transport)

    @asynccontextmanager
    async def member(self, room: str) -> AsyncIterator[Member]:
        async with self._connect() as peer:
            await _within(self.timeout_s, peer.join(room), "an acknowledgement of 'join'")
            yield peer

    @asynccontextmanager
    async def viewer(self) -> AsyncIterator[Viewer]:
        async with self._connect() as peer:
            await _within(self.timeout_s, peer.join(DASHBOARD), "an acknowledgement of 'join'")
            yield peer

    async def close_cleanly(self) -> str:
        """Disconnect; then the server must know the session no more, which it says by status 400."""
        async with self._connect() as peer:
            session = peer.session
        forgotten = _until_forgotten(self.base_url, f"/socket.io/?EIO=4&transport=polling&sid={session}")
        body = await _within(self.timeout_s, forgotten, "status 400 for a session that has disconnected")
        return f"expected status 400 for a session that has disconnected, got it: {body.strip()[:60]}"


async def _until_forgotten(base_url: str, target: str) -> str:
    """Ask until the answer is 400; a session not yet forgotten may hold the request as a poll."""
    while True:
        with suppress(TimeoutError):
            status, body = await asyncio.wait_for(_http_get(base_url, target), GOODBYE_S)
            if status == HTTPStatus.BAD_REQUEST:
                return body


async def _read_whole(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Read each answer at once: python-engineio leaves some unread, and aiohttp then complains of them."""
    response = await handler(request)
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        await response.read()
    return response


class _SocketIoPeer:
    """One client; it is an echoer, a member and a viewer at once."""

    def __init__(self, client: socketio.AsyncClient) -> None:
        self._client = client
        self._texts: _Inbox[Any] = _Inbox()
        self._beats: _Inbox[Beat] = _Inbox()
        client.on("message", self._texts.put)
        client.on("snapshot", self._note_beat)

    @property
    def session(self) -> str:
        return str(self._client.eio.sid)

    async def echo(self, payload: Payload) -> Any:
        return await self._call("echo", payload)

    async def unasked(self) -> list[Any]:
        return []  # an acknowledgement comes once or not at all

    async def join(self, room: str) -> None:
        await self._call("join", room)
        self._room = room

    async def publish(self, text: str) -> None:
        await self._call("publish", {"room": self._room, "text": text})

    async def next_text(self) -> str:
        text = await self._texts.get()
        if not isinstance(text, str):
            raise _BrokenError(f"expected text in the room, got {_shown_json(text)}")
        return text

    async def unread(self, within_s: float) -> list[str]:
        return await _collect(self.next_text, within_s)

    async def update(self, update: Json) -> Any:
        return await self._call("update", update)

    async def send_garbage(self, garbage: Any) -> None:
        await _collect(partial(self._call, "update", garbage), REACTION_S, most=1)

    async def next_beat(self) -> Beat:
        return await self._beats.get()

    def forget_beats(self) -> None:
        self._beats.clear()

    async def _call(self, event: str, data: Any) -> Any:
        """Wait for the acknowledgement for as long as whoever asked does."""
        return await self._client.call(event, data, timeout=None)

    def _note_beat(self, snapshot: Any) -> None:
        self._beats.put(Beat(asyncio.get_running_loop().time(), snapshot if isinstance(snapshot, dict) else {}))


class _Inbox(Generic[T]):
    """A queue that raises why it was closed, once it is empty."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[T | Exception] = asyncio.Queue()

    def put(self, item: T) -> None:
        self._queue.put_nowait(item)

    def close(self, reason: Exception) -> None:
        self._queue.put_nowait(reason)

    async def get(self) -> T:
        item = await self._queue.get()
        if isinstance(item, Exception):
            self._queue.put_nowait(item)
            raise item
        return item

    def clear(self) -> None:
        kept = [item for item in _drained(self._queue) if isinstance(item, Exception)]
        for item in kept:
            self._queue.put_nowait(item)


def _drained(queue: asyncio.Queue[T]) -> list[T]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


async def _collect(receive: Callable[[], Awaitable[T]], within_s: float, *, most: int = 100) -> list[T]:
    """What arrives within the time, until ``most`` have."""
    arrived: list[T] = []
    try:
        async with asyncio.timeout(within_s):
            while len(arrived) < most:
                arrived.append(await receive())
    except TimeoutError:
        pass
    return arrived


async def _http_get(base_url: str, target: str) -> tuple[int, str]:
    """Status and body, by the few lines of HTTP it takes: no proxy, no thread, no client library."""
    address = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port or 80)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    words = head.split(None, 2)
    if len(words) < 2 or not words[1].isdigit():
        raise _BrokenError(f"expected an HTTP answer to GET {target}, got {head[:60]!r}")
    return int(words[1]), body.decode("utf-8", "replace")


def _text(size: int) -> str:
    """That many characters, of one to four bytes."""
    return ("rtsite é 漢 😀 " * (size // 12 + 1))[:size]


def _token() -> str:
    return uuid.uuid4().hex[:12]


def _called(number: int, members: int) -> str:
    return f"member {number + 1} of {members}" if number < members else "the outsider"


def _parsed(message: Payload) -> Any:
    try:
        return json.loads(message)
    except ValueError:
        return message


def _difference(expected: Payload, got: Any) -> str | None:
    """One sentence about the first difference; ``None`` where there is none."""
    if type(got) is type(expected) and got == expected:
        return None
    sentence = f"expected {_shown(expected)}, got {_shown(got)}"
    if type(got) is not type(expected):
        return sentence
    at = next(
        (index for index, (one, other) in enumerate(zip(expected, got, strict=False)) if one != other),
        min(len(expected), len(got)),
    )
    unit = "byte" if isinstance(got, bytes) else "character"
    return f"{sentence}, which differs from {unit} {at}"


def _shown(payload: Any) -> str:
    """Kind, beginning and length of a message."""
    if isinstance(payload, (bytes, bytearray)):
        kind, unit = "binary", "bytes"
    elif isinstance(payload, str):
        kind, unit = "text", "characters"
    else:
        return f"a {type(payload).__name__}: {_shown_json(payload)}"
    shown = repr(payload[:16]) + ("…" if len(payload) > 16 else "")
    return f"{kind} {shown} ({len(payload)} {unit})"


def _shown_json(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=repr)
    return text if len(text) <= 160 else f"{text[:159]}…"
