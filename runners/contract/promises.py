"""The promises of the contract, one test each, the same for both protocols.

Each test returns a sentence about what it expected and received, and raises `BrokenError` if the promise is broken.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from itertools import pairwise
from typing import Any, Protocol

import aiohttp
from websockets.exceptions import ConnectionClosed

from runners.contract.answers import (
    LIMITS,
    QUIET_S,
    BrokenError,
    Json,
    Payload,
    RefusedServerError,
    head_of,
    http_get,
    parsed,
    refused_by,
    shown,
    shown_json,
    together,
    token,
    within,
)
from runners.contract.app import App, Beat, Echoer, Member, Viewer
from runners.contract.session_file import SESSIONS, token_of
from runners.contract.strictness import NO_ANSWER, connector_for
from runners.loadgen.causes import RefusedError
from runners.loadgen.connection import NO_CLOSE_FRAME
from runners.loadgen.event_stream import CONTENT_TYPE, EventReader, check_stream
from runners.loadgen.job import USUAL_PUSH_PERIOD_S, StreamRequest
from runners.record import RtsiteError

ECHO_SIZES = (1, 64, 4096, 200_000)
"""Sizes of echoed messages in bytes or characters. The last is larger than a socket buffer usually accepts at once."""
PUSH_PERIODS = (0.5, 1.6)
"""Minimum and maximum mean time between two pushes on a busy machine, in periods."""
WATCHED_S = 1.0
"""Seconds for which pushes are watched, or one longer period. Of a short period a single push may be late."""
FURTHER_LOOKS, FURTHER_SNAPSHOTS = 3, 2
"""How often pushes are watched again where they come at another interval, and the snapshots of each such look. After a
halt of the machine several come at once; a wrong interval stays wrong."""
PERIOD_LINE = 'PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))'
"""How an application reads its period, as in CONTRIBUTING.md."""
_TOLD = f"; PUSH_PERIOD_S={{:g}} is in its environment: read it once with `{PERIOD_LINE}` (CONTRIBUTING.md, contract)"
STREAMS = (StreamRequest(30, 20.0), StreamRequest(150, 100.0))
"""Streams that are requested at the same time. One that waited for the other would be late."""
CANCELLED = StreamRequest(1000, 20.0)
"""A stream that its client leaves after the first chunk."""
CHUNKS_EARLY_S, CHUNKS_LATE_S = 0.05, 1.2
"""How much sooner or later than planned the last chunk may arrive on a busy machine."""
STREAM_LOOKS = 3
"""How often the streams are requested while one is late. On a busy machine one may be; one that waits always is."""
WORK_LINE = 'WORK_S = float(os.environ.get("WORK_S", "0.005"))'
"""How an application reads how long its work takes, as in CONTRIBUTING.md."""
WORK_TRIES = 20
"""How often an echo is sent just after a message that needs work."""
WORK_LOOKS = 3
"""How often that many tries are made while too few echoes come first."""
OVERTAKING_SHARE = 0.2
"""Least share of echoes that are back before the work is done. Of a server that works in its event loop none is, since
the message with work comes first. On a busy machine an echo may take longer than work in a thread."""
INLINE_TRIES = 5
WORK_SHARE = 0.9
"""Least share of its time that work takes by our clock, which need not be the server's."""
KNOWN_SESSIONS = 2
"""Number of users whose names are requested. Their names are random, so that nobody can guess them."""
CROWD = 120
"""Number of viewers that connect at once. It is above 100, a common size of pools and limits."""
STREAM_FIELDS = {"Accept": CONTENT_TYPE, "Accept-Encoding": "identity"}
"""Header fields of the request for an event stream. Browsers send this Accept; the load generator reads no codings."""
GARBAGE: tuple[Any, ...] = ("this is not JSON", '{"panel": "half an update"}', "[]", b"\x00\xff\xfe")


async def agree_on_compression(app: App) -> str:
    """The server answers the offer to compress messages as RFC 7692 allows. It may decline."""
    agreed = await within(app.timeout_s, app.agreed_compression(), "a connection that offers to compress messages")
    return f"expected a legal answer to permessage-deflate, got {'none: it declines' if agreed is None else agreed}"


