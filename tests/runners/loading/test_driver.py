"""The driver of a load: slices, warm-up, idle times, and shards that stop, starve or lose their parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.job import Brief, Exchange, Job
from runners.loadgen.pace import Closed, Open
from runners.loading import driver
from runners.loading.load_report import build_report
from runners.loading.load_result import LoadResult, WarmUp
from runners.loading.shards import ForkServer, LoadError
from tests.support import halts
from tests.support.loading import CONNECTIONS, RATE_PER_S, Mode, connected, job, modes
from tests.support.processes import gone, until
from tests.support.servers import CERTIFICATE, EchoServer, Talk, serving, serving_securely

pytestmark = pytest.mark.measures

# Slices


@modes
@pytest.mark.parametrize("shards", [1, 2])
def test_slices_add_up(mode: Mode, shards: int) -> None:
    slices = (0.5, 0.7, 0.1, 0.9)
    with serving() as server, connected(job(server.url, mode), shards) as (running, _):
        briefs = [running.load(seconds) for seconds in slices]
        result = running.finish()
    assert server.received == result.ledger.sent == result.ledger.received == result.histograms["latency"].total
    assert [sample.slices for sample in result.samples] == [len(slices)] * shards
    for index, sample in enumerate(result.samples):
        mine = [brief[index] for brief in briefs]
        # Answers at the ends of slices count in part. Since Python 3.12, `sum` rounds less than the engine does.
        assert sum(brief.answered for brief in mine) == pytest.approx(sample.answered, rel=1e-12)
        assert sum(brief.window_ns for brief in mine) == sample.window_ns >= sum(slices) * 1e9
        whole, rest = divmod(sample.window_ns / 1e9, 1)
        assert len(sample.seconds) == whole + (rest > 0.5)
    if mode == "open":
        assert abs(result.ledger.sent - RATE_PER_S * sum(slices)) <= shards * len(slices)
        assert result.total(lambda sample: sample.offered) >= result.ledger.sent


@modes
def test_the_warm_up_is_separate(mode: Mode) -> None:
    with serving() as server, connected(job(server.url, mode, warmup_s=0.4)) as (running, _):
        warm_up = running.warm_up()
        sent_warming = server.received
        running.load(0.3)
        result = running.finish()
    (sample,) = result.samples
    assert warm_up.seconds >= 0.4
    assert warm_up.messages_per_s > 0
    assert sample.warmup_ledger.sent == sample.warmup_ledger.received == sent_warming
    assert sample.ledger.sent == server.received - sent_warming == result.histograms["latency"].total
    assert sample.slices == 1
    assert result.window_s >= 0.3


def test_a_load_of_no_slices_is_an_empty_one() -> None:
    with serving() as server, connected(job(server.url)) as (running, _):
        (sample,) = running.finish().samples
    assert (sample.slices, sample.window_ns, sample.ledger.sent, sample.established) == (0, 0, 0, CONNECTIONS)


@modes
@pytest.mark.parametrize("shards", [1, 2])
def test_a_slice_that_stops_early_counts_as_a_short_one(mode: Mode, shards: int) -> None:
    with serving() as server, connected(job(server.url, mode), shards) as (running, _):

        def stop_early() -> None:
            try:
                until(lambda: server.received > 2 * CONNECTIONS, "answers")
            finally:
                running.stop_early()

        stopping = threading.Thread(target=stop_early)
        stopping.start()
        running.load(600.0)
        stopping.join()
        result = running.finish()
    assert server.received == result.ledger.sent == result.ledger.received == result.histograms["latency"].total > 0
    assert result.window_s < 60
    if mode == "open":
        offered = result.total(lambda sample: sample.offered)
        assert result.ledger.sent - shards <= offered <= RATE_PER_S * result.window_s + shards


def test_a_load_that_does_not_fit_in_memory_is_refused_in_a_sentence() -> None:
    """No address space has room for a second of such messages."""
    with serving() as server, pytest.raises(LoadError, match=r"does not fit in memory; reduce its rate"):
        driver.apply(job(server.url, "open", pace=Open(1e14), duration_s=1.0))


# Warm-up: at least so long, at most three times that, until two pieces agree


class Told(driver.ShardGroup):
    """A load whose slices come to what they are told."""

    def __init__(self, asked: Job, figures: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self._job = asked
        self.figures = iter(figures)
        self.pieces: list[float] = []

    def load(self, seconds: float) -> list[Brief]:
        """Two shards alike in throughput, of which one is slower to answer."""
        self.pieces.append(seconds)
        rate, p50_ns = next(self.figures)
        answered = round(rate * seconds)
        return [Brief(answered, round(seconds * 1e9), p50_ns) for p50_ns in (1, p50_ns)]


def told(mode: Mode, warmup_s: float, *figures: int) -> tuple[WarmUp, list[float]]:
    """What becomes steady is the throughput or the latency, by the mode; the other one never does."""
    columns = [(one, 2**index) if mode == "closed" else (200 * 2**index, one) for index, one in enumerate(figures)]
    running = Told(job("ws://nowhere/", mode, warmup_s=warmup_s), columns)
    return running.warm_up(), running.pieces


@modes
@pytest.mark.parametrize(
    ("warmup_s", "figures", "seconds", "settled"),
    [
        (5.0, [1000] * 15, 5.0, True),
        (5.0, [1000, 2000] * 8, 15.0, False),
        (5.0, [1000, 2000, 1000, 2000, 1000, 2000, 2100, 9000], 7.0, True),
        (5.0, [1000, 1000, 1000, 1000, 2000, 2100, 9000], 6.0, True),
        (1.0, [1000, 1100, 9000], 1.0, True),
        (1.0, [1000, 2000, 4000, 8000, 16000, 17000], 3.0, True),
        (0.3, [1000, 3000, 1000, 3000, 1000, 3000, 1000], 0.9, False),
    ],
)
def test_warm_up_lasts_until_two_pieces_agree(
    mode: Mode, warmup_s: float, figures: list[int], seconds: float, settled: bool
) -> None:
    warm_up, pieces = told(mode, warmup_s, *figures)
    assert (warm_up.seconds, warm_up.settled) == (seconds, settled)
    assert sum(pieces) == pytest.approx(seconds)
    assert set(pieces) == {min(driver.PIECE_S, warmup_s / 2)}
    if mode == "closed":
        assert warm_up.messages_per_s == pytest.approx(2 * figures[len(pieces) - 1], rel=0.01)


@pytest.mark.parametrize(("exchange", "rate"), [("echo", 9), ("echo", 0), ("room", 9 * CONNECTIONS)])
def test_too_few_messages_do_not_show_whether_it_is_steady(exchange: Exchange, rate: int) -> None:
    """In a room every message is answered by all."""
    asked = replace(job("ws://nowhere/", "closed", warmup_s=3.0), exchange=exchange)
    running = Told(asked, [(rate, 1), (2 * rate, 1)] * 8)
    warm_up = running.warm_up()
    assert (warm_up.seconds, warm_up.settled) == (3.0, None)


def test_no_warm_up_is_settled() -> None:
    assert told("closed", 0.0) == (WarmUp(0.0, settled=True, messages_per_s=0.0), [])


@given(st.floats(0.2, 30), st.lists(st.integers(100, 1000), min_size=100, max_size=100))
def test_warm_up_keeps_its_bounds_and_reports_whether_it_settled(warmup_s: float, figures: list[int]) -> None:
    warm_up, pieces = told("open", warmup_s, *figures)
    assert warmup_s - 1e-6 <= warm_up.seconds <= 3 * warmup_s + pieces[0]
    before, last = figures[len(pieces) - 2 : len(pieces)]
    assert warm_up.settled == (abs(last - before) <= 0.1 * before)
    assert warm_up.settled or warm_up.seconds >= 3 * warmup_s - 1e-6


# Between slices


def test_pings_are_answered_while_nothing_else_is_done() -> None:
    with serving("socket.io") as server, connected(job(server.url, protocol="socket.io")) as (running, _):
        until(lambda: server.pongs >= 3 * CONNECTIONS, "pongs came before any load")
        running.load(0.2)
        before = server.pongs
        until(lambda: server.pongs >= before + 2 * CONNECTIONS, "pongs came after the load")
        result = running.finish()
    assert result.errors == {}
    assert result.ledger.sent == result.ledger.received == server.received


@modes
def test_a_connection_closed_while_idle_is_counted_and_used_no_more(mode: Mode) -> None:
    half = CONNECTIONS // 2
    with serving() as server, connected(job(server.url, mode)) as (running, _):
        running.load(0.1)
        for talk in server.talks[:half]:
            server.say_goodbye(talk)
        until(lambda: server.gone == half, "the shard let go of them")
        before = [talk.count for talk in server.talks]
        running.load(0.2)
        after = [talk.count for talk in server.talks]
        running.load(0.1)
        result = running.finish()
    assert [now > then for then, now in zip(before, after, strict=True)] == [False] * half + [True] * half
    assert result.total(lambda sample: sample.closed_early) == half
    assert result.errors == {"closed-by-server": half}
    ledger = result.ledger
    assert (ledger.received, ledger.in_flight) == (server.received, 0)
    # In the open loop the messages of the dead are due all the same: half of those in 0.3 s.
    due = RATE_PER_S * 0.3 / 2 if mode == "open" else 0
    assert ledger.lost == pytest.approx(due, abs=2 * CONNECTIONS)
    assert ledger.sent == ledger.received + ledger.lost


@modes
def test_all_connections_closed_is_a_load_that_nobody_applies(mode: Mode) -> None:
    with serving() as server, connected(job(server.url, mode)) as (running, _):
        for talk in server.talks:
            server.say_goodbye(talk)
        until(lambda: server.gone == CONNECTIONS, "the shard let go of them")
        running.load(0.2)
        result = running.finish()
    assert result.ledger.received == 0
    assert result.ledger.lost == result.ledger.sent == (RATE_PER_S * 0.2 if mode == "open" else 0)
    assert result.total(lambda sample: sample.closed_early) == CONNECTIONS


# Trouble


def test_a_load_generator_that_stalled_reports_it() -> None:
    """Late sends show from the intended time and as send lag, not from the actual send, and make the load invalid."""
    stopped_s = 0.5
    pids: list[int] = []
    continuing: list[threading.Timer] = []

    def stop_the_client_once(talk: Talk, answer: bytes) -> None:
        if talk.server.received == 200:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
                continuing.append(threading.Timer(stopped_s, os.kill, (pid, signal.SIGCONT)))
                continuing[-1].start()
        talk.send(answer)

    with serving(lie=stop_the_client_once) as server:
        asked = job(server.url, "open", duration_s=1.0, pace=Open(1000))
        result = driver.apply(asked, hooks=driver.Hooks(started=pids.extend))
    for timer in continuing:
        timer.join()
    assert len(continuing) == 1
    assert result.ledger.received == result.ledger.sent == 1000
    lag, latency, from_send = (result.histograms[name] for name in ("send_lag", "latency", "latency_from_send"))
    for late in (lag, latency):
        most = late.percentile_ms(1.0)
        assert most is not None
        assert most >= 0.95 * 1000 * stopped_s
    # Half of all messages fell due meanwhile; under way were only a few.
    late_ms, sent_ms = latency.percentile_ms(0.75), from_send.percentile_ms(0.75)
    assert late_ms is not None
    assert sent_ms is not None
    assert late_ms > sent_ms
    report = build_report(result, asked.pace)
    assert any(reason.startswith("send lag p99") for reason in report["invalid_reasons"])


def test_a_shard_does_not_grow() -> None:
    def resident_mb(pid: int) -> float:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    with serving() as server, connected(job(server.url)) as (running, pids):
        running.load(0.5)
        before_mb = resident_mb(pids[0])
        enough = server.received + 20_000
        while server.received < enough:
            running.load(0.5)
        grown_mb = resident_mb(pids[0]) - before_mb
        result = running.finish()
    assert result.ledger.received > 20_000
    assert grown_mb < 3


@contextmanager
def alone(server: EchoServer, **changes: Any) -> Iterator[subprocess.Popen[str]]:
    """A shard without `Load`, connected."""
    with subprocess.Popen(
        [sys.executable, "-m", "runners.loadgen"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as shard:
        try:
            tell(shard, job(server.url, **changes).to_json())
            assert heard(shard)["event"] == "connected"
            yield shard
        finally:
            shard.kill()


def tell(shard: subprocess.Popen[str], line: str) -> None:
    assert shard.stdin is not None
    shard.stdin.write(line + "\n")
    shard.stdin.flush()


def heard(shard: subprocess.Popen[str]) -> dict[str, Any]:
    assert shard.stdout is not None
    return dict(json.loads(shard.stdout.readline()))


def test_a_shard_ends_without_commands() -> None:
    with serving() as server, alone(server) as shard:
        assert shard.stdin is not None
        shard.stdin.close()
        assert heard(shard) == {"event": "error", "reason": "the process that started this shard has ended"}
        assert shard.wait() == 1


@pytest.mark.parametrize("loading", [True, False])
def test_a_shard_ends_quietly_when_it_is_interrupted(loading: bool) -> None:
    with serving() as server, alone(server, mode="open", pace=Open(1000), duration_s=60.0) as shard:
        if loading:
            tell(shard, json.dumps({"do": "load", "seconds": 60.0}))
            until(lambda: server.received > 10, "it applied its load")
        shard.send_signal(signal.SIGINT)
        assert shard.wait() == 130
        assert shard.stderr is not None
        assert shard.stderr.read() == ""


def test_a_command_that_is_none_is_an_error() -> None:
    with serving() as server, alone(server) as shard:
        tell(shard, json.dumps({"do": "dance"}))
        assert heard(shard) == {"event": "error", "reason": "unknown command: {'do': 'dance'}"}
        assert shard.wait() == 1


STARTER = """
import sys
from runners.loading import driver
from runners.loadgen.job import Job

