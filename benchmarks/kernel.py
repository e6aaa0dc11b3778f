"""Compares the load generators of two checkouts, in pairs, on the same CPU, against the same server.

    uv run python -m benchmarks.kernel OLD NEW

OLD and NEW are folders of checkouts with synchronized environments, which read the jobs of this checkout. Both load
generators keep 100 connections to one echo server. They apply slices of load in turn, in random order, so that
interference affects both alike. The output is the ratios NEW / OLD with their 95 % intervals: throughput and messages
per CPU second of the closed loop, and the send lag p99 of the open loop.

A change of the kernel is accepted if the ratios of throughput and of messages per CPU second are at least 0.99. The
throughput alone does not show a slower kernel, because the server usually limits it: while the load generator waits
for the server, it has CPU time left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generator.statistics import estimate_mean
from runners.calibration.liar import Lies
from runners.calibration.proofs import lying_server
from runners.loadgen.buckets import SparseCounts, dense
from runners.loadgen.job import Job
from runners.loadgen.pace import Closed, Open, Pace
from runners.machine import CoreShare
from runners.record import Histogram

CORES = CoreShare(server=[0], loadgen=[1], harness=[0, 1], note="")
CONNECTIONS = 100
PAYLOAD_BYTES = 64
LAG_SLICES = 10
"""Slices of the open loop for one p99 of each load generator."""


class Shard:
    """A connected load generator of a checkout."""

    def __init__(self, checkout: Path, port: int, pace: Pace) -> None:
        self._process = subprocess.Popen(
            [checkout / ".venv" / "bin" / "python", "-m", "runners.loadgen"],
            cwd=checkout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        job = Job(
            url=f"ws://127.0.0.1:{port}/",
            protocol="websocket",
            exchange="echo",
            pace=pace,
            connections=CONNECTIONS,
            warmup_s=1.0,
            duration_s=60.0,
            payload_bytes=PAYLOAD_BYTES,
            cpus=tuple(CORES.loadgen),
        )
        self._write(job.to_json())
        self._read("connected")
        self.load(1.0)
        self._write(json.dumps({"do": "forget"}))

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self, name: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        event: dict[str, Any] = json.loads(self._process.stdout.readline())
        if event["event"] != name:
            sys.exit(f"the load generator sent {event}")
        return event

    def _cpu_ns(self) -> int:
        return int(Path(f"/proc/{self._process.pid}/schedstat").read_text(encoding="ascii").split()[0])

    def load(self, seconds: float) -> tuple[float, float]:
        """Apply a slice of load; returns messages per second and messages per CPU second."""
        cpu_before_ns = self._cpu_ns()
        self._write(json.dumps({"do": "load", "seconds": seconds}))
        brief = self._read("loaded")["brief"]
        cpu_ns = self._cpu_ns() - cpu_before_ns
        return 1e9 * brief["answered"] / brief["window_ns"], 1e9 * brief["answered"] / cpu_ns

    def finish(self) -> dict[str, Any]:
        """End the load generator; returns its sample."""
        self._write(json.dumps({"do": "finish", "beat_ns": None}))
        sample: dict[str, Any] = self._read("sample")["sample"]
        self._process.communicate()
        return sample


def main() -> None:
    """Measure pairs and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--pairs", type=int, default=40, help="slices of each, closed loop; at least 2 (default: 40)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a slice (default: 0.5)")
    parser.add_argument("--rate", type=float, default=20_000.0, help="messages per second, open loop (default: 20000)")
    parser.add_argument("--lags", type=int, default=6, help="pairs of p99, open loop; at least 2 (default: 6)")
    options = parser.parse_args()
    checkouts = [options.old.resolve(), options.new.resolve()]
    os.environ.pop("PYTHONPATH", None)  # each checkout imports its own modules

    with lying_server(Lies(), CORES) as server:
        shards = [Shard(checkout, server.port, Closed()) for checkout in checkouts]
        pairs = [_pair(shards, options.seconds) for _ in range(options.pairs)]
        for shard in shards:
            shard.finish()
        _print("throughput, closed loop", [new[0] / old[0] for old, new in pairs])
        _print("messages per CPU second", [new[1] / old[1] for old, new in pairs])
        lags = []
        for _ in range(options.lags):
            shards = [Shard(checkout, server.port, Open(options.rate)) for checkout in checkouts]
            for _ in range(LAG_SLICES):
                _pair(shards, options.seconds)
            old_ms, new_ms = (_lag_p99_ms(shard.finish()) for shard in shards)
            lags.append(new_ms / old_ms)
        _print(f"send lag p99 at {options.rate:,.0f} msg/s", lags)


def _pair(shards: Sequence[Shard], seconds: float) -> list[tuple[float, float]]:
    """Apply one slice with each load generator, in random order, for each pair."""
    found = {index: shards[index].load(seconds) for index in random.sample(range(len(shards)), len(shards))}
    return [found[index] for index in range(len(shards))]


def _lag_p99_ms(sample: dict[str, Any]) -> float:
    lag = Histogram(dense(SparseCounts(*sample["histograms"]["send_lag"]))).percentile_ms(0.99)
    assert lag is not None
    return lag


def _print(what: str, ratios: Sequence[float]) -> None:
    """Print the geometric mean of ratios with its 95 % interval."""
    found = estimate_mean(ratios)
    assert found is not None
    assert found.interval is not None
    low, high = found.interval.low, found.interval.high
    sys.stdout.write(f"{what:32} {found.mean:.3f}  ({low:.3f} to {high:.3f}, {found.rounds} pairs)\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