async def answer_health(app: App) -> str:
    """The server is up."""
    answer = await within(app.timeout_s, http_get(app.base_url, "/healthz", app.tls), "an answer to GET /healthz")
    if answer.status != HTTPStatus.OK:
        raise BrokenError(f"expected status 200 from GET /healthz, got {answer.status}: {answer.instead_of('200 OK')}")
    return "expected status 200 from GET /healthz, got it"


async def echo_text(app: App) -> str:
    """Text of every size is returned unchanged."""
    return await _echo(app, [_text(size) for size in ECHO_SIZES], "text")


async def echo_binary(app: App) -> str:
    """Bytes of every size are returned unchanged."""
    return await _echo(app, [random.Random(size).randbytes(size) for size in ECHO_SIZES], "binary")


async def _echo(app: App, payloads: Sequence[Payload], kind: str) -> str:
    for transport in app.transports:
        async with app.echoer(transport) as echoer:
            for payload in payloads:
                expected = f"{shown(payload)} back over {transport}"
                got = await within(app.timeout_s, echoer.echo(payload), expected)
                if difference := _difference(payload, got):
                    raise BrokenError(f"{difference}, over {transport}")
            if extra := await echoer.surplus():
                raise BrokenError(f"expected one answer per message, got another: {shown(extra[0])}")
    return f"expected {len(payloads)} {kind} messages back over {' and '.join(app.transports)}, got them"


def _difference(expected: Payload, got: Any) -> str | None:
    """One sentence about the first difference, or ``None`` if there is none."""
    if type(got) is type(expected) and got == expected:
        return None
    sentence = f"expected {shown(expected)}, got {shown(got)}"
    if type(got) is not type(expected):
        return sentence
    at = next(
        (index for index, (one, other) in enumerate(zip(expected, got, strict=False)) if one != other),
        min(len(expected), len(got)),
    )
    unit = "byte" if isinstance(got, bytes) else "character"
    return f"{sentence}, which differs from {unit} {at}"


def _text(size: int) -> str:
    """A text of this many characters, each of one to four bytes."""
    return ("rtsite é 漢 😀 " * (size // 12 + 1))[:size]


async def deliver_to_room(app: App) -> str:
    """Three members and an outsider; each publishes a greeting first, which proves that it has joined."""
    room, elsewhere = f"contract-{token()}", f"contract-{token()}"
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(app.member(room)) for _ in range(3)]
        outsider = await stack.enter_async_context(app.member(elsewhere))
        for number, member in enumerate([*members, outsider]):
            await _greet(app, member, f"hello {number}", of=_called(number, len(members)))
        messages = [f"message {turn} of member {number}" for turn in range(2) for number in range(3)]
        for index, text in enumerate(messages):
            await within(app.timeout_s, members[index % 3].publish(text), f"{text!r} to be taken")
        names = [_called(number, len(members)) for number in range(len(members))]
        await together(
            _receive_each_once(app, member, messages, who=who) for member, who in zip(members, names, strict=True)
        )
        await _expect_silence(members, outsider)
    return f"expected each of 3 members to get {len(messages)} messages once and an outsider none, so it was"


class Publisher(Protocol):
    """A program beside the server that publishes to rooms through the broker."""

    def publish(self, room: str, text: str) -> None: ...


POSTED = ("message 0 from outside", 'message 1: é 漢 😀 "', "x" * 4096)
"""Texts that are published from outside of the server."""
TEXT_FIELDS = {"Content-Type": "text/plain; charset=utf-8", "Accept-Encoding": "identity"}
"""Header fields of a request that publishes a text."""


async def deliver_posted(app: App) -> str:
    """What an HTTP request publishes reaches the members of its room."""
    async with aiohttp.ClientSession(connector=connector_for(app.tls), **LIMITS) as session:

        async def post(room: str, text: str) -> None:
            target = f"/publish/{room}"
            async with session.post(
                f"{app.base_url}{target}", data=text.encode(), headers=TEXT_FIELDS, allow_redirects=False
            ) as response:
                body = await response.read()
                if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
                    refusal = refused_by(response, body, f"a status of 200 to 299 to POST {target}")
                    raise BrokenError(f"expected a text to be taken, but {refusal}")

        return await _deliver_from_outside(app, post, "posted to a room")


async def deliver_published(app: App, running: AbstractContextManager[Publisher]) -> str:
    """What another process publishes through the broker reaches the members of its room.

    ``running``: raises an `RtsiteError` at its end if the program ended before.
    """
    try:
        with running as publisher:

            async def publish(room: str, text: str) -> None:
                publisher.publish(room, text)

            return await _deliver_from_outside(app, publish, "published by another process")
    except RtsiteError as error:
        raise BrokenError(str(error)) from None


async def _deliver_from_outside(app: App, publish: Callable[[str, str], Awaitable[None]], how: str) -> str:
    """Three members and an outsider; each publishes a greeting first, which proves that it has joined."""
    room, elsewhere = f"contract-{token()}", f"contract-{token()}"
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(app.member(room)) for _ in range(3)]
        outsider = await stack.enter_async_context(app.member(elsewhere))
        for number, member in enumerate([*members, outsider]):
            await _greet(app, member, f"hello {number}", of=_called(number, len(members)))
        for text in POSTED:
            await within(app.timeout_s, publish(room, text), f"{text[:30]!r} to be taken that was {how}")
        await together(
            _receive_each_once(app, member, POSTED, who=_called(number, len(members)))
            for number, member in enumerate(members)
        )
        await _expect_silence(members, outsider)
    return f"expected 3 members to get each of {len(POSTED)} texts {how} once and an outsider none, so it was"