with driver.ShardGroup(2, hooks=driver.Hooks(started=lambda pids: print(*pids, flush=True))) as running:
    running.connect(Job.from_json(sys.argv[1]))
    print("connected", flush=True)
    running.load(60.0)
"""


@pytest.mark.parametrize("loading", [True, False])
def test_no_shard_outlives_the_one_that_started_it(loading: bool) -> None:
    with serving() as server:
        arguments = [sys.executable, "-c", STARTER, job(server.url).to_json()]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as starter:
            assert starter.stdout is not None
            pids = [int(word) for word in starter.stdout.readline().split()]
            if loading:
                assert starter.stdout.readline() == "connected\n"
                until(lambda: server.received > 10, "they applied their load")
            starter.kill()
        assert len(pids) == 2
        gone(pids)


def test_a_shard_that_is_killed_under_load_is_reported() -> None:
    with serving() as server, connected(job(server.url)) as (running, pids):
        threading.Timer(0.3, os.kill, (pids[0], signal.SIGKILL)).start()
        with pytest.raises(LoadError, match="ended without a sample"):
            running.load(60.0)


# TLS


@modes
@pytest.mark.parametrize("payload_bytes", [64, 100_000])
def test_a_load_over_tls(mode: Mode, payload_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with serving_securely() as url:
        pace = Open(100) if mode == "open" else Closed()
        asked = job(url, mode, payload_bytes=payload_bytes, pace=pace, duration_s=0.5, drain_s=5.0)
        with connected(asked) as (running, _):
            running.load(0.3)
            running.load(0.2)
            result = running.finish()
    ledger = result.ledger
    assert ledger.sent == ledger.received == result.histograms["latency"].total > 0
    assert ledger.duplicated == ledger.corrupted == ledger.reordered == 0
    assert result.errors == {}
    if mode == "open":
        assert ledger.sent == 50
        # What Python sends is work too, not waiting.
        (sample,) = result.samples
        assert 0 < sample.working_ns < sample.window_ns


def test_a_certificate_that_nobody_vouches_for_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    with serving_securely() as url, pytest.raises(LoadError, match=r"certificate is not trusted: .*--ca FILE"):
        driver.apply(job(url))


def test_variables_of_numba_neither_stop_nor_slow_the_load_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DISABLE_JIT": "1", "OPT": "0", "NUM_THREADS": "many"}.items():
        monkeypatch.setenv(f"NUMBA_{name}", value)
    fresh = ForkServer()
    monkeypatch.setattr("runners.loading.shards._FORK_SERVER", fresh)
    try:
        with serving() as server:
            result = driver.apply(job(server.url, "closed"))
    finally:
        fresh.close()
    assert result.ledger.sent == result.ledger.received > 0


def test_a_shard_uses_no_huge_pages() -> None:
    """The first write to one can take milliseconds, in which nothing is sent."""
    with serving() as server, connected(job(server.url, "open")) as (_, (pid,)):
        status = Path(f"/proc/{pid}/status").read_text()
    assert "THP_enabled:\t0" in status


# Arrivals


THINK_S = 0.03


def thinking(talk: Talk, answer: bytes) -> None:
    talk.server.loop.call_later(THINK_S, talk.send, answer)


def test_an_answer_has_arrived_however_late_it_is_read() -> None:
    """The load generator is stopped while answers to messages arrive that it has sent."""
    stopped_s = 10 * THINK_S

    def load() -> LoadResult:
        with serving(lie=thinking) as server, connected(job(server.url, "open", duration_s=1.0)) as (running, (pid,)):
            running.begin_load(1.0)
            until(lambda: server.received > 100, "the load has begun")
            os.kill(pid, signal.SIGSTOP)
            time.sleep(stopped_s)
            os.kill(pid, signal.SIGCONT)
            running.end_load()
            return running.finish()

    result = halts.undisturbed(load, most_s=THINK_S)
    assert result.ledger.lost == 0
    from_send, from_due = (result.histograms[name].percentile_ms(1.0) for name in ("latency_from_send", "latency"))
    assert from_send is not None
    assert from_due is not None
    assert from_send < 1000 * (THINK_S + stopped_s / 2), "no answer waited for us"
    assert from_due > 1000 * stopped_s / 2, "messages that were due meanwhile were sent late"


def test_a_closed_loop_waits_on_every_connection_all_the_time() -> None:
    """Little's law, also while the load generator is stopped."""
    with serving() as server, connected(job(server.url, "closed", duration_s=1.0)) as (running, (pid,)):
        running.begin_load(1.0)
        until(lambda: server.received > 100, "the load has begun")
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.4)
        os.kill(pid, signal.SIGCONT)
        running.end_load()
        result = running.finish()
    (sample,) = result.samples
    latency = result.histograms["latency"].percentiles()
    assert latency.mean is not None
    in_flight_s = sample.ledger.received * latency.mean / 1000 - sample.overrun_ns / 1e9
    assert in_flight_s == pytest.approx(CONNECTIONS * result.window_s, rel=0.15)
