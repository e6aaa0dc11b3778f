"""Loads over HTTP: long-polling, event streams, and Socket.IO packets in msgpack."""

from __future__ import annotations

from typing import Any

import pytest

from runners.loadgen.job import ClientOptions, Job
from runners.loadgen.pace import Closed, Open, PushOnly
from runners.loading import driver
from runners.loading.shards import LoadError
from tests.support.loading import CONNECTIONS, connected, job, modes
from tests.support.web import BEAT_S, serving_web

pytestmark = pytest.mark.measures


def polling(url: str, mode: Any = "closed", **changes: Any) -> Job:
    asked: dict[str, Any] = {"protocol": "socket.io", "transport": "polling", **changes}
    return job(url, mode, **{"pace": Open(100.0) if mode == "open" else Closed(), **asked})


@modes
@pytest.mark.parametrize("keeps_alive", [True, False])
def test_a_load_over_long_polling(mode: Any, keeps_alive: bool) -> None:
    with serving_web(keeps_alive=keeps_alive) as server, connected(polling(server.url, mode)) as (running, _):
        running.load(0.3)
        running.load(0.3)
        result = running.finish()
    ledger = result.ledger
    assert ledger.sent == ledger.received == server.received > 0
    assert (ledger.lost, ledger.duplicated, ledger.reordered, ledger.corrupted) == (0, 0, 0, 0)
    assert result.errors == {}
    assert set(server.requests) == {"GET", "POST"}, "no WebSocket"
    # Each client has one connection for its session's begin, one for what it waits for, and one for what it sends.
    assert (len(server.ports) <= 3 * CONNECTIONS) == keeps_alive
    if mode == "open":
        assert ledger.sent == pytest.approx(60, abs=2)


@pytest.mark.parametrize("kind", ["text", "binary"])
def test_large_messages_come_back_whole_over_long_polling(kind: Any) -> None:
    asked: dict[str, Any] = {"payload_bytes": 200_000, "payload_kind": kind, "connections": 2}
    with serving_web() as server, connected(polling(server.url, **asked)) as (running, _):
        running.load(0.5)
        result = running.finish()
    assert result.ledger.sent == result.ledger.received > 0
    assert result.ledger.corrupted == 0


def test_a_changed_answer_over_long_polling_is_seen() -> None:
    with serving_web(answer=lambda data: data[:-1] + "!") as server, connected(polling(server.url)) as (running, _):
        running.load(0.3)
        result = running.finish()
    assert result.ledger.corrupted == result.ledger.received > 0


def test_requests_over_http_have_the_headers_of_their_client() -> None:
    options = ClientOptions(headers=(("cookie", "id={client}"),))
    for over in (polling, viewers):
        with serving_web() as server:
            asked = over(server.events if over is viewers else server.url, client=options, first_client=7)
            with connected(asked) as (running, _):
                running.load(0.3)
                running.finish()
        assert server.cookies == {f"id={number}" for number in range(7, 7 + CONNECTIONS)}


def test_no_session_is_a_load_that_cannot_be_applied() -> None:
    with serving_web() as server:
        elsewhere = polling(server.url.rstrip("/") + "/elsewhere/")
        with pytest.raises(LoadError, match="404"):
            driver.apply(elsewhere)


def viewers(url: str, **changes: Any) -> Job:
    asked: dict[str, Any] = {
        "exchange": "events",
        "transport": "sse",
        "pace": PushOnly(),
        "push_period_s": BEAT_S,
        **changes,
    }
    return job(url, "open", **asked)


def test_an_event_stream_is_watched() -> None:
    with serving_web() as server, connected(viewers(server.events)) as (running, _):
        running.load(1.0)
        (sample,) = running.finish().samples
    assert sample.established == CONNECTIONS
    assert sample.pushes == pytest.approx(CONNECTIONS * 10, abs=2 * CONNECTIONS)
    assert sample.pushes_missed == 0
    assert sample.errors == {}
    assert sample.ledger.sent == 0


def test_an_event_stream_that_ends_is_reported() -> None:
    with serving_web(ends_after=3) as server, connected(viewers(server.events)) as (running, _):
        running.load(1.0)
        (sample,) = running.finish().samples
    assert sample.errors == {"closed-by-server": CONNECTIONS}
    assert sample.closed_early == CONNECTIONS