async def _expect_silence(members: Sequence[Member], outsider: Member) -> None:
    """Nobody gets a message again, and who is in another room gets none."""
    *extra, elsewhere_heard = await together(member.unread(QUIET_S) for member in (*members, outsider))
    for number, texts in enumerate(extra):
        if again := _no_greetings(texts):
            raise BrokenError(
                f"expected {_called(number, len(members))} to get each message once, got {again[0][:30]!r} again"
            )
    if received := _no_greetings(elsewhere_heard):
        raise BrokenError(f"expected nothing in another room, got {received[0][:30]!r}")


async def _greet(app: App, member: Member, text: str, *, of: str) -> None:
    await within(app.timeout_s, member.publish(text), f"{of} to publish {text!r}")
    expected = f"{of} to get its own {text!r}"
    while await within(app.timeout_s, member.next_text(), expected) != text:
        pass


async def _receive_each_once(app: App, member: Member, messages: Sequence[str], *, who: str) -> None:
    left = Counter(messages)
    while left:
        expected = f"{who} to get all of {len(messages)} messages ({min(left)[:30]!r} is missing)"
        text = await within(app.timeout_s, member.next_text(), expected)
        if text.startswith("hello"):
            continue
        if text not in left:
            wrong = "twice" if text in messages else "which nobody sent"
            raise BrokenError(f"expected {who} to get each message once, got {text[:30]!r} {wrong}")
        del left[text]


def _no_greetings(texts: Sequence[str]) -> list[str]:
    return [text for text in texts if not text.startswith("hello")]


def _called(number: int, members: int) -> str:
    return f"member {number + 1} of {members}" if number < members else "the outsider"


async def answer_updates(app: App) -> str:
    """Updates are counted per panel, and the sender gets an answer to each."""
    one, other = f"contract-{token()}", f"contract-{token()}"
    steps = [(one, 41.5, 1), (one, -0.25, 2), (other, 7, 1), (one, 1e6, 3)]
    async with app.viewer() as viewer:
        for seq, (panel, value, updates) in enumerate(steps, start=12):
            got = await _update(app, viewer, panel, value, seq)
            expected = {**app.answer_frame, **_update_of(panel, value, seq), "updates": updates}
            if got != expected:
                raise BrokenError(f"expected the answer {shown_json(expected)}, got {shown_json(got)}")
    return f"expected {len(steps)} updates to be counted per panel and answered to their sender, so they were"


async def _update(app: App, viewer: Viewer, panel: str, value: float, seq: int = 1) -> Any:
    update = _update_of(panel, value, seq)
    return await within(app.timeout_s, viewer.update(update), f"an answer to the update {json.dumps(update)}")


def _update_of(panel: str, value: float, seq: int) -> Json:
    return {"panel": panel, "value": value, "client": 7, "seq": seq}


