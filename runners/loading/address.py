"""Addresses of servers as users type them, made fit for a request. Pure functions."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from yarl import URL

from runners.record import UsageError

_OTHERS = {"http": "ws", "https": "wss", "ws": "http", "wss": "https"}
"""The scheme of the same server for the other kind of address."""
_LEGAL = "%!$&'()*+,;=:@/?-._~[]|"
"""Characters besides letters and digits that remain in a path or a query. Everything else is percent-encoded."""


def read_address(text: str, *, kind: Literal["WebSocket", "HTTP"] = "WebSocket") -> str:
    """The address of a WebSocket server in ASCII: ``ws://host:port/path?query``, or ``wss://``. That of an HTTP server
    becomes one too.

    A host with other characters becomes Punycode (IDNA 2008, as in browsers), and a path is percent-encoded as UTF-8.
    Raises `UsageError` for anything that is no such address (RFC 6455, section 3: no fragment, no user name).
    """
    what = f"{'a' if kind == 'WebSocket' else 'an'} {kind} address"
    plain, secure = ("ws", "wss") if kind == "WebSocket" else ("http", "https")
    if not text.isprintable() or text != text.strip():
        raise UsageError(f"{text!a} is not {what}: it has control characters or blanks at its ends")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UsageError(
            f"{text!r} is not {what}: its host or its port cannot be read; a port is 1 to 65535, and an"
            f" IPv6 address has brackets, for example {plain}://[::1]:8000/"
        ) from None
    if parts.scheme not in (plain, secure) or not parts.hostname:
        if "://" not in text:
            near = f"; did you mean {plain}://{text}?"
        elif parts.scheme in _OTHERS:
            near = f"; did you mean {_OTHERS[parts.scheme]}{text[len(parts.scheme) :]}?"
        else:
            near = ""
        raise UsageError(f"{text!r} is not {what}; it must start with {plain}:// or {secure}:// and name a host{near}")
    if "@" in parts.netloc:
        raise UsageError(f"the address of {parts.hostname} has a user name, which {what} cannot; remove it")
    if port == 0:
        raise UsageError(f"{text!r} has port 0, on which no server can listen; a port is 1 to 65535")
    if parts.fragment or text.endswith("#"):
        raise UsageError(f"{text!r} has a fragment, which {what} cannot; remove it, or write # as %23")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else _ascii_host(parts.hostname, text)
    path, query = (quote(part, safe=_LEGAL) for part in (parts.path or "/", parts.query))
    scheme = parts.scheme if kind == "WebSocket" else _OTHERS[parts.scheme]
    return urlunsplit((scheme, host if port is None else f"{host}:{port}", path, query, ""))


def _ascii_host(host: str, text: str) -> str:
    try:
        found = URL(f"ws://{host}/").raw_host or ""
        found.encode("idna")  # raises for a label that is empty or longer than 63 characters, as resolvers do
    except ValueError:
        found = ""
    if not found or not all(character.isalnum() or character in "-._" for character in found):
        raise UsageError(f"{text!r}: {host!r} is not a valid name of a host")
    return found
