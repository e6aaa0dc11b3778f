"""The upgrade to WebSocket: a client's request, and the check of the answer (RFC 6455, section 4). No I/O."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from runners.loadgen import deflate
from runners.loadgen.causes import RefusedError, harmless
from runners.loadgen.deflate import Agreement
from runners.loadgen.http_answers import SWITCHING_PROTOCOLS, Head, HeadReader, quoted, refusal, says_enough

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""The GUID of RFC 6455, section 1.3."""
RESERVED_FIELDS = ("connection", "upgrade", "content-length", "transfer-encoding")
"""Header fields that belong to the handshake, like all that begin with `RESERVED_PREFIX`."""
RESERVED_PREFIX = "sec-websocket-"

Headers = Sequence[tuple[str, str]]


def accept_value(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept of a server for this key."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def request_target(url: str) -> str:
    """Path and query of an address."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def upgrade_request(
    url: str, headers: Headers = (), subprotocols: Sequence[str] = (), *, offers_deflate: bool = False
) -> tuple[bytes, bytes]:
    """The client's opening handshake, and the accept value that the answer must have.

    ``url`` is in ASCII, without a user name. ``headers`` are added; ``Host`` replaces ours. ``offers_deflate``: offer
    to compress messages.
    """
    key = base64.b64encode(secrets.token_bytes(16))
    lines = [f"GET {request_target(url)} HTTP/1.1"]
    if not any(name.lower() == "host" for name, _ in headers):
        lines.append(f"Host: {urlsplit(url).netloc}")
    lines += [
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocols:
        lines.append(f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}")
    if offers_deflate:
        lines.append(f"Sec-WebSocket-Extensions: {deflate.OFFER}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1"), accept_value(key)


class UpgradeReader:
    """Reads a server's answer to the opening handshake.

    ``accept``: the accept value that the answer must have; ``None`` if somebody else checks it. ``offers_deflate``:
    whether compression was offered.
    """

    def __init__(self, accept: bytes | None, subprotocols: Sequence[str] = (), *, offers_deflate: bool = False) -> None:
        self._accept = accept
        self._offers_deflate = offers_deflate
        self.agreement: Agreement | None = None
        """The compression that the server agreed to; ``None`` before its answer, and if it declined."""
        self._subprotocols = subprotocols
        self._reader = HeadReader()
        self._head: Head | None = None

    def feed(self, data: bytes) -> Head | None:
        """The head of an answer that accepts, after which `rest` follows; ``None`` while the answer is incomplete.

        Raises `RefusedError`, for a refusal as soon as the first line of its body has arrived.
        """
        if self._head is None:
            self._head = self._reader.feed(data)
            if self._head is None:
                return None
            if self._head.status == SWITCHING_PROTOCOLS:
                check_upgrade(self._head, self._accept, self._subprotocols)
                self.agreement = _agreement(self._head, offered=self._offers_deflate)
                return self._head
        else:
            self._reader.rest += data
        if says_enough(self._head, self.rest):
            raise self._refusal(self._head)
        return None

    def end(self, why: str) -> RefusedError:
        """The error if no more bytes come; ``why`` says so in a sentence."""
        if self._head is None:
            return RefusedError(f"{why}, after {quoted(self.rest)}" if self.rest else why, "no answer")
        if self._head.status == SWITCHING_PROTOCOLS:
            return RefusedError(why, "no answer")
        return self._refusal(self._head)

    @property
    def rest(self) -> bytes:
        """The bytes after the head."""
        return self._reader.rest

    def _refusal(self, head: Head) -> RefusedError:
        return refusal(head, self.rest, "101 Switching Protocols")


def check_upgrade(head: Head, accept: bytes | None, subprotocols: Sequence[str] = ()) -> None:
    """Check an answer with status 101 (RFC 6455, section 4.1); raises `RefusedError`."""
    if head.version < (1, 1):
        raise RefusedError("the server upgrades in HTTP/{}.{}, which WebSocket does not allow".format(*head.version))
    if [one.lower() for one in _tokens(head.value("upgrade"))] != ["websocket"]:
        raise RefusedError(f"the server does not upgrade to WebSocket: {_shown(head, 'Upgrade')}")
    if "upgrade" not in [one.lower() for one in _tokens(head.value("connection"))]:
        raise RefusedError(f"the server does not upgrade the connection: {_shown(head, 'Connection')}")
    accepted = head.fields.get("sec-websocket-accept", ())
    if len(accepted) != 1 or (accept is not None and accepted[0] != accept.decode()):
        raise RefusedError(
            "the server's Sec-WebSocket-Accept does not fit the key that was sent: "
            + _shown(head, "Sec-WebSocket-Accept")
        )
    chosen = head.fields.get("sec-websocket-protocol")
    if chosen is not None and (len(chosen) != 1 or chosen[0] not in subprotocols):
        raise RefusedError(
            f"the server chose a subprotocol that was not requested: {_shown(head, 'Sec-WebSocket-Protocol')};"
            " rtsite load has --subprotocol to request it"
        )


def _agreement(head: Head, *, offered: bool) -> Agreement | None:
    values = head.fields.get("sec-websocket-extensions")
    if values is None:
        return None
    if not offered:
        raise RefusedError(
            f"the server chose an extension that was not offered: {_shown(head, 'Sec-WebSocket-Extensions')}"
        )
    return deflate.read_agreement(values)


def _tokens(value: str) -> list[str]:
    return [token for one in value.split(",") if (token := one.strip(" \t"))]


def _shown(head: Head, name: str) -> str:
    """A field as it was received."""
    values = head.fields.get(name.lower())
    return f"there is no {name}" if values is None else f"{name}: {harmless(' | '.join(values), 100)}"