async def push_snapshots(app: App) -> str:
    """Every viewer gets a snapshot once per period."""
    panel = f"contract-{token()}"
    async with app.viewer() as sender, app.viewer() as onlooker:
        await _update(app, sender, panel, 41.5)
        periods = await together(_watch(app, viewer, panel) for viewer in (sender, onlooker))
    return (
        f"expected a snapshot of all panels every {app.settings.push_period_s:g} s, got one every {max(periods):.2f} s"
    )


async def _watch(app: App, viewer: Viewer, panel: str) -> float:
    """The mean seconds between consecutive snapshots that contain the panel."""
    started = asyncio.get_running_loop().time()
    first = await within(app.timeout_s, viewer.next_beat(), "a pushed snapshot")
    # One snapshot may have been sent before the update. A server that pushes too often may have sent more.
    until = max(first.at_s, started + QUIET_S)
    while panel not in first.snapshot.get("panels", ()) and first.at_s <= until:
        first = await within(app.timeout_s, viewer.next_beat(), "a pushed snapshot")
    beats = await _follow(app, first, viewer.next_beat)
    for _, snapshot in beats:
        held = snapshot.get("panels", {}).get(panel)
        if held != {"value": 41.5, "updates": 1} or not isinstance(snapshot.get("seq"), int):
            wanted = {"seq": "a number", "panels": {panel: {"value": 41.5, "updates": 1}}}
            raise BrokenError(f"expected a snapshot with {json.dumps(wanted)}, got {shown_json(snapshot)}")
    return _period_of(app, beats)


async def _follow(app: App, first: Beat, next_beat: Callable[[], Awaitable[Beat]]) -> list[Beat]:
    """The first snapshot and those of the next `WATCHED_S`, at least one; fewer if they come too slowly.

    If their mean interval is wrong, those of a further look, which begins with the last one seen.
    """
    count = max(1, round(WATCHED_S / app.settings.push_period_s))
    longest_s = PUSH_PERIODS[1] * count * app.settings.push_period_s
    beats = [first]
    while len(beats) <= count and beats[-1].at_s - first.at_s <= longest_s:
        beats.append(await within(app.timeout_s, next_beat(), "another pushed snapshot"))
    for _ in range(FURTHER_LOOKS):
        if _is_period(app, _interval_s(beats)):
            break
        further = [
            await within(app.timeout_s, next_beat(), "another pushed snapshot") for _ in range(FURTHER_SNAPSHOTS)
        ]
        beats = [beats[-1], *further]
    return beats


def _interval_s(beats: Sequence[Beat]) -> float:
    return (beats[-1].at_s - beats[0].at_s) / (len(beats) - 1)


def _is_period(app: App, interval_s: float) -> bool:
    low_s, high_s = (share * app.settings.push_period_s for share in PUSH_PERIODS)
    return low_s <= interval_s <= high_s


def _period_of(app: App, beats: Sequence[Beat]) -> float:
    """The mean seconds between consecutive snapshots, of which there are two or more."""
    apart_s = _interval_s(beats)
    if not _is_period(app, apart_s):
        low_s, high_s = (share * app.settings.push_period_s for share in PUSH_PERIODS)
        hint = "" if app.settings.push_period_s == USUAL_PUSH_PERIOD_S else _TOLD.format(app.settings.push_period_s)
        raise BrokenError(f"expected {low_s:g} to {high_s:g} s between two snapshots, got {apart_s:.2f} s{hint}")
    for before, after in pairwise(beat.snapshot["seq"] for beat in beats):
        if after != before + 1:
            raise BrokenError(f"expected the snapshot after number {before} to be {before + 1}, got {after}")
    return apart_s


class _EventSource:
    """An event stream that is read as by a page."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.events = EventReader()
        self._response = response
        self._arrived: deque[tuple[float, bytes]] = deque()

    async def next_event(self) -> tuple[float, bytes] | None:
        """When the next event arrived, by the event loop's clock, and its data; ``None`` at the end of the stream."""
        while not self._arrived:
            if not (data := await self._response.content.readany()):
                return None
            now_s = asyncio.get_running_loop().time()
            self._arrived.extend((now_s, event) for event in self.events.feed(data))
        return self._arrived.popleft()


