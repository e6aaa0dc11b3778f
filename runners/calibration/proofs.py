"""Calibration: the limits of the load generator on this machine, and proof that it detects misbehaving servers."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from runners import process
from runners.calibration import liar
from runners.calibration.liar import Lies
from runners.judging.thresholds import HIDDEN_STALL, SEND_LAG, SHOWN_DELAY_EXCESS, SHOWN_STALL
from runners.loadgen.job import DECLINED, ClientOptions, Job, Protocol
from runners.loadgen.pace import Closed, Open, Pace
from runners.loading import driver
from runners.loading.load_result import LoadResult
from runners.machine import CoreShare
from runners.record import Percentiles, RtsiteError
from runners.serving.certificate import make_certificate
from runners.serving.server import opener_for

CONNECTIONS = 100
SHARES_PERCENT = (25, 50, 75)
CEILINGS = (
    ("websocket", 64, False, False),
    ("websocket", 4096, False, False),
    ("socket.io", 64, False, False),
    ("websocket", 64, True, False),
    ("websocket", 4096, True, False),
    ("websocket", 64, False, True),
    ("websocket", 4096, False, True),
)
"""Protocol, bytes of a message, whether it is over TLS, and whether it is compressed."""
PROOF_RATE_PER_S = 2000.0
LIE_EVERY = 50
"""A lie applies to every n-th message. Each connection sends 20 messages per second, so each gets several lies."""
DELAY_MS = 20.0
STALL_MS = 500.0
_READY_S = 10.0
_LIAR = Path(liar.__file__)
"""A script that imports nothing of ours: as a module, each server would import all of this package first."""


class CalibrationError(RtsiteError):
    """The calibration server does not run."""


@dataclass(frozen=True)
class CalibrationServer:
    """A running calibration server. ``ca``: file of certificates that clients trust; empty: it has no TLS."""

    port: int
    ca: str = ""

    def url(self, scheme: str) -> str:
        """Its address, with ``scheme`` or its secure form."""
        return f"{scheme}{'s' if self.ca else ''}://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Ceiling:
    """The highest throughput of one shard against a bare echo server, and its send lag at lower rates."""

    protocol: Protocol
    payload_bytes: int
    deflate: bool
    """Whether messages were compressed."""
    messages_per_s: float
    send_lag_p99_ms: dict[int, float | None]
    """Send lag p99 in milliseconds by rate, in percent of the ceiling, in the open loop."""
    working_percent: dict[int, float]
    loadgen_cpu_percent: float
    """CPU time of the load generator at its highest throughput, in percent of a core. If it is well below 100, the
    server was the limit."""
    tls: bool = False
    """Whether the connections were over TLS."""


@dataclass(frozen=True)
class Proof:
    """One lie, what the load generator should detect, and what it detected."""

    name: str
    protocol: Protocol
    expected: str
    found: str
    ok: bool


@dataclass(frozen=True)
class Calibration:
    """All ceilings and proofs. ``ok`` is true if every lie was detected."""

    ceilings: list[Ceiling]
    proofs: list[Proof]

    @property
    def ok(self) -> bool:
        return all(proof.ok for proof in self.proofs)

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


Say = Callable[[str], None]


def run_calibration(cores: CoreShare, say: Say, *, window_s: float = 4.0) -> Calibration:
    """Measure the ceilings, then test every lie over both protocols; raises `RtsiteError`."""
    ceilings = []
    for protocol, payload_bytes, over_tls, deflate in CEILINGS:
        kind = ", TLS" if over_tls else ", compressed" if deflate else ""
        say(f"ceiling: {protocol}, {payload_bytes} bytes{kind} …")
        ceilings.append(
            _ceiling(_as_protocol(protocol), payload_bytes, cores, window_s, over_tls=over_tls, deflate=deflate)
        )
    proofs = []
    for protocol in ("websocket", "socket.io"):
        for name, prove in PROOFS.items():
            say(f"proof: {name}, {protocol} …")
            proofs.append(prove(name, _as_protocol(protocol), cores, window_s))
    return Calibration(ceilings, proofs)


def _as_protocol(name: str) -> Protocol:
    return "socket.io" if name == "socket.io" else "websocket"


@contextmanager
def lying_server(lies: Lies, cores: CoreShare, *, over_tls: bool = False) -> Iterator[CalibrationServer]:
    """Run a server with these lies while the block runs."""
    port = process.find_free_port()
    options = [
        part for field in fields(Lies) for part in (f"--{field.name.replace('_', '-')}", str(getattr(lies, field.name)))
    ]
    with tempfile.TemporaryDirectory(prefix="rtsite-") as logs:
        server = CalibrationServer(port)
        if over_tls:
            certificate = make_certificate(Path(logs) / "certificate")
            options += ["--certificate", str(certificate.certificate), "--key", str(certificate.key)]
            server = CalibrationServer(port, str(certificate.authority))
        child = process.start(
            "calibration server",
            [*process.PYTHON, str(_LIAR), "--port", str(port), *options],
            folder=Path.cwd(),
            environment=dict(os.environ),
            cpus=cores.server,
            log=Path(logs) / "liar.log",
        )
        try:
            until = time.monotonic() + _READY_S
            while _truth(server) is None:
                if not child.running or time.monotonic() > until:
                    raise CalibrationError(f"the calibration server does not run: {' '.join(child.last_lines(3))}")
                time.sleep(0.02)
            yield server
        finally:
            child.stop()


def _truth(server: CalibrationServer) -> dict[str, int] | None:
    """The server's own counts, or ``None`` if it does not answer."""
    try:
        with opener_for(server.ca).open(f"{server.url('http')}/truth", timeout=2.0) as answer:
            return dict(json.load(answer))
    except OSError:
        return None


