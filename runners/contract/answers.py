"""Functions that wait for an answer, and that describe what was received instead."""

from __future__ import annotations

import asyncio
import json
import ssl
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

import aiohttp

from runners.loadgen import engine_io
from runners.loadgen.causes import RefusedError, harmless
from runners.loadgen.http_answers import MOST_HEAD_BYTES, Head, HeadReader, fields_of, quoted, read_body, refusal_with

Payload = str | bytes
Json = dict[str, Any]
T = TypeVar("T")

QUIET_S = 0.2
"""Seconds that an inbox must stay empty to count as empty. A local broadcast takes a few milliseconds."""
REACTION_S = 0.5
"""Seconds that we wait for an answer to a bad message; the server does not have to send one."""


class BrokenError(Exception):
    """The application broke a promise. The text is the detail of the check."""


class RefusedServerError(BrokenError):
    """The client refused what the server sent. ``cause``: what the client did and why, for example "the client closed
    the connection because …".
    """

    def __init__(self, expected: str, cause: str) -> None:
        super().__init__(f"expected {expected}, but {cause}")
        self.cause = cause


async def within(timeout_s: float, awaitable: Awaitable[T], expected: str) -> T:
    """The result of the awaitable; raises `BrokenError` if it takes longer."""
    try:
        return await asyncio.wait_for(awaitable, timeout_s)
    except TimeoutError:
        raise BrokenError(f"expected {expected} within {timeout_s:g} s, got nothing") from None


async def together(waits: Iterable[Awaitable[T]]) -> list[T]:
    """The results of what is waited for at the same time; raises the first error in its order, once all have ended."""
    results = await asyncio.gather(*waits, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def collect_messages(receive: Callable[[], Awaitable[T]], within_s: float, *, most: int = 100) -> list[T]:
    """The messages received within the time, at most ``most``."""
    arrived: list[T] = []
    try:
        async with asyncio.timeout(within_s):
            while len(arrived) < most:
                arrived.append(await receive())
    except TimeoutError:
        pass
    return arrived


class Inbox(Generic[T]):
    """A queue that, once it is empty, raises the reason why it was closed."""

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


class HttpAnswer(NamedTuple):
    """A whole answer of a server. ``body`` is decoded: read as sent without chunks."""

    head: Head
    body: bytes

    @property
    def status(self) -> int:
        return self.head.status

    def instead_of(self, wanted: str) -> str:
        """A sentence about an answer that is not the wanted one."""
        return str(refusal_with(self.head, self.body, wanted))


LIMITS: dict[str, Any] = {
    "max_line_size": MOST_HEAD_BYTES,
    "max_field_size": MOST_HEAD_BYTES,
    "max_headers": MOST_HEAD_BYTES // 4,
}
"""Options of a session of aiohttp, so that it accepts the heads that the load generator accepts."""


def head_of(response: aiohttp.ClientResponse) -> Head:
    """The head of an answer that aiohttp read."""
    return Head((1, 1), response.status, response.reason or "", fields_of(response.raw_headers))


def refused_by(response: aiohttp.ClientResponse, body: bytes, wanted: str) -> str:
    """A sentence about an answer that aiohttp read and that is not the wanted one."""
    return str(refusal_with(head_of(response), body, wanted, engine_io.tip_for(body)))


def unreadable(error: Exception) -> str:
    """A sentence about an answer that aiohttp could not read."""
    match error:
        case aiohttp.ClientResponseError():
            return f"the server's answer is not valid HTTP: {harmless(' '.join(error.message.split()))}"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection before it answered"
        case aiohttp.ClientPayloadError():
            return "the server closed the connection before its answer was complete"
        case _:
            return f"{type(error).__name__}: {harmless(str(error)) or 'no message'}"


def trust_for(base_url: str, ca: str) -> ssl.SSLContext | None:
    """Whom a client of this address trusts: the certificates in the file ``ca``, or the system's if it is empty."""
    return ssl.create_default_context(cafile=ca or None) if base_url.startswith("https:") else None


async def http_get(base_url: str, target: str, tls: ssl.SSLContext | None = None) -> HttpAnswer:
    """Send an HTTP request without a proxy, a thread or a client library, and read the answer to its end.

    ``tls``: whom it trusts, for an ``https://`` address.

    The end is that of the answer, even if the server does not close the connection. Raises `BrokenError` if the answer
    is not HTTP or incomplete.
    """
    address = urlsplit(base_url)
    port = address.port or (80 if tls is None else 443)
    reader, writer = await asyncio.open_connection(address.hostname, port, ssl=tls)
    heads = HeadReader()
    head: Head | None = None
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode())
        while True:
            data = await reader.read(65536)
            if head is None:
                head = heads.feed(data)
            else:
                heads.rest += data
            body = None if head is None else read_body(head, heads.rest)
            if head is not None and body is not None and (body.complete or (body.complete is None and not data)):
                return HttpAnswer(head, body.data)
            if not data:
                part = f"nothing more after {quoted(heads.rest)}" if head is None else "an answer that was cut short"
                raise BrokenError(f"expected an HTTP answer to GET {target}, got {part}")
    except RefusedError as error:
        raise BrokenError(f"expected an HTTP answer to GET {target}, but {error}") from None
    finally:
        writer.close()


def token() -> str:
    """A unique name."""
    return uuid.uuid4().hex[:12]


def parsed(message: Payload) -> Any:
    """The JSON value of a message, or the message itself if it is not JSON."""
    try:
        return json.loads(message)
    except ValueError:
        return message


def shown(payload: Any) -> str:
    """A description of a message: kind, beginning and length."""
    if isinstance(payload, (bytes, bytearray)):
        kind, unit = "binary", "bytes"
    elif isinstance(payload, str):
        kind, unit = "text", "characters"
    else:
        return f"a {type(payload).__name__}: {shown_json(payload)}"
    beginning = repr(payload[:16]) + ("…" if len(payload) > 16 else "")
    return f"{kind} {beginning} ({len(payload)} {unit})"


def shown_json(value: Any) -> str:
    """The beginning of a value as JSON, on one line."""
    text = value if isinstance(value, str) else json.dumps(value, default=repr)
    return text if len(text) <= 160 else f"{text[:159]}…"