@asynccontextmanager
async def _event_source(app: App, target: str) -> AsyncIterator[_EventSource]:
    """The event stream at this path; raises `BrokenError` if the answer is none."""
    async with (
        aiohttp.ClientSession(connector=connector_for(app.tls), **LIMITS) as session,
        session.get(f"{app.base_url}{target}", headers=STREAM_FIELDS, allow_redirects=False) as response,
    ):
        body = b"" if response.status == HTTPStatus.OK else await response.read()
        try:
            check_stream(head_of(response), body)
        except RefusedError as refused:
            raise BrokenError(f"expected an event stream from GET {target}, but {refused}") from None
        yield _EventSource(response)


async def stream_events(app: App) -> str:
    """The event stream contains the snapshots; each is one line of data."""
    async with _event_source(app, "/events") as source:

        async def next_beat() -> Beat:
            expected = f"a snapshot in the event stream within {app.timeout_s:g} s"
            try:
                found = await asyncio.wait_for(source.next_event(), app.timeout_s)
            except TimeoutError:
                kind = source.events.other_type
                got = (
                    f"only events of the type {kind!r}; a message has the type 'message' or none" if kind else "nothing"
                )
                raise BrokenError(f"expected {expected}, got {got}") from None
            if found is None:
                raise BrokenError("expected the event stream to go on, but it ended")
            at_s, data = found
            return Beat(at_s, parsed(data))

        beats = await _follow(app, await next_beat(), next_beat)
    for _, snapshot in beats:
        kept = isinstance(snapshot, dict) and isinstance(snapshot.get("panels"), dict)
        if not kept or snapshot.get("type") != "snapshot" or not isinstance(snapshot.get("seq"), int):
            raise BrokenError(
                f'expected {{"type": "snapshot", "seq": a number, "panels": {{}}}}, got {shown_json(snapshot)}'
            )
    period_s = _period_of(app, beats)
    told_s = app.settings.push_period_s
    return f"expected a snapshot in the event stream every {told_s:g} s, got one every {period_s:.2f} s"


async def stream_chunks(app: App) -> str:
    """Each request is answered by as many chunks as it requests, at its own pace, whatever the others request."""

    async def read_one(request: StreamRequest) -> None:
        async with app.reader() as reader:
            began_s = asyncio.get_running_loop().time()
            await reader.ask(request.chunks, request.chunks_per_s)
            for number in range(request.chunks):
                what = f"chunk {number} of {request.chunks}"
                _check_chunk(await within(app.timeout_s, reader.next_chunk(), what), number)
            _check_pace(request, asyncio.get_running_loop().time() - began_s)
            if extra := await reader.unread_chunks(QUIET_S):
                raise BrokenError(f"expected {request.chunks} chunks, got another: {shown_json(extra[0])}")

    async def leave() -> None:
        async with app.reader() as reader:
            await reader.ask(CANCELLED.chunks, CANCELLED.chunks_per_s)
            await within(app.timeout_s, reader.next_chunk(), "the first chunk")

    return await _read_after(leave, read_one)


async def stream_chunks_as_events(app: App) -> str:
    """The same over server-sent events: the response ends with the last chunk."""

    async def read_one(request: StreamRequest) -> None:
        began_s = asyncio.get_running_loop().time()
        async with _event_source(app, _target(request)) as source:
            for number in range(request.chunks):
                found = await within(app.timeout_s, source.next_event(), f"chunk {number} of {request.chunks}")
                if found is None:
                    raise BrokenError(f"expected {request.chunks} chunks, but the stream ended after {number}")
                _check_chunk(parsed(found[1]), number)
            _check_pace(request, asyncio.get_running_loop().time() - began_s)
            if extra := await within(app.timeout_s, source.next_event(), "the stream to end after its last chunk"):
                raise BrokenError(f"expected {request.chunks} chunks, got another: {shown(extra[1])}")

    async def leave() -> None:
        async with _event_source(app, _target(CANCELLED)) as source:
            await within(app.timeout_s, source.next_event(), "the first chunk")

    return await _read_after(leave, read_one)


def _target(request: StreamRequest) -> str:
    return f"/stream/events?chunks={request.chunks}&per_s={request.chunks_per_s:g}"


