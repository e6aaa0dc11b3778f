"""The load generator against misbehaving servers: it detects every fault, to the message."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Literal

import pytest

from runners.loadgen.job import Job, LedgerTotals
from runners.loadgen.pace import Closed, Open, Pace
from runners.loading import driver
from runners.loading.load_report import build_report
from runners.loading.shards import LoadError
from tests.support.servers import Lie, Talk, WireProtocol, honest, serving

pytestmark = pytest.mark.measures

CONNECTIONS = 10
EACH = 80
"""Messages per connection in the open loop's window."""
DURATION_S = 0.4
PERIOD = 20
LIES_EACH = EACH // PERIOD
"""A lie is told about messages 10, 30, 50 and 70: never the last one, so that its fate is determined."""

protocols = pytest.mark.parametrize("protocol", ["websocket", "socket.io"])


def pace_of(mode: Literal["open", "closed"], rate_per_s: float) -> Pace:
    return Open(rate_per_s) if mode == "open" else Closed()


def job(url: str, protocol: WireProtocol, mode: Literal["open", "closed"] = "open") -> Job:
    return Job(
        url=url,
        protocol=protocol,
        exchange="echo",
        pace=pace_of(mode, CONNECTIONS * EACH / DURATION_S),
        connections=CONNECTIONS,
        warmup_s=0.0,
        duration_s=DURATION_S,
        drain_s=0.5,
        connect_timeout_s=5.0,
    )


def balanced(ledger: LedgerTotals) -> bool:
    return ledger.sent == ledger.received + ledger.lost + ledger.in_flight


def sometimes(lie: Lie) -> Lie:
    def tell(talk: Talk, answer: bytes) -> None:
        if talk.count % PERIOD == PERIOD // 2:
            talk.server.lies += 1
            lie(talk, answer)
        else:
            honest(talk, answer)

    return tell


def drop(talk: Talk, answer: bytes) -> None:
    pass


def twice(talk: Talk, answer: bytes) -> None:
    talk.send(answer)
    talk.send(answer)


def change_a_byte(talk: Talk, answer: bytes) -> None:
    changed = bytearray(answer)
    changed[-3] ^= 1
    talk.send(bytes(changed))


def say_something_else_first(talk: Talk, answer: bytes) -> None:
    talk.send(b"hello" if talk.server.protocol == "websocket" else b'42["news",1]')
    talk.send(answer)


def swap_neighbours(talk: Talk, answer: bytes) -> None:
    if talk.held is not None:
        talk.send(answer)
        talk.send(talk.held)
        talk.held = None
    elif talk.count % PERIOD == PERIOD // 2:
        talk.server.lies += 1
        talk.held = answer
    else:
        talk.send(answer)


def in_two_fragments(talk: Talk, answer: bytes) -> None:
    talk.send(answer, cut_at=5)


def with_an_empty_last_fragment(talk: Talk, answer: bytes) -> None:
    talk.send(answer, cut_at=len(answer))


FOREIGN = sometimes(say_something_else_first)

SEEN: list[tuple[Lie, dict[str, int]]] = [
    (honest, {}),
    (sometimes(drop), {"received": EACH - LIES_EACH, "lost": LIES_EACH}),
    (sometimes(twice), {"duplicated": LIES_EACH}),
    (swap_neighbours, {"reordered": LIES_EACH}),
    (sometimes(change_a_byte), {"corrupted": LIES_EACH}),
    (FOREIGN, {"foreign": LIES_EACH}),
    (in_two_fragments, {}),
    (with_an_empty_last_fragment, {}),
]
IDS = ["honest", "drop", "twice", "swap", "change", "foreign", "fragments", "empty-fragment"]


@protocols
@pytest.mark.parametrize(("lie", "seen"), SEEN, ids=IDS)
def test_the_open_loop_counts_every_lie(protocol: WireProtocol, lie: Lie, seen: dict[str, int]) -> None:
    with serving(protocol, lie) as server:
        result = driver.apply(job(server.url, protocol))
    assert server.received == result.ledger.sent == CONNECTIONS * EACH
    assert server.lies in (0, CONNECTIONS * LIES_EACH)
    truth = {**asdict(LedgerTotals()), "sent": EACH, "received": EACH}
    assert asdict(result.ledger) == {name: count * CONNECTIONS for name, count in (truth | seen).items()}
    assert balanced(result.ledger)
    assert result.errors == {}
    # Every message sent has a latency, the lost ones at their elapsed time.
    assert result.histograms["latency"].total == result.histograms["latency_from_send"].total == CONNECTIONS * EACH
    assert result.histograms["send_lag"].total == CONNECTIONS * EACH
    assert result.histograms["connect"].total == CONNECTIONS
    assert result.total(lambda sample: sample.censored) == result.ledger.lost + result.ledger.in_flight


