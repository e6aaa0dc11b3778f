"""Answers of HTTP/1.1 servers: heads and bodies (RFC 9112), and what a refusal says. Bytes in, values out; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from runners.loadgen.causes import RefusedError, first_line, harmless

MOST_HEAD_BYTES = 64 * 1024
"""Maximum size of all heads before the final answer's body."""
MOST_BODY_BYTES = 64 * 1024 * 1024
_ENOUGH_BYTES = 1000
"""Length of a line in a refusal's body after which we do not wait for its end."""
SWITCHING_PROTOCOLS = 101
_STATUS_LINE = re.compile(rb"HTTP/(\d)\.(\d) (\d{3})(?: (.*))?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?")
_LINE_END = re.compile(rb"\r?\n")
_FORBIDDEN = re.compile(rb"[\r\n\x00]")
_TLS_ALERT = b"\x15\x03"
_NO_BODY = (204, 304)


class Head(NamedTuple):
    """The head of an answer. Names of ``fields`` are lower case; each has its values in order."""

    version: tuple[int, int]
    status: int
    reason: str
    fields: Mapping[str, tuple[str, ...]]

    def value(self, name: str) -> str:
        """The value of a field, joined if there are several (RFC 9110, section 5.3); empty if there is none."""
        return ", ".join(self.fields.get(name, ()))

    @property
    def chunked(self) -> bool:
        """Whether the body is in chunks."""
        return self.value("transfer-encoding").rpartition(",")[2].strip().lower() == "chunked"


class Body(NamedTuple):
    """The bytes of a body that have arrived. ``complete``: whether it has ended; ``None`` if only the end of the
    connection shows it.
    """

    data: bytes
    complete: bool | None


class HeadReader:
    """Reads up to the head of the final answer. Interim answers (1xx except 101) are skipped, and lines may end in LF
    alone (RFC 9110, section 15.2, and RFC 9112, section 2.2).
    """

    def __init__(self) -> None:
        self.rest = b""
        """Bytes after the head; before it, the bytes received so far."""
        self._skipped = 0

    def feed(self, data: bytes) -> Head | None:
        """The head, or ``None`` while it is incomplete. Raises `RefusedError` if the bytes are no HTTP."""
        self.rest += data
        while True:
            _check_beginning(self.rest)
            end = _end_of_head(self.rest)
            if self._skipped + (len(self.rest) if end is None else end) > MOST_HEAD_BYTES:
                raise RefusedError(f"the server's answer has a head of more than {MOST_HEAD_BYTES} bytes")
            if end is None:
                return None
            head = _parse_head(self.rest[:end])
            self.rest = self.rest[end:]
            self._skipped += end
            if not 100 <= head.status < 200 or head.status == SWITCHING_PROTOCOLS:
                return head


def _check_beginning(data: bytes) -> None:
    """Raise `RefusedError` if the first line is no status line. It waits for the end of a line of text."""
    name = b"HTTP/"
    if data[: len(name)] == name[: len(data)]:
        return
    if data.startswith(_TLS_ALERT):
        raise RefusedError("the server answered with a TLS alert; it expects TLS, so use wss://", "tls")
    line, ended, _ = data[:_ENOUGH_BYTES].partition(b"\n")
    if ended or len(data) >= _ENOUGH_BYTES or not line.decode("latin-1").rstrip("\r").isprintable():
        raise RefusedError(f"the server does not speak HTTP; it sent {quoted(data)}", "no http")


def quoted(data: bytes) -> str:
    """The first line of what a server sent, in quotes, or its first bytes if it is not text."""
    if not data:
        return "nothing"
    line = first_line(data)
    return f"'{line}'" if line else f"'{harmless(data)}'"


def _end_of_head(data: bytes) -> int | None:
    """The place after the empty line."""
    ends = [place + len(mark) for mark in (b"\n\r\n", b"\n\n") if (place := data.find(mark)) >= 0]
    return min(ends, default=None)


def _parse_head(data: bytes) -> Head:
    status_line, *lines = _LINE_END.split(data)[:-2]
    found = _STATUS_LINE.fullmatch(status_line)
    if found is None or _FORBIDDEN.search(status_line):
        raise RefusedError(f"the server's answer has an invalid status line: {quoted(status_line)}")
    pairs = []
    for line in _unfolded(lines):
        field = _FIELD.fullmatch(line)
        if field is None or _FORBIDDEN.search(line):
            raise RefusedError(f"the server's answer has an invalid header: '{harmless(line)}'")
        pairs.append((field[1], field[2]))
    reason = (found[4] or b"").decode("latin-1")
    return Head((int(found[1]), int(found[2])), int(found[3]), reason, fields_of(pairs))


def fields_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, tuple[str, ...]]:
    """The fields of a `Head`, of names and values as they were received."""
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        key = name.decode("latin-1").lower()
        fields[key] = (*fields.get(key, ()), value.decode("latin-1").strip(" \t"))
    return fields


def _unfolded(lines: list[bytes]) -> list[bytes]:
    """Lines that begin with a space continue the line before them (RFC 9112, section 5.2)."""
    whole: list[bytes] = []
    for line in lines:
        if whole and line[:1] in (b" ", b"\t"):
            whole[-1] = whole[-1].rstrip(b" \t") + b" " + line.lstrip(b" \t")
        else:
            whole.append(line)
    return whole


