"""Measures what messages of a server's own cost the load generator, compared with an echo, as ratios on one machine.

    uv run python -m benchmarks.own_messages                                          # a table
    uv run python -m benchmarks.own_messages --json > benchmarks/own_messages.json    # for the documentation

Every kind of message goes to the same bare echo server, closed loop, over 100 connections. Event streams are those of
the example `docs/examples/token_stream.py`. A value is messages or chunks per second of the load generator's own CPU
time, because the server usually limits the throughput. The order within a round
is random. The ratios are paired by round and are the result; absolute values hold for one machine.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from runners import machine
from runners.calibration.liar import Lies
from runners.calibration.proofs import lying_server
from runners.loadgen.job import NO_OPTIONS, Job, OwnMessages
from runners.loadgen.pace import Closed
from runners.loading import driver
from runners.loading.address import read_address
from runners.loading.job_building import build_stream_job

CONNECTIONS = 100
SAY = '{"type":"say","id":{seq},"from":{client},"text":"good morning, everybody"}'
OTHER_ORDER = '{"id":{seq},"from":{client}}'
KINDS: dict[str, tuple[OwnMessages | None, float]] = {
    "a payload that comes back": (None, 1.0),
    "answers that differ in their number alone": (OwnMessages(SAY, OTHER_ORDER), 1.0),
    "answers that vary, compared as text": (OwnMessages(SAY, '{"type":{any},"id":{seq}{any}'), 0.0),
    "answers that vary, compared as JSON": (OwnMessages(SAY, OTHER_ORDER), 0.0),
}
"""What is sent and what answers it, and the seconds of the warm-up, by name in the documentation. The first one is the
measure of the others. The load generator learns the form of answers in the warm-up. Without it, answers are compared as
if they varied."""
STREAMS = "chunks of event streams, with their requests"
TOKEN_STREAM = Path(__file__).parents[1] / "docs" / "examples" / "token_stream.py"


def main() -> None:
    """Measure in rounds, and print the table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cores = machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())
    found: dict[str, list[float]] = {kind: [] for kind in (*KINDS, STREAMS)}
    with lying_server(Lies(), cores) as server, _token_stream() as streams_url:
        for _ in range(options.rounds):
            for kind in random.sample(list(found), len(found)):
                if kind == STREAMS:
                    found[kind].append(_chunks_per_cpu_s(streams_url, options.seconds, cores))
                    continue
                own, warmup_s = KINDS[kind]
                job = _job(f"{server.url('ws')}/", own, warmup_s, options.seconds)
                found[kind].append(_messages_per_cpu_s(job, cores))
    echo = next(iter(found.values()))
    rows = [
        {
            "kind": kind,
            "messages_per_cpu_s": round(median(values)),
            "ratio": round(median(one / other for one, other in zip(values, echo, strict=True)), 3),
        }
        for kind, values in found.items()
    ]
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    for row in rows:
        sys.stdout.write(
            f"{row['kind']:56} {row['messages_per_cpu_s']:>9,} per CPU second   {row['ratio']:.2f} × echo\n"
        )


def _job(url: str, own: OwnMessages | None, warmup_s: float, seconds: float) -> Job:
    return Job(
        url=url,
        protocol="websocket",
        exchange="echo",
        pace=Closed(),
        connections=CONNECTIONS,
        first_client=CONNECTIONS,
        warmup_s=warmup_s,
        duration_s=seconds,
        own=own,
    )


def _messages_per_cpu_s(job: Job, cores: machine.CoreShare) -> float:
    result = driver.apply(job, cpus=cores.loadgen)
    assert not result.ledger.foreign
    return result.ledger.received * 1e9 / result.total(lambda sample: sample.cpu_ns)


@contextmanager
def _token_stream() -> Iterator[str]:
    """The address of the example's server, while it runs."""
    with subprocess.Popen([sys.executable, TOKEN_STREAM, "0"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield read_address(server.stdout.readline().strip(), kind="HTTP")
        finally:
            server.kill()


def _chunks_per_cpu_s(url: str, seconds: float, cores: machine.CoreShare) -> float:
    job = build_stream_job(
        url,
        "POST",
        '{"stream":true}',
        connections=CONNECTIONS,
        duration_s=seconds,
        warmup_s=0.0,
        pace=Closed(),
        client=NO_OPTIONS,
        connect_timeout_s=10.0,
        answer_timeout_s=10.0,
        drain_s=5.0,
    )
    with driver.ShardGroup(1, cores.loadgen) as running:
        running.connect(job)
        result = running.stream(seconds)
    assert not result.causes.errors()
    return result.total(lambda shard: shard.chunks) * 1e9 / result.total(lambda shard: shard.cpu_ns)


if __name__ == "__main__":
    main()