def _job(server: CalibrationServer, protocol: Protocol, window_s: float, pace: Pace, *, payload_bytes: int = 64) -> Job:
    return Job(
        url=f"{server.url('ws')}/",
        client=ClientOptions(ca=server.ca),
        protocol=protocol,
        exchange="echo",
        pace=pace,
        connections=CONNECTIONS,
        warmup_s=1.0,
        duration_s=window_s,
        payload_bytes=payload_bytes,
    )


def _ceiling(
    protocol: Protocol, payload_bytes: int, cores: CoreShare, window_s: float, *, over_tls: bool, deflate: bool
) -> Ceiling:
    with lying_server(Lies(), cores, over_tls=over_tls) as server:
        job = _job(server, protocol, window_s, Closed(), payload_bytes=payload_bytes)
        job = replace(job, client=replace(job.client, deflate=deflate))
        closed = driver.apply(job, cpus=cores.loadgen)
        if deflate and closed.samples[0].compression.get(DECLINED):
            raise CalibrationError("the calibration server does not compress, although it was offered")
        most = closed.messages_per_s
        cpu_percent = round(closed.percent(lambda sample: sample.cpu_ns), 1)
        lag: dict[int, float | None] = {}
        working: dict[int, float] = {}
        for percent in SHARES_PERCENT:
            paced = replace(job, pace=Open(most * percent / 100))
            result = driver.apply(paced, cpus=cores.loadgen)
            lag[percent] = result.histograms["send_lag"].percentiles().p99
            working[percent] = round(result.percent(lambda sample: sample.working_ns), 1)
    return Ceiling(protocol, payload_bytes, deflate, round(most, 1), lag, working, cpu_percent, over_tls)


def _applied(
    lies: Lies,
    protocol: Protocol,
    cores: CoreShare,
    window_s: float,
    pace: Pace,
    hooks: driver.Hooks | None = None,
) -> tuple[LoadResult, Mapping[str, int]]:
    """Apply a load; returns its result and the counts of the server. There is no warm-up, so both count every
    message.
    """
    with lying_server(lies, cores) as server:
        job = replace(_job(server, protocol, window_s, pace), warmup_s=0.0)
        result = driver.apply(job, cpus=cores.loadgen, hooks=hooks)
        return result, _truth(server) or {}


def _percentiles(result: LoadResult, name: str = "latency") -> Percentiles:
    return result.histograms[name].percentiles()


def _honest(name: str, protocol: Protocol, cores: CoreShare, window_s: float) -> Proof:
    result, truth = _applied(Lies(duplicate_every=10**9), protocol, cores, window_s, Open(PROOF_RATE_PER_S))
    ledger = result.ledger
    faults = ledger.lost + ledger.in_flight + ledger.duplicated + ledger.reordered + ledger.corrupted
    return Proof(
        name,
        protocol,
        f"{truth.get('messages')} messages sent and answered, no fault",
        f"{ledger.sent} sent, {ledger.received} answered, {faults} faults",
        ledger.sent == ledger.received == truth.get("messages") and not faults,
    )


def prove_counted(lie: str, truth_key: str, seen: Callable[[LoadResult], int], noun: str) -> Callable[..., Proof]:
    """The proof for a lie about every n-th message: the load generator must count as many as the server."""

    def prove(name: str, protocol: Protocol, cores: CoreShare, window_s: float) -> Proof:
        lies = Lies(**{lie: LIE_EVERY})
        result, truth = _applied(lies, protocol, cores, window_s, Open(PROOF_RATE_PER_S))
        lied, found = truth.get(truth_key, 0), seen(result)
        return Proof(name, protocol, f"{lied} {noun}", f"{found} {noun}", lied == found > 0)

    return prove