def _check_chunk(chunk: Any, number: int) -> None:
    text = chunk.get("text") if isinstance(chunk, dict) else None
    if not isinstance(text, str) or not text or chunk.get("seq") != number:
        raise BrokenError(f'expected {{"seq": {number}, "text": some text}}, got {shown_json(chunk)}')


class _LateError(BrokenError):
    """A stream was slower than its request."""


def _check_pace(request: StreamRequest, took_s: float) -> None:
    """The first chunk is due at once, and the last one a period before the stream's end."""
    planned_s = (request.chunks - 1) / request.chunks_per_s
    if took_s < planned_s - CHUNKS_EARLY_S:
        raise BrokenError(
            f"expected {request.chunks} chunks at {request.chunks_per_s:g} per second to take {planned_s:g} s, got them"
            f" in {took_s:.2f} s; wait before each chunk until it is due (CONTRIBUTING.md, contract)"
        )
    if took_s > planned_s + CHUNKS_LATE_S:
        raise _LateError(
            f"expected {request.chunks} chunks at {request.chunks_per_s:g} per second to take {planned_s:g} s, beside"
            f" another stream, got them in {took_s:.2f} s; streams wait for each other, or chunks for a fixed pause"
        )


async def _read_after(
    leave: Callable[[], Awaitable[None]], read_one: Callable[[StreamRequest], Awaitable[None]]
) -> str:
    """Leave one stream, then read `STREAMS` together, anew while one of them is late, `STREAM_LOOKS` times."""
    for looks_left in reversed(range(STREAM_LOOKS)):
        await leave()
        try:
            await together(map(read_one, STREAMS))
        except _LateError:
            if not looks_left:
                raise
        else:
            break
    return f"expected {len(STREAMS)} streams at once, each at its own pace, after one was cancelled, so they were"


async def answer_after_work(app: App) -> str:
    """Messages that need work return unchanged, not before the work is done. Work in a thread keeps nobody else
    waiting.
    """
    async with app.worker(inline=True) as inline:
        for number in range(INLINE_TRIES):
            await _work(app, inline, f"inline {number}")
    async with app.worker(inline=False) as worker, app.echoer(app.transports[0]) as other:
        for look in range(WORK_LOOKS):
            numbers = range(look * WORK_TRIES, (look + 1) * WORK_TRIES)  # an answer of another look is a wrong one
            overtaken = sum([await _overtakes(app, worker, other, number) for number in numbers])
            if overtaken >= OVERTAKING_SHARE * WORK_TRIES:
                return (
                    f"expected an echo to come back before work is done, got it so in {overtaken} of {WORK_TRIES} tries"
                )
    raise BrokenError(
        f"expected an echo to come back while another client waits for {app.settings.work_s:g} s of work, got so"
        f" {overtaken} of {WORK_TRIES} times; do the work in a thread (CONTRIBUTING.md, contract)"
    )


async def _overtakes(app: App, worker: Echoer, other: Echoer, number: int) -> bool:
    """Whether the echo of one client is back before the answer of another one, which needs work and was sent before."""
    answered: list[str] = []

    async def work() -> None:
        await _work(app, worker, f"work {number}")
        answered.append("work")

    async def echo() -> None:
        text = f"beside work {number}"
        if difference := _difference(text, await within(app.timeout_s, other.echo(text), f"{shown(text)} back")):
            raise BrokenError(difference)
        answered.append("echo")

    await together([work(), echo()])
    return answered[0] == "echo"


async def _work(app: App, worker: Echoer, text: str) -> None:
    began_s = time.perf_counter()
    got = await within(app.timeout_s, worker.echo(text), f"{shown(text)} back after work")
    took_s = time.perf_counter() - began_s
    if difference := _difference(text, got):
        raise BrokenError(difference)
    work_s = app.settings.work_s
    if took_s < WORK_SHARE * work_s:
        raise BrokenError(
            f"expected an answer after {work_s:g} s of work, got it after {took_s:.4f} s; WORK_S={work_s:g} is"
            f" in its environment: read it once with `{WORK_LINE}` (CONTRIBUTING.md, contract)"
        )


