"""Event streams are read as the HTML standard says, wherever they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.event_stream import EventReader, is_event_stream

LINES = st.lists(
    st.sampled_from(
        [
            b"",
            b"",
            b"data: one",
            b"data:two",
            b"data:  three",
            b"data",
            b": comment",
            b"event: x",
            b"event:message",
            b"event",
            b"id",
            b"database: no",
        ]
    ),
    max_size=12,
)
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r"])


def model(lines: list[bytes]) -> list[bytes]:
    """What the standard's algorithm dispatches to listeners of ``message``."""
    found, buffer, kind = [], b"", b""
    for line in lines:
        if not line:
            if buffer and (kind or b"message") == b"message":
                found.append(buffer[:-1])
            buffer, kind = b"", b""
        elif line == b"event" or line.startswith(b"event:"):
            kind = line[6:].removeprefix(b" ")
        elif line == b"data" or line.startswith(b"data:"):
            value = line[5:]
            buffer += (value[1:] if value.startswith(b" ") else value) + b"\n"
    return found


@given(LINES, ENDS, st.booleans(), st.data())
def test_events_are_found_wherever_the_stream_is_cut(
    lines: list[bytes], end: bytes, mark: bool, data: st.DataObject
) -> None:
    stream = (b"\xef\xbb\xbf" if mark else b"") + b"".join(line + end for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = EventReader()
    found = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[start:stop])
    assert found == model(lines)


def test_an_unfinished_event_is_not_dispatched() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\ndata: b\n") == []
    assert reader.feed(b"\n") == [b"a\nb"]


def test_events_of_other_types_are_no_messages_and_the_reader_knows_the_newest() -> None:
    reader = EventReader()
    assert reader.feed(b"event: stream-open\ndata:\n\nevent: empty\n\n") == []
    assert reader.other_type == "stream-open"
    assert reader.feed(b"event: message\ndata: a\n\ndata: b\n\nevent: \xff\ndata: c\n\n") == [b"a", b"b"]
    assert reader.other_type == "\ufffd"


@pytest.mark.parametrize(
    ("content_type", "is_one"),
    [("text/event-stream", True), ("Text/Event-Stream; charset=utf-8", True), ("text/html", False), ("", False)],
)
def test_its_content_type(content_type: str, is_one: bool) -> None:
    assert is_event_stream(content_type) == is_one
