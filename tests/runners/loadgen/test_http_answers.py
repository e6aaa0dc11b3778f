"""Heads and bodies of HTTP answers, wherever they are cut, and what a refusal says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.causes import RefusedError
from runners.loadgen.http_answers import Body, Head, HeadReader, read_body, refusal

INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\nLink: </a.css>\n\n"]
FINAL = b"HTTP/1.1 200 OK\r\nX-One: a\r\nx-one:\tb \r\nX-Fold: c\r\n\t d\r\n\r\n"
CHUNKED = Head((1, 1), 200, "OK", {"transfer-encoding": ("gzip, Chunked",)})


@given(st.lists(st.sampled_from(INTERIM), max_size=4), st.binary(max_size=20), st.booleans(), st.data())
def test_a_head_is_read_wherever_it_is_cut(before: list[bytes], body: bytes, bare: bool, data: st.DataObject) -> None:
    final = FINAL.replace(b"\r\n", b"\n") if bare else FINAL
    stream = b"".join(before) + final + body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader, rest = HeadReader(), b""
    heads: list[Head] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        if heads:
            rest += stream[start:end]
        elif (head := reader.feed(stream[start:end])) is not None:
            heads.append(head)
            rest = reader.rest
    assert heads == [Head((1, 1), 200, "OK", {"x-one": ("a", "b"), "x-fold": ("c d",)})]
    assert rest == body


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_head_or_refused_or_waited_for(data: bytes) -> None:
    for beginning in (b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n"):
        try:
            head = HeadReader().feed(beginning + data)
        except RefusedError:
            continue
        else:
            assert head is None or 100 <= head.status <= 999


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=5), st.data())
def test_chunks_are_joined_and_their_end_is_known(chunks: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(b"%X;name=value\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nX-Sum: 1\r\n\r\n"
    cut = data.draw(st.integers(0, len(stream) - 1))
    assert read_body(CHUNKED, stream) == Body(b"".join(chunks), complete=True)
    part = read_body(CHUNKED, stream[:cut])
    assert part.complete is False
    assert b"".join(chunks).startswith(part.data)


@pytest.mark.parametrize("stream", [b"x\r\n", b"-1\r\n", b"2\r\nabc\r\n", b"FFFFFFFFF\r\n"])
def test_chunks_that_are_invalid_are_refused(stream: bytes) -> None:
    with pytest.raises(RefusedError):
        read_body(CHUNKED, stream)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [(("2",), Body(b"ok", complete=True)), (("2", "2"), Body(b"ok", complete=True)), ((), Body(b"okay", None))],
)
def test_the_length_of_a_body(lengths: tuple[str, ...], expected: Body) -> None:
    assert read_body(Head((1, 1), 200, "OK", {"content-length": lengths} if lengths else {}), b"okay") == expected


@pytest.mark.parametrize("lengths", [("2", "3"), ("-1",), ("0x2",), ("9" * 15,)])
def test_a_length_that_is_invalid_is_refused(lengths: tuple[str, ...]) -> None:
    with pytest.raises(RefusedError):
        read_body(Head((1, 1), 200, "OK", {"content-length": lengths}), b"")


def test_a_refusal_is_bounded_and_harmless() -> None:
    fields = dict.fromkeys(("location", "retry-after", "www-authenticate"), ("\x1b[31m\u202e" + "x" * 5000,))
    text = str(refusal(Head((1, 1), 401, "\x07" + "y" * 5000, fields), b"\x00" * 5000, "101"))
    assert text.isprintable()
    assert len(text) < 1000
