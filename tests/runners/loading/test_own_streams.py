"""Event streams at the server's own pace: every stream has one outcome, and every form of a stream is read."""

from __future__ import annotations

from typing import Any

import pytest

from runners.application.stream_load import load_event_streams
from runners.judging.thresholds import READ_LAG, SEND_LAG, SHARED_CORE, THROTTLED, WORKING_TIME
from runners.loadgen.job import ClientOptions
from runners.loadgen.pace import Closed, Open
from runners.loading.shards import LoadError
from runners.record import UsageError
from tests.support.own_streams import HEAD, Pieces, ScriptServer, serving_pieces
from tests.support.servers import CERTIFICATE
from tests.support.web import serving_web

pytestmark = pytest.mark.measures

CLIENTS = 4
TO_THE_END = HEAD + b"\r\n"
DONE = b"data: [DONE]\n\n"


def chunked(*bodies: bytes) -> list[bytes]:
    return [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *(b"%x\r\n%s\r\n" % (len(one), one) for one in bodies)]


def with_length(body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def loaded(server: ScriptServer, **changes: Any) -> dict[str, Any]:
    """The report; every stream has one outcome."""
    asked: dict[str, Any] = {
        "method": None,
        "body": None,
        "connections": CLIENTS,
        "duration_s": 0.4,
        "warmup_s": 0.0,
        "pace": Closed(),
        "shards": 1,
        "answer_timeout_s": 10.0,
        "drain_s": 10.0,
        **changes,
    }
    report = load_event_streams(server.url, **asked)
    assert report["due"] >= report["begun"] == report["completed"] + report["broken"] + report["unfinished"] > 0
    return report


def reasons_of_server(report: dict[str, Any]) -> list[str]:
    """The reasons against a load without those that a busy machine has."""
    disturbed = tuple(rule.name for rule in (SEND_LAG, READ_LAG, WORKING_TIME, THROTTLED, SHARED_CORE))
    return [one for one in report["invalid_reasons"] if not one.startswith(disturbed)]


def report_of(pieces: Pieces, **changes: Any) -> dict[str, Any]:
    with serving_pieces(pieces) as server:
        return loaded(server, **changes)


@pytest.mark.parametrize(
    ("pieces", "chunks", "done"),
    [
        ([TO_THE_END, b"data: a\n\n", 0.01, b"data: b\n\n"], 2, False),
        ([TO_THE_END, b"data: a\n\ndata: b\n\n" + DONE, 0.05], 2, True),
        ([*chunked(b"data: a\n\n", b"data: b\n\n"), b"0\r\n\r\n"], 2, False),
        ([*chunked(b"data: a\n\n", DONE), 0.2, b"0\r\n\r\n"], 1, True),
        ([with_length(b"data: a\n\ndata: b\n\ndata: c\n\n")], 3, False),
        ([TO_THE_END, b": hello\n\nretry: 10\n\ndata: a\r\ndata: b\r\n\r\n: bye\r\n\r\n"], 1, False),
        ([TO_THE_END, b"data: a\r", 0.01, b"\n\r", 0.01, b"\ndata: b\r\n\r\n"], 2, False),
        ([TO_THE_END, 'data: "ä"'.encode()[:8], 0.01, 'data: "ä"\n\n'.encode()[8:]], 1, False),
        ([TO_THE_END, b'event: content_block_delta\ndata: {"x": 1}\n\nevent: stop\ndata: {}\n\n'], 2, False),
        ([TO_THE_END, b"data:[DONE]\n\n", 0.01], 0, True),
        ([TO_THE_END, b"data: a\n\ndata: unfinished"], 1, False),
    ],
    ids=[
        "to the end", "DONE", "in chunks", "DONE before the end", "with a length", "comments and retries", "cut CRLF",
        "cut character", "other types", "only DONE", "unfinished event",
    ],
)  # fmt: skip
def test_every_form_of_a_stream_is_read(pieces: Pieces, chunks: int, done: bool) -> None:
    report = report_of(pieces)
    if not chunks:
        assert report["broken"] == report["begun"]
        assert set(report["errors"]) == {"stream-without-chunks"}
        assert report["done"] == report["streams_per_second"] == 0
        return
    assert report["completed"] == report["begun"], report
    assert report["chunks"] == chunks * report["completed"]
    assert report["done"] == (report["completed"] if done else 0)
    assert report["errors"] == {}
    assert reasons_of_server(report) == []


def test_times_are_those_of_the_server() -> None:
    with serving_pieces([0.05, TO_THE_END, b"data: a\n\n", 0.03, b"data: b\n\n", 0.03, DONE]) as server:
        report = loaded(server, duration_s=2.0, connections=10)
    assert report["first_chunk_ms"]["p50"] >= 50
    assert report["chunk_gap_ms"]["p50"] >= 30
    assert report["stream_ms"]["p50"] >= 110
    # In the closed loop a client requests one stream after the other.
    assert report["begun"] <= 10 * 2.0 / 0.11 + 10


def test_an_open_loop_requests_streams_at_its_rate() -> None:
    with serving_pieces([TO_THE_END, b"data: a\n\n", 0.02, DONE]) as server:
        report = loaded(server, pace=Open(40.0), duration_s=1.0)
        assert len(server.requests) == report["begun"] == report["due"] == 40
    assert report["streams_per_second"] == 40
    assert 0 < report["chunks_per_second"] <= 40


def test_a_server_that_is_slower_than_the_rate_has_streams_that_cannot_begin() -> None:
    report = report_of([TO_THE_END, b"data: a\n\n", 0.3, DONE], pace=Open(100.0), duration_s=1.0, drain_s=1.0)
    assert report["due"] == 100
    assert report["begun"] < 30
    assert "streams were due and could not begin" in " ".join(report["notes"])
    assert report["first_chunk_ms"]["max"] > 300, "a stream waits from when it was due"


def test_requests_have_a_body_headers_and_numbers() -> None:
    options = ClientOptions(headers=(("Authorization", "Bearer {client}"),))
    with serving_pieces([TO_THE_END, b"data: a\n\n"]) as server:
        server.url += "&user={client}"
        report = loaded(server, body='{"prompt":"{client} {seq}"}', client=options)
    assert report["completed"] == len(server.requests)
    heads = {head.splitlines()[0] for head, _ in server.requests}
    assert heads == {f"POST /v1/stream?model=m&user={number} HTTP/1.1" for number in range(1, 1 + CLIENTS)}
    bodies = [body for _, body in server.requests]
    assert len(set(bodies)) == len(bodies), "no two requests are alike"
    assert b'{"prompt":"1 10000000"}' in bodies
    assert server.header("Authorization") == {f"Bearer {number}" for number in range(1, 1 + CLIENTS)}
    assert server.header("Content-Type") == {"application/json"}
    assert server.header("Accept") == {"text/event-stream"}
    assert server.header("Accept-Encoding") == {"identity"}


@pytest.mark.parametrize(
    ("pieces", "error", "words"),
    [
        ([b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nlater"], "http-503", "it says 'later'"),
        (
            [b"HTTP/1.1 500 Oops\r\nContent-Length: 25\r\n\r\n", 0.05, b'{\n "error":', 0.05, b' "no model"\n}\n'],
            "http-500",
            """answered 500 Oops instead of 200 OK; it says '{ "error": "no model" }'""",
        ),
        ([b"HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\n", 0.05, b"cut"], "http-500", "it says 'cut'"),
        ([b"HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\nstuck", 3.0], "http-500", "it says 'stuck'"),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}"],
            "protocol-error",
            "Content-Type application/json",
        ),
        (
            [HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b"],
            "protocol-error",
            "Content-Encoding gzip, which was not requested; turn off compression in the server, or in the proxy",
        ),
        ([chunked(b"data: a\n\n")[0], *chunked(b"data: a\n\n")[1:]], "closed-by-server", "before its answer was compl"),
        ([HEAD + b"Content-Length: 100\r\n\r\ndata: a\n\n"], "closed-by-server", "before its answer was complete"),
        ([], "closed-by-server", "closed the connection before it answered"),
        ([TO_THE_END, b"data: a\n\n", 3.0], "no-chunk", "a stream had no further chunk for 0.2 s; rtsite load has"),
        ([TO_THE_END, 3.0], "no-chunk", "a request had no chunk for 0.2 s"),
    ],
    ids=[
        "status",
        "late text",
        "cut text",
        "endless text",
        "type",
        "gzip",
        "cut chunks",
        "cut body",
        "closed",
        "silent",
        "never",
    ],
)
def test_what_is_no_whole_stream_is_broken(pieces: Pieces, error: str, words: str) -> None:
    report = report_of(pieces, answer_timeout_s=0.2)
    assert report["broken"] == report["begun"]
    assert set(report["errors"]) == {error}
    (cause,) = report["causes"]
    assert words in cause["example"]
    assert report["valid"] is False
    assert report["streams_per_second"] == 0
    assert not [one for one in report["invalid_reasons"] if "message" in one]


def test_long_streams_are_unfinished_and_their_chunks_count() -> None:
    pieces: list[bytes | float] = [TO_THE_END]
    for _ in range(100):
        pieces += [b"data: a\n\n", 0.05]
    report = report_of(pieces, drain_s=0.2)
    assert reasons_of_server(report) == [], "a stream need not end"
    assert report["streams_per_second"] == 0
    assert report["unfinished"] == report["begun"] == CLIENTS
    assert report["chunks"] > CLIENTS
    assert "streams had not ended 0.2 s after the window (--drain)" in " ".join(report["notes"])


def test_a_server_without_streams_cannot_be_loaded() -> None:
    with serving_pieces([b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]) as server:
        with pytest.raises(LoadError, match=r"none of \d+ streams of http://.* could be read: .*404"):
            loaded(server, warmup_s=0.2)
        assert server.requests
    with pytest.raises(LoadError, match="connection refused"):
        loaded(server, warmup_s=0.2)


def test_several_shards_and_a_warm_up() -> None:
    with serving_pieces([TO_THE_END, b"data: a\n\n", 0.02, DONE]) as server:
        report = loaded(server, shards=2, warmup_s=0.2, pace=Open(40.0), body="{seq} {client}")
        assert report["begun"] == 16
        assert len({body for _, body in server.requests}) == len(server.requests) == 24


def test_streams_over_tls() -> None:
    with serving_web(tls=True, ends_after=2) as server:
        url = "https" + server.events.removeprefix("wss")
        report = loaded(ScriptServer(url), client=ClientOptions(ca=str(CERTIFICATE)))
    assert report["completed"] == report["begun"]
    assert report["chunks"] == 2 * report["begun"]


@pytest.mark.parametrize(
    ("url", "changes", "words"),
    [
        (
            "ws://a/",
            {},
            "is not an HTTP address; it must start with http:// or https:// and name a host; did you mean h",
        ),
        ("http://a/{clinet}", {}, "the address has the unknown placeholder {clinet}"),
        (
            "http://a/",
            {"body": "{message}"},
            "--body has {message}, which has no meaning there: only {seq} and {client}",
        ),
        ("a:8000/x", {}, "did you mean http://a:8000/x?"),
        ("http://a/", {"method": "POSST"}, "did you mean POST"),
        ("http://a/", {"method": "GET", "body": "x"}, "a GET request has no body"),
        ("http://a/", {"body": "{sqe}"}, "--body has the unknown placeholder {sqe}: did you mean {seq}?"),
        ("http://a/", {"client": ClientOptions(insecure=True)}, "use https:// or omit them"),
        ("http://a/", {"client": ClientOptions(headers=(("Accept-Encoding", "gzip"),))}, "without compression"),
        ("http://a/", {"duration_s": 0.0}, "--duration"),
    ],
)
def test_streams_that_cannot_be_requested(url: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as found:
        loaded(ScriptServer(url), **changes)
    assert words in str(found.value)