async def know_sessions(app: App) -> str:
    """The server knows the user of each token, and refuses clients with another token or none."""
    assert app.settings.sessions is not None
    for number in random.sample(range(SESSIONS), KNOWN_SESSIONS):
        expected = await asyncio.to_thread(app.settings.sessions.user_of, token_of(number))
        async with app.session_holder(token_of(number)) as holder:
            got = await within(app.timeout_s, holder.whoami(), f"the name of the user with {token_of(number)}")
        if got != expected:
            raise BrokenError(
                f"expected {shown(expected)}, the name of the user with {token_of(number)}, got {shown(got)}"
            )
    for wrong in (token_of(SESSIONS), None):
        how = await _refusal(app, wrong, "with no token" if wrong is None else f"with the unknown {wrong}")
    return f"expected the names of {KNOWN_SESSIONS} users, and clients without a known token to be refused, got {how}"


async def refuse_while_locked(app: App) -> str:
    """Clients are refused soon while the server cannot read its sessions, and are let in afterwards."""
    assert app.settings.sessions is not None
    known = token_of(0)
    with app.settings.sessions.locked():
        how = await _refusal(app, known, "while the file of sessions is locked")
    async with app.session_holder(known) as holder:
        got = await within(app.timeout_s, holder.whoami(), "a name after the file of sessions was locked")
    if got != app.settings.sessions.user_of(known):
        raise BrokenError(f"expected {shown(app.settings.sessions.user_of(known))} after a lock, got {shown(got)}")
    return f"expected a client to be refused while the file of sessions is locked, got {how}"


async def _refusal(app: App, token: str | None, who: str) -> str:
    """How the server refuses a client before accepting it; raises `BrokenError` if it does not, or does not say so."""
    expected = f"a client {who} to be refused"
    is_accepted = False
    try:
        async with app.session_holder(token) as holder:
            is_accepted = True
            got = await within(app.timeout_s, holder.whoami(), expected)
    except (RefusedServerError, ConnectionClosed) as refused:
        if is_accepted:
            raise BrokenError(f"expected {expected} before it is accepted, got it accepted and then closed") from None
        if isinstance(refused, RefusedServerError) and not refused.cause.startswith((NO_ANSWER, NO_CLOSE_FRAME.text)):
            return refused.cause.partition(";")[0]
    except TimeoutError:
        raise BrokenError(f"expected {expected} within {app.timeout_s:g} s, got nothing") from None
    else:
        raise BrokenError(f"expected {expected}, got the answer {shown(got)}")
    raise BrokenError(f"expected {expected} with a status, got a dropped connection")


async def serve_crowd(app: App) -> str:
    """Many viewers connect at once, each gets an answer, and all disconnect at once."""

    async def visit() -> None:
        async with app.viewer() as viewer:
            await _update(app, viewer, f"contract-{token()}", 1.0)

    visits = await asyncio.gather(*(visit() for _ in range(CROWD)), return_exceptions=True)
    if failures := [visit for visit in visits if isinstance(visit, BaseException)]:
        raise BrokenError(
            f"expected {CROWD} viewers at once to be answered, got {len(failures)} who were not: {failures[0]}"
        )
    return f"expected {CROWD} viewers at once to be answered, and all were"


async def close_in_order(app: App) -> str:
    """A client that closes its connection gets the correct answer."""
    return await app.close_cleanly()


async def contain_bad_messages(app: App, *, expect_push: bool) -> str:
    """Bad messages do not disturb other clients: a witness stays connected while others send garbage."""
    async with app.viewer() as witness:
        await _update(app, witness, f"contract-{token()}", 1.0)
        await asyncio.gather(*(_send_garbage(app, garbage) for garbage in GARBAGE))
        witness.forget_beats()
        try:
            await _update(app, witness, f"contract-{token()}", 2.0)
        except (BrokenError, ConnectionClosed) as error:
            raise BrokenError(f"after bad messages on other connections: {error}") from None
        async with app.viewer() as newcomer:
            await _update(app, newcomer, f"contract-{token()}", 3.0)
        if expect_push:
            await within(app.timeout_s, witness.next_beat(), "the push to go on after bad messages")
    return "expected bad messages to disturb nobody else, and they did not"


async def _send_garbage(app: App, garbage: Any) -> None:
    async with app.viewer() as clumsy:
        try:
            await clumsy.send_garbage(garbage)
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise BrokenError(
                    f"expected an error or a close with a code after {shown_json(garbage)}, got a dropped connection"
                ) from None
