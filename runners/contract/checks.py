"""The checks of one application. Each tests one promise of the contract and describes the result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, get_args

from runners.contract import promises
from runners.contract.answers import BrokenError, unreadable
from runners.contract.app import App
from runners.contract.server_settings import USUAL_SETTINGS, ServerSettings
from runners.contract.socketio_app import SocketIoApp
from runners.contract.websocket_app import WebSocketApp
from runners.loadgen.job import (
    OVER_SSE,
    Exchange,
    Protocol,
    Serializer,
    Transport,
)

ALL_EXCHANGES: tuple[Exchange, ...] = get_args(Exchange)


class Promise(NamedTuple):
    """The test of a promise, and the exchange that it belongs to; ``None`` if it belongs to all."""

    test: Callable[[App], Awaitable[str]]
    exchange: Exchange | None


_AT_ONCE: dict[str, Promise] = {
    "health": Promise(promises.answer_health, None),
    "echo-text": Promise(promises.echo_text, "echo"),
    "echo-binary": Promise(promises.echo_binary, "echo"),
    "room": Promise(promises.deliver_to_room, "room"),
    "publish": Promise(promises.deliver_posted, "publish"),
    "dashboard-answer": Promise(promises.answer_updates, "dashboard"),
    "dashboard-push": Promise(promises.push_snapshots, "dashboard"),
    "events": Promise(promises.stream_events, "events"),
    "stream": Promise(promises.stream_chunks, "stream"),
    "stream-events": Promise(promises.stream_chunks_as_events, "stream-events"),
    "work": Promise(promises.answer_after_work, "work"),
    "session": Promise(promises.know_sessions, "session"),
    "close": Promise(promises.close_in_order, None),
    "compression": Promise(promises.agree_on_compression, None),
}
"""Promises that are tested at the same time."""
_EXCHANGES: dict[str, Exchange | None] = {
    **{name: promise.exchange for name, promise in _AT_ONCE.items()},
    "publisher": "room",
    "crowd": "dashboard",
    "bad-message": "dashboard",
    "session-locked": "session",
}
CHECKS = tuple(_EXCHANGES)


@dataclass(frozen=True)
class Check:
    """The result for one promise; ``detail`` describes what was expected and what was received."""

    name: str
    ok: bool
    detail: str


def checks_for(exchanges: Collection[Exchange]) -> frozenset[str]:
    """The names of the checks that concern an application with these exchanges."""
    found = {name for name, exchange in _EXCHANGES.items() if exchange is None or exchange in exchanges}
    if exchanges and set(exchanges) <= OVER_SSE:
        found -= {"close", "compression"}  # it has no messages to compress, and no connection to close in order
    return frozenset(found)


TLS_END_S = 0.25
"""Seconds in which connections over TLS end after their clients have closed them. asyncio closes their sockets later
than plain ones, and aiohttp's documentation advises this pause
(https://docs.aiohttp.org/en/stable/client_advanced.html)."""


async def check_contract(
    base_url: str,
    protocol: Protocol,
    *,
    only: Collection[str] | None = None,
    exchanges: Collection[Exchange] = ALL_EXCHANGES,
    transports: Sequence[Transport] = ("websocket",),
    serializer: Serializer = "json",
    settings: ServerSettings = USUAL_SETTINGS,
    offers_deflate: bool = False,
    publisher: Callable[[], AbstractContextManager[promises.Publisher]] | None = None,
    timeout_s: float = 5.0,
    ca: str = "",
) -> list[Check]:
    """Test each promise of the application at ``base_url`` (``http://127.0.0.1:8001``), in about three seconds.

    The checks are those of the application's ``exchanges``, or those in ``only``, which are names in `CHECKS`. The echo
    must work over each of Socket.IO's ``transports``. What is over server-sent events is tested if ``sse`` is one of
    them. ``serializer``: the serializer of Socket.IO's packets. ``settings``: those of the server; without
    sessions none is tested. ``publisher``: starts the program that publishes through the broker, and stops it; without
    it, none is tested. ``offers_deflate``: clients over WebSocket offer to compress messages, and the answer is
    tested. No single wait is longer than ``timeout_s``. ``ca``: file of certificates in PEM that the clients trust,
    for an ``https://`` address. Every error except cancellation is a failed check. Raises `ValueError` for an unknown
    check.
    """
    chosen = set(checks_for(exchanges) if only is None else only)
    if unknown := chosen.difference(CHECKS):
        raise ValueError(f"unknown check: {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
    app = client_of(
        base_url,
        protocol,
        serializer,
        exchanges=exchanges,
        transports=transports,
        settings=settings,
        offers_deflate=offers_deflate,
        timeout_s=timeout_s,
        ca=ca,
    )
    if not offers_deflate or "websocket" not in transports:
        chosen.discard("compression")
    if "sse" not in transports:
        chosen -= OVER_SSE
    if publisher is None:
        chosen.discard("publisher")
    if settings.sessions is None:
        chosen -= {"session", "session-locked"}
    at_once = {name: promise.test for name, promise in _AT_ONCE.items() if name in chosen}
    checks = await asyncio.gather(*(_judge(name, partial(test, app)) for name, test in at_once.items()))
    if "crowd" in chosen:  # separately, because so many clients would delay the other checks
        checks.append(await _judge("crowd", partial(promises.serve_crowd, app)))
    if publisher is not None and "publisher" in chosen:  # separately, because its start blocks the others
        checks.append(await _judge("publisher", partial(promises.deliver_published, app, publisher())))
    if "bad-message" in chosen:  # after the others, because damage that it does would make them fail too
        pushes = all(check.ok for check in checks if check.name == "dashboard-push")
        checks.append(await _judge("bad-message", partial(promises.contain_bad_messages, app, expect_push=pushes)))
    if "session-locked" in chosen:  # after "session", which reads the same file
        checks.append(await _judge("session-locked", partial(promises.refuse_while_locked, app)))
    if app.tls is not None:
        await asyncio.sleep(TLS_END_S)
    return list(checks)


def client_of(
    base_url: str,
    protocol: Protocol,
    serializer: Serializer = "json",
    *,
    exchanges: Collection[Exchange] = ALL_EXCHANGES,
    transports: Sequence[Transport] = ("websocket",),
    settings: ServerSettings = USUAL_SETTINGS,
    offers_deflate: bool = False,
    timeout_s: float = 5.0,
    ca: str = "",
) -> App:
    """The factory of clients for the application at this address."""
    if protocol == "websocket":
        return WebSocketApp(base_url, timeout_s, exchanges, settings, ca, offers_deflate=offers_deflate)
    offered = [one for one in transports if one != "sse"]
    return SocketIoApp(base_url, timeout_s, offered, serializer, settings, ca, offers_deflate=offers_deflate)


async def _judge(name: str, test: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name, True, await test())
    except BrokenError as broken:
        return Check(name, False, str(broken))
    except Exception as error:  # noqa: BLE001 - any client error is a result for the application, not for us
        return Check(name, False, f"expected an answer, got none: {unreadable(error)}")