@protocols
@pytest.mark.parametrize(
    ("lie", "seen"), [SEEN[i] for i in (0, 2, 4, 5, 6, 7)], ids=[IDS[i] for i in (0, 2, 4, 5, 6, 7)]
)
def test_the_closed_loop_counts_every_lie(protocol: WireProtocol, lie: Lie, seen: dict[str, int]) -> None:
    with serving(protocol, lie) as server:
        result = driver.apply(job(server.url, protocol, "closed"))
    ledger, (sample,) = result.ledger, result.samples
    assert server.received == ledger.sent + sample.warmup_ledger.sent
    assert ledger.sent == ledger.received > 0
    assert ledger.lost == ledger.in_flight == ledger.reordered == 0
    for name in ("duplicated", "corrupted", "foreign"):
        told = server.lies if name in seen else 0
        # What a connection was told after its last message may be cut off by the generator's leaving.
        assert told - CONNECTIONS <= getattr(ledger, name) <= told, name
    assert result.histograms["latency"].total == ledger.received
    assert sample.answered <= ledger.received
    assert result.errors == {}


@protocols
def test_what_comes_with_the_last_answer_counts(protocol: WireProtocol) -> None:
    """Both copies of each answer come in one segment, after the window."""

    def twice_at_once(talk: Talk, answer: bytes) -> None:
        connection = talk.transport.underlying_transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, True)
        twice(talk, answer)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, False)

    def late(talk: Talk, answer: bytes) -> None:
        talk.server.loop.call_later(2 * wanted.duration_s, twice_at_once, talk, answer)

    with serving(protocol, late) as server:
        wanted = replace(job(server.url, protocol), connections=1, pace=Open(100.0), duration_s=0.1)
        ledger = driver.apply(wanted).ledger
    assert ledger.sent == ledger.received == ledger.duplicated == server.received > 0


@protocols
@pytest.mark.parametrize("mode", ["open", "closed"])
def test_a_server_that_answers_everything_twice(protocol: WireProtocol, mode: Literal["open", "closed"]) -> None:
    with serving(protocol, twice) as server:
        result = driver.apply(job(server.url, protocol, mode))
    ledger = result.ledger
    assert server.received == ledger.sent == ledger.received == result.histograms["latency"].total
    # The second answer to a connection's last message may come when the first one has settled the books.
    assert server.received - CONNECTIONS <= ledger.duplicated <= server.received
    assert ledger.lost == ledger.in_flight == ledger.corrupted == ledger.reordered == 0
    report = build_report(result, pace_of(mode, 100.0))
    assert report["duplicated"] == ledger.duplicated
    assert result.errors == {}


LARGE = 1 << 20


