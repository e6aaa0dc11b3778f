"""Compares the throughput of the load generator with other clients, as ratios on one machine.

    uv run python -m benchmarks.loadgen                                  # aiohttp, websockets
    uv run --with locust --with websocket-client python -m benchmarks.loadgen

Every client sends 64-byte messages to the same bare echo server, closed loop, over 100 connections. Server and client
each have their own core. The order within a round is random. The output is the ratio of rtsite's load generator to each
other client, paired by round. Absolute values of a shared machine mean little; the ratios are the result.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import median

from runners import machine
from runners.calibration.liar import Lies
from runners.calibration.proofs import lying_server
from runners.loadgen.job import Job
from runners.loadgen.pace import Closed
from runners.loading import driver

PEERS = Path(__file__).with_name("peers.py")
CONNECTIONS = 100
PAYLOAD_BYTES = 64


def main() -> None:
    """Measure in rounds, print the table and, on request, JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cores = machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())
    clients = ["rtsite", "aiohttp", "websockets"]
    if importlib.util.find_spec("locust") and importlib.util.find_spec("websocket"):
        clients.append("locust")
    rates: dict[str, list[float]] = {client: [] for client in clients}
    with lying_server(Lies(), cores) as server:
        url = f"{server.url('ws')}/"
        for _ in range(options.rounds):
            for client in random.sample(clients, len(clients)):
                rates[client].append(_rate(client, url, options.seconds, cores))
    report = {
        client: {
            "messages_per_s": round(median(values)),
            "rtsite_is_times_faster": round(_ratio(rates["rtsite"], values), 2),
        }
        for client, values in rates.items()
    }
    if options.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return
    for client, row in report.items():
        sys.stdout.write(
            f"{client:12} {row['messages_per_s']:>9,} msg/s   rtsite is {row['rtsite_is_times_faster']:.2f} × that\n"
        )


def _rate(client: str, url: str, seconds: float, cores: machine.CoreShare) -> float:
    if client == "rtsite":
        job = Job(
            url=url,
            protocol="websocket",
            exchange="echo",
            pace=Closed(),
            connections=CONNECTIONS,
            warmup_s=1.0,
            duration_s=seconds,
            payload_bytes=PAYLOAD_BYTES,
        )
        return driver.apply(job, cpus=cores.loadgen).messages_per_s
    words = [sys.executable, str(PEERS), client, url, str(CONNECTIONS), str(PAYLOAD_BYTES), str(seconds)]
    environment = {**os.environ, "RTSITE_CPUS": ",".join(map(str, cores.loadgen))}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.splitlines()[-1])


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return math.exp(median(math.log(a / b) for a, b in zip(ours, theirs, strict=True)))


if __name__ == "__main__":
    main()