def test_an_address_without_an_event_stream_is_reported() -> None:
    with serving_web() as server, connected(viewers(server.events + "/none")) as (running, _):
        running.load(0.3)
        (sample,) = running.finish().samples
    assert sample.errors == {"http-404": CONNECTIONS}


@modes
@pytest.mark.parametrize("exchange", ["echo", "dashboard"])
def test_a_load_in_msgpack(mode: Any, exchange: Any) -> None:
    if exchange == "dashboard" and mode == "closed":
        pytest.skip("a dashboard has no closed loop")
    asked: dict[str, Any] = {"protocol": "socket.io", "serializer": "msgpack", "exchange": exchange}
    with serving_web(serializer="msgpack") as server, connected(job(server.url, mode, **asked)) as (running, _):
        running.load(0.3)
        result = running.finish()
    ledger = result.ledger
    assert ledger.sent == ledger.received == server.received > 0
    assert (ledger.corrupted, ledger.duplicated, result.errors) == (0, 0, {})


@modes
@pytest.mark.parametrize("is_honest", [True, False])
def test_a_room_in_msgpack(mode: Any, is_honest: bool) -> None:
    asked: dict[str, Any] = {"protocol": "socket.io", "serializer": "msgpack", "exchange": "room", "warmup_s": 0.3}
    pace = Open(100.0) if mode == "open" else Closed(2)
    with (
        serving_web(serializer="msgpack", answer=lambda text: text if is_honest else text[:-1] + "!") as server,
        connected(job(server.url, mode, pace=pace, **asked)) as (running, _),
    ):
        running.warm_up()  # until all have joined
        before = server.received
        running.load(0.3)
        result = running.finish()
    ledger = result.ledger
    assert ledger.sent == ledger.received == CONNECTIONS * (server.received - before) > 0
    assert (ledger.duplicated, ledger.foreign, result.errors) == (0, 0, {})
    assert ledger.corrupted == (0 if is_honest else ledger.received)


def test_a_load_in_msgpack_in_a_namespace_with_its_own_event() -> None:
    client = ClientOptions(namespace="/chat", auth='{"token": 1}', event="say")
    asked: dict[str, Any] = {"protocol": "socket.io", "serializer": "msgpack", "client": client}
    with serving_web(serializer="msgpack", namespace="/chat", event="say", token=1) as server:
        with connected(job(server.url, **asked)) as (running, _):
            running.load(0.3)
            result = running.finish()
        assert result.ledger.sent == result.ledger.received == server.received > 0
        assert (result.ledger.corrupted, result.errors) == (0, {})
        for other, words in (
            (ClientOptions(namespace="/chat"), "refused the namespace /chat"),
            (ClientOptions(namespace="/none"), "refused the namespace /none: "),
        ):
            with pytest.raises(LoadError, match=words):
                driver.apply(job(server.url, **asked | {"client": other}))


@pytest.mark.parametrize("answers", ["same", "any"])
def test_events_in_msgpack_answer_too(answers: Any) -> None:
    asked: dict[str, Any] = {"protocol": "socket.io", "serializer": "msgpack", "answers": answers}
    with serving_web(serializer="msgpack", emits=True) as server, connected(job(server.url, **asked)) as (running, _):
        running.load(0.3)
        result = running.finish()
    assert result.ledger.sent == result.ledger.received == server.received > 0
    assert result.ledger.corrupted == 0


def test_a_server_that_disconnects_in_msgpack_is_named() -> None:
    asked: dict[str, Any] = {"protocol": "socket.io", "serializer": "msgpack"}
    with (
        serving_web(serializer="msgpack", disconnects=True) as server,
        connected(job(server.url, **asked)) as (running, _),
    ):
        running.load(0.3)
        result = running.finish()
    assert [cause.kind for cause in result.causes] == ["disconnected"]


def test_a_changed_answer_in_msgpack_is_seen() -> None:
    asked: dict[str, Any] = {"protocol": "socket.io", "serializer": "msgpack"}
    with (
        serving_web(serializer="msgpack", answer=lambda data: data[:-1] + "!") as server,
        connected(job(server.url, **asked)) as (running, _),
    ):
        running.load(0.3)
        result = running.finish()
    assert result.ledger.corrupted == result.ledger.received > 0
