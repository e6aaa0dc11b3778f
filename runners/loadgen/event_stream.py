"""Event streams as a browser reads them (HTML standard, section 9.2.6). Bytes in, data of events out; no I/O."""

from __future__ import annotations

import http

from runners.loadgen.causes import RefusedError, harmless
from runners.loadgen.http_answers import Head, check_coding, refusal_with

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
CONTENT_TYPE = "text/event-stream"


def is_event_stream(content_type: str) -> bool:
    """Whether this Content-Type is that of an event stream, whatever its parameters are."""
    return content_type.partition(";")[0].strip().lower() == CONTENT_TYPE


def check_stream(head: Head, body: bytes) -> None:
    """Raise `RefusedError` if this answer, whose body has begun with these bytes, is no event stream."""
    if head.status != http.HTTPStatus.OK:
        raise refusal_with(head, body, "200 OK")
    check_coding(head)
    if not is_event_stream(head.value("content-type")):
        what = harmless(head.value("content-type")) or "nothing"
        raise RefusedError(f"the server's answer has the Content-Type {what} instead of {CONTENT_TYPE}", "content type")


_MESSAGE = b"message"
"""The type of events that name none. A page receives them by ``onmessage``."""


class EventReader:
    """Splits a stream into events, wherever it is cut. Lines end in CR LF, LF or CR. An unfinished event is kept."""

    def __init__(self, *, every_type: bool = False) -> None:
        """``every_type``: return the events of all types."""
        self._every_type = every_type
        self._rest = b""
        self._data: list[bytes] = []
        self._type = b""
        self._began = False
        self._after_cr = False
        """Whether the last byte was a CR; an LF that follows belongs to it."""
        self.other_type = ""
        """The type of the newest event that was skipped for its type; empty if none was."""

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events of type ``message`` that these bytes complete, as a page's ``onmessage`` gets them.

        Comments and events without data are no events. Events of other types, such as signs of life, are skipped,
        unless every type is wanted.
        """
        if not data:
            return []
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        *lines, self._rest = (self._rest + data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).split(b"\n")
        events = []
        for line in lines:
            if not self._began:
                self._began = True
                line = line.removeprefix(_BYTE_ORDER_MARK)
            if not line:
                if self._data and (self._every_type or self._type in (b"", _MESSAGE)):
                    events.append(b"\n".join(self._data))
                elif self._data:
                    self.other_type = harmless(self._type.decode("utf-8", "replace"))
                self._data, self._type = [], b""
                continue
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif name == b"event":
                self._type = value.removeprefix(b" ")
        return events
