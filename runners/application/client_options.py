"""The options of ``rtsite load`` for servers that require something of their clients: parsed and checked."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterable
from pathlib import Path

from runners.application.message_options import CLIENT_ONLY, check_template
from runners.loadgen.job import CLIENT_PLACE, NO_OPTIONS, ClientOptions
from runners.loadgen.message import DIGITS
from runners.loadgen.upgrade import RESERVED_FIELDS, RESERVED_PREFIX
from runners.record import UsageError

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token of RFC 9110, section 5.6.2: names of header fields and subprotocols."""
_RESERVED_EVENTS = ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
"""https://socket.io/docs/v4/emit-cheatsheet/#reserved-events"""
_ZEROS = "0" * DIGITS
"""The mark of the sequence number in a message."""


def parse_client_options(
    *,
    headers: Iterable[str] = (),
    origin: str | None = None,
    subprotocols: Iterable[str] = (),
    subscriptions: Iterable[tuple[str, str]] = (),
    ca: str | None = None,
    insecure: bool = False,
    namespace: str | None = None,
    auth: str | None = None,
    event: str | None = None,
    deflate: bool = False,
) -> ClientOptions:
    """The options as values; raises `UsageError` for one that cannot be sent. ``headers``: ``Name: value``."""
    pairs = [_parse_header(text) for text in headers]
    if origin is not None:
        if any(name.lower() == "origin" for name, _ in pairs):
            raise UsageError("the header Origin is given twice, by --origin and by --header; remove one of them")
        pairs.append(("Origin", _checked_value(origin, "--origin")))
    for name in subprotocols:
        if name:
            check_template(name, CLIENT_ONLY, "--subprotocol")
        if not _TOKEN.fullmatch(name.replace(CLIENT_PLACE, "0")):
            raise UsageError(f"--subprotocol {name!r} is not a name without spaces and separators; give each its own")
    return ClientOptions(
        headers=tuple(pairs),
        subprotocols=tuple(dict.fromkeys(subprotocols)),
        subscriptions=tuple(subscriptions),
        ca=_checked_ca(ca, insecure=insecure),
        insecure=insecure,
        namespace=NO_OPTIONS.namespace if namespace is None else _checked_namespace(namespace),
        auth="" if auth is None else _checked_auth(auth),
        event=NO_OPTIONS.event if event is None else _checked_event(event),
        deflate=deflate,
    )


def check_client_options(options: ClientOptions, scheme: str, protocol: str) -> None:
    """Raise `UsageError` if an option does not concern this kind of address or this protocol."""
    if scheme != "wss" and (options.ca or options.insecure):
        raise UsageError("--ca and --insecure are for TLS, but the address begins with ws://; use wss:// or omit them")
    ours = (options.namespace, options.auth, options.event)
    if protocol != "socket.io" and ours != (NO_OPTIONS.namespace, NO_OPTIONS.auth, NO_OPTIONS.event):
        raise UsageError("--namespace, --auth and --event are for Socket.IO; add --protocol socket.io or omit them")


def _parse_header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator or not _TOKEN.fullmatch(name):
        raise UsageError(f"--header {text!r} is not a header; expected a form such as 'Authorization: Bearer TOKEN'")
    if name.lower() in RESERVED_FIELDS or name.lower().startswith(RESERVED_PREFIX):
        hint = "; use --subprotocol" if name.lower() == "sec-websocket-protocol" else ""
        raise UsageError(f"--header cannot set {name}, because the WebSocket handshake sets it{hint}")
    return name, _checked_value(value, f"--header {name}")


def _checked_value(value: str, option: str) -> str:
    value = value.strip(" \t")
    if not value or not all(one == "\t" or one.isprintable() for one in value) or not _fits(value):
        raise UsageError(f"{option} has the value {value!r}; expected printable characters of Latin-1 on one line")
    check_template(value, CLIENT_ONLY, option)
    return value


def _fits(value: str) -> bool:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _checked_ca(ca: str | None, *, insecure: bool) -> str:
    if ca is None:
        return ""
    if insecure:
        raise UsageError("--ca and --insecure contradict each other: --insecure accepts every certificate; omit one")
    try:
        ssl.create_default_context(cafile=ca)
    except OSError as error:  # the errors of TLS are among them
        reason = error.strerror if error.strerror and not isinstance(error, ssl.SSLError) else "no certificate in PEM"
        raise UsageError(f"--ca {ca!r} cannot be used: {reason}; expected a file of certificates in PEM") from None
    return str(Path(ca).absolute())


def _checked_namespace(namespace: str) -> str:
    namespace = namespace if namespace.startswith("/") else f"/{namespace}"
    if not namespace.isprintable() or any(one in namespace for one in ',?" ') or _ZEROS in namespace:
        raise UsageError(f"--namespace {namespace!r} is not a namespace of Socket.IO; expected a form such as /chat")
    return namespace


def _checked_auth(auth: str) -> str:
    try:
        value = json.loads(auth, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UsageError(f"""--auth {auth!r} is not a JSON object; expected a form such as '{{"token": "TOKEN"}}'""")
    return json.dumps(value)


def _refuse_constant(name: str) -> None:
    """JSON has no NaN and no infinity, but Python reads them."""
    raise ValueError(name)


def _checked_event(event: str) -> str:
    if event in _RESERVED_EVENTS:
        raise UsageError(f"--event {event!r} is reserved by Socket.IO, so no server can answer it; name another event")
    if not event or not event.isprintable() or _ZEROS in event:
        raise UsageError(f"--event {event!r} is not a name of an event; expected printable characters such as message")
    return event