@protocols
@pytest.mark.parametrize("mode", ["open", "closed"])
@pytest.mark.parametrize("lie", [honest, change_a_byte, in_two_fragments], ids=["honest", "change", "fragments"])
def test_messages_larger_than_a_socket_holds(protocol: WireProtocol, mode: Literal["open", "closed"], lie: Lie) -> None:
    """They go out in parts and come back in parts, and every byte is compared."""
    asked = replace(
        job("", protocol, mode),
        connections=3,
        payload_bytes=LARGE,
        pace=pace_of(mode, 50),
        duration_s=0.6,
        drain_s=10.0,
    )
    with serving(protocol, lie) as server:
        result = driver.apply(replace(asked, url=server.url))
    ledger = result.ledger
    assert server.received == ledger.sent == ledger.received == result.histograms["latency"].total > 0
    assert ledger.corrupted == (ledger.sent if lie is change_a_byte else 0)
    assert ledger.duplicated == ledger.reordered == 0
    assert result.errors == {}
    if mode == "open":
        assert ledger.sent == 30


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_a_server_that_does_not_read_for_a_while(mode: Literal["open", "closed"]) -> None:
    """What the sockets do not take meanwhile waits in the generator; nothing is lost."""

    def pause_once(talk: Talk, answer: bytes) -> None:
        if talk.server.received == 1:
            time.sleep(0.4)
        talk.send(answer)

    asked = replace(
        job("", "websocket", mode),
        connections=2,
        payload_bytes=100_000,
        pace=pace_of(mode, 400),
        duration_s=0.5,
        drain_s=10.0,
    )
    with serving("websocket", pause_once) as server:
        result = driver.apply(replace(asked, url=server.url))
    ledger = result.ledger
    assert server.received == ledger.sent == ledger.received > 0
    assert ledger.duplicated == ledger.corrupted == ledger.reordered == 0
    if mode == "open":
        # 20 MB were due, far more than sockets hold, and most of them while nobody read.
        assert ledger.sent == 200
    most = result.histograms["latency"].percentile_ms(1.0)
    assert most is not None
    assert most >= 400 * 0.999


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_a_server_that_recovers_after_its_answers_were_given_up(mode: Literal["open", "closed"]) -> None:
    def pause_once(talk: Talk, answer: bytes) -> None:
        if talk.server.received == 100:
            time.sleep(0.5)
        talk.send(answer)

    with serving("websocket", pause_once) as server:
        result = driver.apply(replace(job(server.url, "websocket", mode), duration_s=1.0, answer_timeout_s=0.2))
    ledger = result.ledger
    assert server.received == ledger.sent
    assert balanced(ledger)
    assert ledger.duplicated == ledger.corrupted == 0
    assert result.histograms["latency"].total == ledger.sent
    if mode == "closed":
        assert ledger.lost >= CONNECTIONS - 1, "each connection but the one being answered gave up"


def test_the_closed_loop_goes_on_where_answers_never_come() -> None:
    def drop_the_fifth(talk: Talk, answer: bytes) -> None:
        if talk.count != 5:
            talk.send(answer)

    with serving("websocket", drop_the_fifth) as server:
        result = driver.apply(replace(job(server.url, "websocket", "closed"), duration_s=1.3, answer_timeout_s=0.1))
    assert result.ledger.lost == CONNECTIONS
    assert result.ledger.received == result.ledger.sent - CONNECTIONS > CONNECTIONS * 4
    assert balanced(result.ledger)


def test_what_is_never_answered_at_the_end_is_in_flight() -> None:
    def drop_the_last(talk: Talk, answer: bytes) -> None:
        if talk.count != EACH:
            talk.send(answer)

    with serving("websocket", drop_the_last) as server:
        result = driver.apply(job(server.url, "websocket"))
    assert (result.ledger.in_flight, result.ledger.lost) == (CONNECTIONS, 0)
    assert balanced(result.ledger)