def read_body(head: Head, data: bytes) -> Body:
    """The body after this head, of which ``data`` has arrived (RFC 9112, section 6). Raises `RefusedError`."""
    if head.status in _NO_BODY:
        return Body(b"", complete=True)
    if head.chunked:
        return _read_chunks(data)
    lengths = {value.strip() for value in head.value("content-length").split(",")}
    if "transfer-encoding" in head.fields or lengths == {""}:
        return Body(data, complete=None)
    length = lengths.pop()
    if lengths or not re.fullmatch(r"[0-9]{1,15}", length):
        shown = harmless(head.value("content-length"))
        raise RefusedError(f"the server's answer has an invalid Content-Length: '{shown}'")
    if int(length) > MOST_BODY_BYTES:
        raise RefusedError(f"the server's answer has a body of {length} bytes, more than {MOST_BODY_BYTES}")
    return Body(data[: int(length)], len(data) >= int(length))


def _read_chunks(data: bytes) -> Body:
    found = bytearray()
    start = 0
    while (end := data.find(b"\r\n", start)) >= 0:
        size = _CHUNK_SIZE.fullmatch(data, start, end)
        if size is None:
            raise RefusedError(f"the server's answer has an invalid chunk size: '{harmless(data[start:end])}'")
        length = int(size[1], 16)
        start = end + 2
        if not length:
            return Body(bytes(found), complete=_trailer_ended(data, start))
        if len(found) + length > MOST_BODY_BYTES:
            raise RefusedError(f"the server's answer has a body of more than {MOST_BODY_BYTES} bytes")
        found += data[start : start + length]
        start += length
        if start < len(data) and data[start : start + 2] != b"\r\n"[: len(data) - start]:
            raise RefusedError("the server's answer has a chunk that is longer than its size")
        start += 2
    return Body(bytes(found), complete=False)


def _trailer_ended(data: bytes, start: int) -> bool:
    """Whether the empty line after the last chunk and its fields has arrived."""
    while (end := data.find(b"\n", start)) >= 0:
        if data[start:end] in (b"", b"\r"):
            return True
        start = end + 1
    return False


def check_coding(head: Head) -> None:
    """Raise `RefusedError` if the body is compressed, which our requests do not offer (RFC 9110, section 12.5.3)."""
    if (coding := head.value("content-encoding")).lower() not in ("", "identity"):
        raise RefusedError(
            f"the server's answer has the Content-Encoding {harmless(coding)}, which was not requested; turn off"
            " compression in the server, or in the proxy before it"
        )


def says_enough(head: Head, data: bytes) -> bool:
    """Whether the first line of a refusal's body has arrived."""
    try:
        body = read_body(head, data)
    except RefusedError:
        return True
    text = body.data.lstrip()
    return bool(body.complete) or b"\n" in text or len(text) >= _ENOUGH_BYTES


def refusal(head: Head, data: bytes, wanted: str, tip: str = "") -> RefusedError:
    """The error for an answer that is not the wanted one: status, target of a redirect, Retry-After, the first line of
    the body, and the option that may help. A ``tip`` takes the option's place.
    """
    sentence = f"the server answered {head.status}"
    if head.reason:
        sentence += f" {harmless(head.reason, 100)}"
    sentence += f" instead of {wanted}"
    notes = []
    if location := head.value("location"):
        notes.append(f"it redirects to {harmless(location, 150)}; redirects are not followed, so use that target")
    for name, title in _TELLING_FIELDS.items():
        if value := head.value(name):
            notes.append(f"{title}: {harmless(value, 100)}")
    if (line := first_line(_body_of(head, data), 120)) and not location:
        notes.append(f"it says '{line}'")
    if hint := tip or _HINTS.get(head.status):
        notes.append(hint)
    return RefusedError("; ".join([sentence, *notes]), f"status {head.status}")


def refusal_with(head: Head, body: bytes, wanted: str, tip: str = "") -> RefusedError:
    """Like `refusal`, for a body that is decoded already: read as sent without chunks."""
    fields = {name: values for name, values in head.fields.items() if name not in _LENGTH_FIELDS}
    return refusal(head._replace(fields=fields), body, wanted, tip)


_LENGTH_FIELDS = ("content-length", "transfer-encoding")
"""Header fields that say how a body was sent."""


def _body_of(head: Head, data: bytes) -> bytes:
    try:
        return read_body(head, data).data
    except RefusedError:
        return b""


_TELLING_FIELDS = {
    "retry-after": "Retry-After",
    "www-authenticate": "WWW-Authenticate",
    "sec-websocket-version": "Sec-WebSocket-Version",
}
"""Header fields that explain a refusal."""
_HINTS = {
    400: "rtsite load has --subprotocol and --header for servers that require them",
    401: "rtsite load has --header for credentials, such as --header 'Authorization: Bearer TOKEN'",
    403: "rtsite load has --origin for servers that check the origin, and --header for credentials or cookies",
    407: "rtsite load has --header for credentials",
    426: "rtsite load has --subprotocol and --header for servers that require them",
}
"""What may help, by status."""
