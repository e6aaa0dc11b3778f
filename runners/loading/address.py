"""Addresses of servers as users type them, made fit for a request. Pure functions."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from yarl import URL

from runners.record import UsageError

_SECURE: dict[str, Literal["ws", "wss"]] = {"http": "ws", "https": "wss"}
_LEGAL = "%!$&'()*+,;=:@/?-._~[]|"
"""Characters besides letters and digits that remain in a path or a query. Everything else is percent-encoded."""


def read_address(text: str) -> str:
    """The address of a WebSocket server in ASCII: ``ws://host:port/path?query``, or ``wss://``.

    A host with other characters becomes Punycode (IDNA 2008, as in browsers), and a path is percent-encoded as UTF-8.
    Raises `UsageError` for anything that is no such address (RFC 6455, section 3: no fragment, no user name).
    """
    if not text.isprintable() or text != text.strip():
        raise UsageError(f"{text!a} is not a WebSocket address: it has control characters or blanks at its ends")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UsageError(
            f"{text!r} is not a WebSocket address: its host or its port cannot be read; a port is 1 to 65535, and an"
            " IPv6 address has brackets, for example ws://[::1]:8000/"
        ) from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        if "://" not in text:
            near = f"; did you mean ws://{text}?"
        elif parts.scheme in _SECURE:
            near = f"; did you mean {_SECURE[parts.scheme]}{text[len(parts.scheme) :]}?"
        else:
            near = ""
        raise UsageError(
            f"{text!r} is not a WebSocket address; it must start with ws:// or wss:// and name a host{near}"
        )
    if "@" in parts.netloc:
        raise UsageError(
            f"the address of {parts.hostname} has a user name, which a WebSocket address cannot; remove it"
        )
    if port == 0:
        raise UsageError(f"{text!r} has port 0, on which no server can listen; a port is 1 to 65535")
    if parts.fragment or text.endswith("#"):
        raise UsageError(f"{text!r} has a fragment, which a WebSocket address cannot; remove it, or write # as %23")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else _ascii_host(parts.hostname, text)
    path, query = (quote(part, safe=_LEGAL) for part in (parts.path or "/", parts.query))
    return urlunsplit((parts.scheme, host if port is None else f"{host}:{port}", path, query, ""))


def _ascii_host(host: str, text: str) -> str:
    try:
        found = URL(f"ws://{host}/").raw_host or ""
        found.encode("idna")  # raises for a label that is empty or longer than 63 characters, as resolvers do
    except ValueError:
        found = ""
    if not found or not all(character.isalnum() or character in "-._" for character in found):
        raise UsageError(f"{text!r}: {host!r} is not a valid name of a host")
    return found