@protocols
@pytest.mark.parametrize("mode", ["open", "closed"])
def test_half_of_the_connections_closed_midway(protocol: WireProtocol, mode: Literal["open", "closed"]) -> None:
    def close_the_odd_ones(talk: Talk, answer: bytes) -> None:
        if talk.number % 2 == 0 or talk.count < EACH // 2:
            talk.send(answer)
        elif talk.count == EACH // 2:  # what came together with this one is not answered either
            talk.server.lies += 1
            # A socket that is closed with unread messages resets the connection, and answers on their way are lost.
            talk.transport.underlying_transport.write_eof()

    with serving(protocol, close_the_odd_ones) as server:
        result = driver.apply(job(server.url, protocol, mode))
    half = CONNECTIONS // 2
    assert server.lies == half
    assert result.total(lambda sample: sample.closed_early) == half
    assert result.total(lambda sample: sample.established) == CONNECTIONS
    assert result.errors == {"closed-by-server": half}
    assert balanced(result.ledger)
    if mode == "open":
        assert result.ledger.sent == CONNECTIONS * EACH
        assert result.ledger.lost == half * (EACH // 2 + 1)
    else:
        assert result.ledger.lost == half
    report = build_report(result, pace_of(mode, 100.0))
    assert f"connections closed by the server {half}, limit 0" in report["invalid_reasons"]


def test_a_stall_shows_in_the_latency_from_the_intended_time() -> None:
    def stall_once(talk: Talk, answer: bytes) -> None:
        if talk.server.received == 300:
            time.sleep(0.3)
        talk.send(answer)

    with serving("websocket", stall_once) as server:
        result = driver.apply(replace(job(server.url, "websocket"), duration_s=1.0, pace=Open(1000)))
    latency = result.histograms["latency"]
    assert latency.total == 1000
    # 300 messages were due in those 300 ms, and each waited for the rest of them.
    p50, p80, p99, most = (latency.percentile_ms(quantile) for quantile in (0.5, 0.8, 0.99, 1.0))
    assert p80 is not None
    assert p99 is not None
    assert most is not None
    assert p80 > 90
    assert p99 > 285
    assert most >= 300
    assert p50 is not None


def test_heartbeats_are_answered() -> None:
    with serving("socket.io") as server:
        result = driver.apply(replace(job(server.url, "socket.io"), duration_s=1.0, pace=Open(200)))
    assert result.ledger.received == result.ledger.sent == 200
    assert server.pings >= CONNECTIONS
    assert server.pongs >= server.pings - 2 * CONNECTIONS


def test_connections_closed_right_after_the_handshake() -> None:
    with serving("websocket", greet=lambda talk: False) as server:
        result = driver.apply(job(server.url, "websocket"))
    assert result.ledger.received == 0
    assert result.ledger.lost == result.ledger.sent == CONNECTIONS * EACH
    assert result.total(lambda sample: sample.closed_early) == CONNECTIONS
    assert result.errors == {"closed-by-server": CONNECTIONS}


def test_some_connections_closed_before_they_join() -> None:
    with serving("socket.io", greet=lambda talk: talk.number % 2 == 0) as server:
        result = driver.apply(job(server.url, "socket.io"))
    assert result.total(lambda sample: sample.established) == CONNECTIONS // 2
    assert result.errors["not-connected"] == CONNECTIONS // 2
    assert balanced(result.ledger)
    assert "connections not established 5, limit 0" in build_report(result, Open(100.0))["invalid_reasons"]


@pytest.mark.parametrize(
    ("protocol", "greet", "refuse", "words"),
    [
        ("socket.io", lambda talk: False, False, "closed the connection without a close frame before it was ready"),
        ("websocket", lambda talk: True, True, "404"),
    ],
)
def test_a_server_that_takes_nobody(
    protocol: WireProtocol, greet: Callable[[Talk], bool], refuse: bool, words: str
) -> None:
    with serving(protocol, greet=greet, refuse=refuse) as server, pytest.raises(LoadError) as raised:
        driver.apply(job(server.url, protocol))
    assert f"none of {CONNECTIONS} connections to {server.url} could be opened: " in str(raised.value)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_nobody_there() -> None:
    with serving() as server:
        pass
    with pytest.raises(LoadError, match=r"could be opened: connection refused"):
        driver.apply(job(server.url, "websocket"))


def test_a_server_that_never_answers_the_handshake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"ws://127.0.0.1:{deaf.getsockname()[1]}/"
        with pytest.raises(
            LoadError, match=r"did not answer the WebSocket handshake within 0\.3 s; .*--connect-timeout"
        ):
            driver.apply(replace(job(url, "websocket"), connect_timeout_s=0.3))


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_shards_add_up(mode: Literal["open", "closed"]) -> None:
    with serving() as server:
        result = driver.apply(job(server.url, "websocket", mode), shards=3)
    assert len(result.samples) == 3
    assert server.connections == sum(sample.established for sample in result.samples) == CONNECTIONS
    assert server.received == result.ledger.sent + sum(sample.warmup_ledger.sent for sample in result.samples)
    assert result.ledger.sent == result.ledger.received == result.histograms["latency"].total
    assert result.ledger.corrupted == 0, "no two shards send the same bytes"
    if mode == "open":
        assert abs(result.ledger.sent - CONNECTIONS * EACH) <= 3


def test_the_load_ends_when_it_is_hopeless() -> None:
    started = time.monotonic()
    with serving() as server, pytest.raises(LoadError, match="ended under load"):
        driver.apply(
            replace(job(server.url, "websocket"), duration_s=60.0), hooks=driver.Hooks(is_hopeless=lambda: True)
        )
    assert time.monotonic() - started < 30


def test_the_window_is_reported() -> None:
    told: list[str] = []
    hooks = driver.Hooks(lambda: told.append("start"), lambda: told.append("end"))
    with serving() as server:
        driver.apply(job(server.url, "websocket"), shards=2, hooks=hooks)
    assert told == ["start", "end"]
