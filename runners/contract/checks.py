"""All questions put to one app, each answer judged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from runners.contract import questions
from runners.contract.app import App
from runners.contract.asking import BrokenError
from runners.contract.over_socketio import SocketIoApp
from runners.contract.over_websocket import WebSocketApp

ProtocolName = Literal["websocket", "socket.io"]

_TOGETHER: dict[str, Callable[[App], Awaitable[str]]] = {
    "health": questions.health,
    "echo-text": questions.echo_text,
    "echo-binary": questions.echo_binary,
    "room": questions.room,
    "dashboard-answer": questions.dashboard_answer,
    "dashboard-push": questions.dashboard_push,
    "events": questions.events,
    "close": questions.close,
}
CHECKS = (*_TOGETHER, "crowd", "bad-message")
READINESS = frozenset({"health", "echo-text"})
"""The checks that tell quickly whether a server is up and is the one that was meant."""


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
    together = {name: question for name, question in _TOGETHER.items() if name in chosen}
    checks = await asyncio.gather(*(_judge(name, partial(question, app)) for name, question in together.items()))
    if "crowd" in chosen:  # alone, because so many would delay the others
        checks.append(await _judge("crowd", partial(questions.crowd, app)))
    if "bad-message" in chosen:  # after the others, because what it breaks would fail them too
        pushes = all(check.ok for check in checks if check.name == "dashboard-push")
        checks.append(await _judge("bad-message", partial(questions.bad_message, app, expect_push=pushes)))
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
        return WebSocketApp(base_url, timeout_s)
    return SocketIoApp(base_url, timeout_s, [one for one in transports if one != "sse"], serializer)


async def _judge(name: str, question: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name, True, await question())
    except BrokenError as broken:
        return Check(name, False, str(broken))
    except Exception as error:  # noqa: BLE001 - any client error is the app's answer, not ours
        said = str(error) or "no more is known"
        return Check(name, False, f"expected an answer, got {type(error).__name__}: {said}")
