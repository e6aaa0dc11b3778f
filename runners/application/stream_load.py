"""Load for a server of event streams that rtsite did not start."""

from __future__ import annotations

from typing import Any

from runners import machine, signals
from runners.application.echo_load import MOST_SHARDS, is_local
from runners.application.message_options import CLIENT_ONLY, check_template
from runners.loadgen.causes import summary
from runners.loadgen.job import NO_OPTIONS, ClientOptions, Job
from runners.loadgen.own_messages import IN_MESSAGE
from runners.loadgen.pace import Pace
from runners.loading import driver
from runners.loading.address import read_address
from runners.loading.job_building import build_stream_job
from runners.loading.load_result import StreamResult
from runners.loading.shards import LoadError
from runners.loading.stream_report import build_stream_report, explain_streams
from runners.record import UsageError, require_between, unknown_name

METHODS = ("GET", "POST")


def load_event_streams(
    url: str,
    *,
    method: str | None,
    body: str | None,
    connections: int,
    duration_s: float,
    warmup_s: float,
    pace: Pace,
    shards: int,
    client: ClientOptions = NO_OPTIONS,
    connect_timeout_s: float = Job.connect_timeout_s,
    answer_timeout_s: float = Job.answer_timeout_s,
    drain_s: float = Job.drain_s,
) -> dict[str, Any]:
    """Let clients read streams and return the report, with the keys of ``rtsite load --sse --json``. A signal in the
    timed window ends it.

    ``body``: template of what a request sends. Raises `UsageError` for values that cannot work, and `LoadError` if no
    stream of the warm-up had a chunk.
    """
    method = method or ("GET" if body is None else "POST")
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if body is not None:
        check_template(body, IN_MESSAGE, "--body")
        if method == "GET":
            raise UsageError("a GET request has no body; add --method POST, or omit --body")
    if any(name.lower() == "accept-encoding" for name, _ in client.headers):
        raise UsageError("--header Accept-Encoding cannot be set, because --sse reads streams without compression")
    require_between("--shards", shards, 1, MOST_SHARDS, "processes")
    if url:
        check_template(url, CLIENT_ONLY, "the address")
    address = read_address(url, kind="HTTP")
    if (client.ca or client.insecure) and address.startswith("ws://"):
        raise UsageError(
            "--ca and --insecure are for TLS, but the address begins with http://; use https:// or omit them"
        )
    job = build_stream_job(
        address,
        method,
        body or "",
        connections=connections,
        duration_s=duration_s,
        warmup_s=warmup_s,
        pace=pace,
        client=client,
        connect_timeout_s=connect_timeout_s,
        answer_timeout_s=answer_timeout_s,
        drain_s=drain_s,
    )
    machine.allow_open_files(-(-connections // min(shards, connections)))
    with driver.ShardGroup(min(shards, connections)) as running:
        connected = running.connect(job)
        if warmup_s:
            _check_readable(running.stream(warmup_s), url)
        with signals.taken_by(running.stop_early):
            result = running.stream(duration_s)
    shared_core = (is_local(address) and len(machine.physical_cores(machine.existing_cpus())) < 2) or None
    report = build_stream_report(result, connected, job, shared_core=shared_core)
    return {**report, "notes": list(explain_streams(report, job)), "interrupted": signals.received() is not None}


def _check_readable(warm_up: StreamResult, url: str) -> None:
    """Raise `LoadError` if all streams of the warm-up broke before their first chunk."""
    broken = warm_up.total(lambda shard: shard.broken)
    if broken == warm_up.total(lambda shard: shard.begun) > 0 and not warm_up.total(lambda shard: shard.chunks):
        raise LoadError(f"none of {broken} streams of {url} could be read: {summary(warm_up.causes.counted())}")