def _delay(name: str, protocol: Protocol, cores: CoreShare, window_s: float) -> Proof:
    result, _ = _applied(Lies(delay_ms=DELAY_MS), protocol, cores, window_s, Open(PROOF_RATE_PER_S))
    found_ms = _percentiles(result).p50 or 0.0
    return Proof(
        name,
        protocol,
        f"median latency {DELAY_MS:g} to {DELAY_MS * (1 + SHOWN_DELAY_EXCESS.limit / 100):g} ms",
        f"{found_ms:.2f} ms",
        found_ms >= DELAY_MS and not SHOWN_DELAY_EXCESS.is_broken_by(100 * (found_ms / DELAY_MS - 1)),
    )


def _stall(name: str, protocol: Protocol, cores: CoreShare, window_s: float) -> Proof:
    """Coordinated omission: the open loop must show the stall in its p99, and the closed loop must hide it."""
    lies = Lies(stall_every_s=2.0, stall_ms=STALL_MS)
    open_result, _ = _applied(lies, protocol, cores, max(window_s, 6.0), Open(PROOF_RATE_PER_S))
    closed_result, _ = _applied(lies, protocol, cores, max(window_s, 6.0), Closed())
    shown = _percentiles(open_result).p99 or 0.0
    hidden = _percentiles(closed_result).p99 or 0.0
    return Proof(
        name,
        protocol,
        f"p99 above {_SHOWN_MS:g} ms from the intended send, and a service-time p99 that hides it",
        f"{shown:.0f} ms from the intended send, {hidden:.1f} ms of service time",
        _is_shown(shown) and _is_hidden(hidden),
    )


def _stopped_loadgen(name: str, protocol: Protocol, cores: CoreShare, window_s: float) -> Proof:
    """The proof in which the load generator itself is stopped: its delay must not count as the server's."""
    pids: list[int] = []

    def interrupt() -> None:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(STALL_MS / 1000)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    timer = threading.Timer(1.0, interrupt)
    hooks = driver.Hooks(window_start=timer.start, started=pids.extend)
    try:
        result, _ = _applied(Lies(duplicate_every=10**9), protocol, cores, window_s, Open(PROOF_RATE_PER_S), hooks)
    finally:
        timer.cancel()
        timer.join()
    intended = _percentiles(result).max or 0.0
    lag = _percentiles(result, "send_lag").p99 or 0.0
    from_send = _percentiles(result, "latency_from_send").p99 or 0.0
    return Proof(
        name,
        protocol,
        f"send lag p99 above {SEND_LAG.limit:g} ms (invalid), {_SHOWN_MS:g} ms in the latency from the"
        " intended send, not in the p99 from the actual send",
        f"send lag p99 {lag:.0f} ms, {intended:.0f} ms from the intended send, {from_send:.2f} ms from the actual send",
        SEND_LAG.is_broken_by(lag) and _is_shown(intended) and _is_hidden(from_send),
    )


_SHOWN_MS = STALL_MS * SHOWN_STALL.limit / 100


def _is_shown(latency_ms: float) -> bool:
    """Whether a latency shows the stall of `STALL_MS`."""
    return not SHOWN_STALL.is_broken_by(100 * latency_ms / STALL_MS)


def _is_hidden(latency_ms: float) -> bool:
    """Whether a latency hides the stall of `STALL_MS`."""
    return not HIDDEN_STALL.is_broken_by(100 * latency_ms / STALL_MS)


PROOFS: dict[str, Callable[[str, Protocol, CoreShare, float], Proof]] = {
    "honest server": _honest,
    "delayed answers": _delay,
    "stalling server": _stall,
    "stopped load generator": _stopped_loadgen,
    "dropped messages": prove_counted(
        "drop_every", "dropped", lambda result: result.ledger.lost + result.ledger.in_flight, "unanswered"
    ),
    "duplicated messages": prove_counted(
        "duplicate_every", "duplicated", lambda result: result.ledger.duplicated, "twice"
    ),
    "reordered messages": prove_counted(
        "reorder_every", "reordered", lambda result: result.ledger.reordered, "overtaken"
    ),
    "corrupted messages": prove_counted(
        "corrupt_every", "corrupted", lambda result: result.ledger.corrupted, "changed"
    ),
    "cut messages": prove_counted("cut_every", "cut", lambda result: result.ledger.corrupted, "cut"),
}
